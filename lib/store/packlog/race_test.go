//go:build race

package packlog_test

// The exhaustive tests have one goroutine each, and are ten times slower under the race detector: there they only take
// one case in stride.
const stride = 7
