package secretstream

// A path is a way to seal and to open. All have the same results; plain is the specification of the others.
type path int

const (
	plain  path = iota
	fused       // by the AEAD: fused.go
	wide        // by a kernel: wide.go
	either      // wide, or fused where that is faster
)

// quickest returns the path to take here.
func quickest() path {
	switch {
	case wideXOR != nil && useFused:
		return either
	case useFused:
		return fused
	}
	return plain
}

// leastFused is how many bytes the AEAD's fixed costs are worth.
const leastFused = 256

// forLength returns the path for so many bytes that the MAC sees.
func (p path) forLength(n int) path {
	switch {
	case p != either:
		return p
	case padsAlike(n) && n >= leastFused:
		return fused
	}
	return wide
}
