//go:build race

package lent

// poison spoils memory that was given back, so that code that still reads it reads nonsense, and the race detector
// finds it.
func poison(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}
