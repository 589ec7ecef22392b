// Package bench measures the gateway. "make bench" runs it and prints one line for each figure, as
// "name value unit", after a comment that says how often it was measured, what against, and the goal.
//
// Absolute times mean little on a machine that is shared, so that most figures are ratios: both sides
// are measured in turn (A B A B …) in one run, and their medians are compared. Each launch has an id, a
// time and a person of its own, so that nothing can be remembered from the one before. The last
// response is verified by xmlsec1, because speed counts for nothing if the signature is wrong.
//
// Each figure is a benchmark that runs once. The servers that the gateway is measured against are this
// test binary too, started as a process of its own; see main_test.go.
package bench
