//go:build !purego && !noasm

package secretstream

import "golang.org/x/sys/cpu"

// fast are the paths with kernels that run here, from the slowest.
var fast = withKernels()

func withKernels() []path {
	switch x := &cpu.X86; {
	case !x.HasAVX2:
		return nil
	case !x.HasAVX512F:
		return []path{avx2}
	case !x.HasAVX512IFMA:
		return []path{avx2, avx512}
	}
	return []path{avx2, avx512, ifma}
}

// xor calls the kernel for [wideStream.xor].
func (p path) xor(state *[16]uint32, data *byte, groups int) {
	switch p {
	case avx2:
		xorAVX2(state, data, groups)
	case avx512, ifma:
		xorAVX512(state, data, groups)
	default:
		xorGeneric(state, data, groups*widest)
	}
}

// xorFew is like xor, for [few] bytes.
func (p path) xorFew(state *[16]uint32, data *byte) {
	if p == generic {
		xorGeneric(state, data, few)
		return
	}
	xorFewAVX2(state, data)
}

// add calls the kernel for [poly.groups].
func (p path) add(v *polyLanes, data *byte, groups int) {
	if p == ifma {
		addIFMA(v, data, groups)
		return
	}
	addAVX2(v, data, groups)
}

//go:noescape
func xorAVX2(state *[16]uint32, data *byte, groups int)

//go:noescape
func xorFewAVX2(state *[16]uint32, data *byte)

//go:noescape
func xorAVX512(state *[16]uint32, data *byte, groups int)

//go:noescape
func addAVX2(v *polyLanes, data *byte, groups int)

//go:noescape
func addIFMA(v *polyLanes, data *byte, groups int)
