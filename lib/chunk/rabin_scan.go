package chunk

// A step from a fingerprint to the next waits for the table look-up of the step before it: one lane of them leaves most
// of a processor idle. So four neighbouring stretches of the content are scanned side by side. Whether a window is a
// hit depends on nothing before it, so only the first hit counts, and little is scanned in vain: some 2 KiB of steps a
// chunk, and a window to start each lane.
const (
	lane  = 512 // bytes
	group = 4 * lane
)

// groupWindows are the bytes behind which, and up to which, a group's windows end.
type groupWindows = [Window + group]byte

// scan returns where the first cut of buf is, or 0 if buf has none; len(buf) ≥ r.min. It looks at nothing before the
// window of the first possible cut.
func (r *rabin) scan(buf []byte) int {
	from := r.min
	f := r.tables.fingerprint((*[Window]byte)(buf[from-Window:]))
	if f&r.mask == 0 {
		return from
	}
	for ; len(buf)-from >= group; from += group {
		var n int
		if n, f = r.scanGroup((*groupWindows)(buf[from-Window:]), f); n > 0 {
			return from + n
		}
	}
	if n, _ := r.scanLane(buf[from-Window:], f); n > 0 {
		return from + n
	}
	return 0
}

// fingerprint returns the fingerprint of one window.
func (t *rabinTables) fingerprint(window *[Window]byte) uint64 {
	var f uint64
	for _, b := range window {
		f = f<<8 ^ t.push[byte(f>>(degree-8))] ^ uint64(b)
	}
	return f
}

// scanLane rolls the fingerprint f of the first window of b over the rest of b. It returns how many bytes behind that
// window the first hit ends, or 0, and the fingerprint there, or at the end.
func (r *rabin) scanLane(b []byte, f uint64) (int, uint64) {
	t := r.tables
	in := b[Window:]
	out := b[:len(in)]
	for i := range in {
		f = f<<8 ^ t.push[byte(f>>(degree-8))] ^ t.out[out[i]] ^ uint64(in[i])
		if f&r.mask == 0 {
			return i + 1, f
		}
	}
	return 0, f
}

// scanGroup is scanLane for a whole group. The first window of a lane is the last one of the lane before it, which looks
// at it.
func (r *rabin) scanGroup(b *groupWindows, f uint64) (int, uint64) {
	t, mask := r.tables, r.mask
	var g, h, k uint64
	for i := range Window {
		g = g<<8 ^ t.push[byte(g>>(degree-8))] ^ uint64(b[lane+i])
		h = h<<8 ^ t.push[byte(h>>(degree-8))] ^ uint64(b[2*lane+i])
		k = k<<8 ^ t.push[byte(k>>(degree-8))] ^ uint64(b[3*lane+i])
	}
	for i := range lane {
		f = f<<8 ^ t.push[byte(f>>(degree-8))] ^ t.out[b[i]] ^ uint64(b[i+Window])
		g = g<<8 ^ t.push[byte(g>>(degree-8))] ^ t.out[b[i+lane]] ^ uint64(b[i+lane+Window])
		h = h<<8 ^ t.push[byte(h>>(degree-8))] ^ t.out[b[i+2*lane]] ^ uint64(b[i+2*lane+Window])
		k = k<<8 ^ t.push[byte(k>>(degree-8))] ^ t.out[b[i+3*lane]] ^ uint64(b[i+3*lane+Window])
		if f&mask == 0 {
			return i + 1, f
		}
		if g&mask == 0 || h&mask == 0 || k&mask == 0 {
			n, last := r.scanLane(b[i+1:], f)
			return i + 1 + n, last
		}
	}
	return 0, k
}
