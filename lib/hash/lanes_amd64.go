//go:build !purego && !noasm

package hash

import "golang.org/x/sys/cpu"

// compress is [compressGeneric] in assembly, nil where it does not run.
var compress = detect()

func detect() func(v *vectors, blocks int) {
	if !cpu.X86.HasAVX2 {
		return nil
	}
	return compressAVX2
}

//go:noescape
func compressAVX2(v *vectors, blocks int)
