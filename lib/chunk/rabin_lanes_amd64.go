//go:build !purego && !noasm

package chunk

import "golang.org/x/sys/cpu"

func init() {
	if cpu.X86.HasAVX2 {
		kernels = append(kernels, kernel{32, findAVX2})
	}
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512GFNI {
		kernels = append(kernels, kernel{64, findAVX512})
	}
}

//go:noescape
func findAVX2(t *sliced, data *byte, steps int) int

//go:noescape
func findAVX512(t *sliced, data *byte, steps int) int
