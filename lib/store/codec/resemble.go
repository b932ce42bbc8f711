package codec

// Samples tell which of some blocks another one resembles. A block is sampled wherever a rolling fingerprint over 64
// bytes has sampleBits zeros. So content that has moved is found as well, and content that has nothing in common costs
// no attempt.
const (
	sampleWindow = 64 // bytes; a bit of the fingerprint is shifted out with each
	sampleBits   = 7
	leastShare   = 4 // the share of the samples that two blocks must have in common, as a divisor
)

// gear is a random number for each byte.
var gear = func() (table [256]uint64) {
	state := uint64(0x6863_6465_6c74_6131)
	for i := range table { // splitmix64
		state += 0x9e3779b97f4a7c15
		z := state
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		table[i] = z ^ z>>31
	}
	return table
}()

// eachSample calls fn for each sample of data.
func eachSample(data []byte, fn func(uint64)) {
	if len(data) < sampleWindow {
		return
	}
	h := uint64(0)
	for _, b := range data[:sampleWindow-1] {
		h = h<<1 + gear[b]
	}
	for _, b := range data[sampleWindow-1:] {
		if h = h<<1 + gear[b]; h>>(64-sampleBits) == 0 {
			fn(h)
		}
	}
}

// Resembling holds the samples of some blocks.
type Resembling struct {
	of    map[uint64]uint16 // sample → the first block that has it
	count int
}

// Add adds a block.
func (r *Resembling) Add(block []byte) {
	if r.of == nil {
		r.of = make(map[uint64]uint16)
	}
	number := uint16(r.count)
	r.count++
	eachSample(block, func(s uint64) {
		if _, ok := r.of[s]; !ok {
			r.of[s] = number
		}
	})
}

// Best returns the number of the block that has the most samples in common with another one, if these are enough.
func (r *Resembling) Best(block []byte) (number int, ok bool) {
	shared, all := make([]int, r.count), 0
	eachSample(block, func(s uint64) {
		all++
		if n, ok := r.of[s]; ok {
			shared[n]++
		}
	})
	most := 0
	for i, n := range shared {
		if n > most {
			number, most = i, n
		}
	}
	return number, most > 0 && most >= all/leastShare
}
