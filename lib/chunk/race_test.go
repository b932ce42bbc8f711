//go:build race

package chunk

// racing says that tests run under the race detector, which makes the arithmetic of fingerprints ten times slower.
const racing = true
