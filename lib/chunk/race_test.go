//go:build race

package chunk

// racing reports that tests run under the race detector, which makes the arithmetic of fingerprints ten times slower.
const racing = true
