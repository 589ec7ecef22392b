package awssignin

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The rules of AWS's pages and API models, and of this house, as they were collected before the judge was written:
// written out by hand, so that a rule that is missing from the table is missed. R8 came later.
const (
	rulesHere = `R1 E, R2 S, R3 E, R4 S, R5 S, R6 E, R7 E, R8 W, S1 E, S2 S, S3 S, U1 E, U2 E, U3 E, U4 W, U5 S, C1 E, C2 S, C3 E, C4 W,
		T1 E, T2 E, T3 W, T4 E, T5 E, T6 E, T7 E, T9 E, T10 E, T11 S, T12 W, E1 E, E2 E, X1 E, X2 E, X4 E, X6 W, X7 W, G1 E, G2 S,
		M1 E, M3 S, M4 E, M5 S, M6 W, M8 S`
	rulesElsewhere = `E3 M2 X3 T8 X5 G3 M7 P1 P2 P3 P4 P5 P6 P7 P8`
)

func TestEveryRuleIsSomewhere(t *testing.T) {
	var got []string
	for _, r := range Rules() {
		got = append(got, r.ID+" "+string(r.Level))
	}
	var want []string
	for rule := range strings.SplitSeq(rulesHere, ",") {
		want = append(want, strings.TrimSpace(rule))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the rules are\n%s, want\n%s", got, want)
	}

	src, err := os.ReadFile("verdict.go")
	if err != nil {
		t.Fatal(err)
	}
	_, comment, _ := strings.Cut(string(src), "// Rules returns")
	comment, _, ok := strings.Cut(comment, "\nfunc Rules()")
	if !ok {
		t.Fatal("Rules has no comment")
	}
	for id := range strings.FieldsSeq(rulesElsewhere) {
		if !regexp.MustCompile(`\b` + id + `\b`).MatchString(comment) {
			t.Errorf("the comment of Rules does not say where %s is judged", id)
		}
		if slices.ContainsFunc(Rules(), func(r Rule) bool { return r.ID == id }) {
			t.Errorf("%s is judged here", id)
		}
	}
}
