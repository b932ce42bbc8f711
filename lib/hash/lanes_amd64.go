//go:build !purego && !noasm

package hash

import "golang.org/x/sys/cpu"

func init() {
	if cpu.X86.HasAVX2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL {
		kernels = append(kernels, kernel{4, compressAVX512VL})
	}
	if cpu.X86.HasAVX2 {
		kernels = append(kernels, kernel{4, compressAVX2})
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasAVX512F {
		kernels = append(kernels, kernel{8, compressAVX512})
	}
}

//go:noescape
func compressAVX2(v *vectors, blocks int)

//go:noescape
func compressAVX512VL(v *vectors, blocks int)

//go:noescape
func compressAVX512(v *vectors, blocks int)
