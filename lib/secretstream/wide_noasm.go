//go:build !amd64 || purego || noasm

package secretstream

// fast are the paths with kernels that run here: none.
var fast []path

// xor stands in for the kernel for [wideStream.xor].
func (p path) xor(state *[16]uint32, data *byte, groups int) { xorGeneric(state, data, groups*widest) }

// xorFew is like xor, for [few] bytes.
func (p path) xorFew(state *[16]uint32, data *byte) { xorGeneric(state, data, few) }

// add is not called: the generic path uses the twin of [poly.groups] for all blocks.
func (p path) add(*polyLanes, *byte, int) { panic("secretstream: internal error: no kernel") }
