package answers

import "hc/lib/objects"

// A long answer takes memory until it is written, which is long if the peer reads slowly, and each of a hundred connections
// would take it. So with many connections answers are shorter: blocks that do not come are asked for again.
const (
	fewConns   = 12
	manyConns  = 64
	crowdedRaw = objects.MaxRaw / 2 // bytes of blocks in an answer with more than few connections; no run is cut for it
	packedRaw  = objects.MaxRaw / 4 // likewise, with more than many
)

// Most returns the limit in bytes of the blocks of an answer with several runs, for a number of connections.
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
