//go:build !race

package proof

// raceEnabled thins out tests that do the same many times.
const raceEnabled = false
