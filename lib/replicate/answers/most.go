package answers

import "hc/lib/objects"

// The memory of a long answer is taken from when it is made until it is written, which with who reads slowly is long, and a hundred
// connections would each take it. So where many are connected their answers are shorter: what does not come is asked for again.
const (
	fewConns   = 12
	manyConns  = 64
	crowdedRaw = objects.MaxRaw / 2 // bytes of blocks in an answer where there are more than few; a run is not cut for that
	packedRaw  = objects.MaxRaw / 4 // where there are more than many
)

// Most returns how many bytes of blocks an answer has, at most, if it has several runs, where so many are connected.
func Most(conns int) int {
	switch {
	case conns <= fewConns:
		return objects.MaxRaw
	case conns <= manyConns:
		return crowdedRaw
	default:
		return packedRaw
	}
}
