//go:build race

package local

// raceDetector says that resident memory holds the detector's own, several times that of the program.
const raceDetector = true
