//go:build !purego && !noasm

package secretstream

import "golang.org/x/sys/cpu"

func init() {
	if cpu.X86.HasAVX512F {
		wideXOR = xorAVX512
	}
}

//go:noescape
func xorAVX512(state *[16]uint32, data *byte, groups int)
