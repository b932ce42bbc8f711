package secretstream

// A path is a way to seal and to open. All give the same results; plain is the specification of the others.
type path int

const (
	plain   path = iota // cipher.go
	generic             // wide.go, with the kernels' twins: only to test it anywhere, as it is slower than plain
	avx2                // wide.go, with kernels that take 8 blocks of key stream at once, and 4 of the MAC
	avx512              // 16 and 4
	ifma                // 16 and 8
)

// quickest returns the fastest path on this machine.
func quickest() path {
	if len(fast) == 0 {
		return plain
	}
	return fast[len(fast)-1]
}
