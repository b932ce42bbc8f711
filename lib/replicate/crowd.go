package replicate

import "hc/lib/objects"

// The memory of a long answer is taken from when it is made until it is written, which with who reads slowly is long, and a hundred
// connections would each take it. So where many are connected their answers are shorter: what does not come is asked for again.
const (
	fewConns   = 12
	crowdedRaw = 512 << 10 // bytes of blocks in an answer where there are more; a run is not cut for that
)

// mostRaw is how many bytes of blocks an answer has, at most, if it has several runs.
func (c *serverConn) mostRaw() int {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) > fewConns {
		return crowdedRaw
	}
	return objects.MaxRaw
}
