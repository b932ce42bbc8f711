//go:build race

package packlog_test

// The exhaustive tests have one goroutine each, and are ten times slower under the race detector: there they take each
// so many-th case only.
const stride = 7
