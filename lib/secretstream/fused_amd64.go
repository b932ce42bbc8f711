//go:build !purego && !noasm

package secretstream

import "golang.org/x/sys/cpu"

// useFused is true where the AEAD's assembly runs, which asks for the same.
var useFused = cpu.X86.HasAVX2 && cpu.X86.HasBMI2 && cpu.X86.HasSSSE3
