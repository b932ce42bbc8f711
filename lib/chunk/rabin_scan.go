package chunk

// A step from a fingerprint to the next waits for the table look-up of the step before it, so a single lane of them
// leaves most of a processor idle. Therefore four neighbouring stretches of the content are scanned side by side.
// Whether a window is a hit depends on nothing before it, so only the first hit counts, and little of the work is
// wasted: about 2 KiB of steps a chunk, and a window to start each lane.
const (
	lane  = 512 // bytes
	group = 4 * lane
)

// groupWindows are the bytes that a group's windows cover.
type groupWindows = [Window + group]byte

// scan returns the first cut of buf that is at or after from, which is at least r.min, or 0 if there is none. It
// looks at nothing before the window of the first possible cut.
//
// Scanning many places at once is slower if the hit is near. Some content has near hits in most of its chunks, most
// content has not: if the last hit was near, the scan begins byte by byte.
func (r *rabin) scan(buf []byte, from int) int {
	f := r.tables.fingerprint((*[Window]byte)(buf[from-Window:]))
	if f&r.mask == 0 {
		return from
	}
	if from > r.min {
		return r.scanWide(buf, from, f)
	}
	wasNear := r.lastNear.Load()
	if wasNear {
		to := min(len(buf), from+r.near)
		var n int
		if n, f = r.scanLane(buf[from-Window:to], f); n > 0 {
			return from + n
		}
		from = to
	}
	hit := r.scanWide(buf, from, f)
	if isNear := hit > 0 && hit <= r.min+r.near; isNear != wasNear && len(buf) >= r.min+r.near {
		r.lastNear.Store(isNear)
	}
	return hit
}

// scanWide returns the first hit of buf after from, or 0; f is the fingerprint at from, which is not a hit.
func (r *rabin) scanWide(buf []byte, from int, f uint64) int {
	if r.kernel != nil && len(buf)-from >= r.kernel.lanes*columns {
		var hit int
		if hit, from = r.scanSliced(buf, from); hit > 0 {
			return hit
		}
		f = r.tables.fingerprint((*[Window]byte)(buf[from-Window:]))
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

// step returns the fingerprint after the next byte. It combines first the parts that depend on nothing.
func (t *rabinTables) step(f uint64, out, in byte) uint64 {
	change := t.out[out] ^ uint64(in)<<unused
	return f<<8 ^ change ^ t.push[f>>topByte]
}

// fingerprint returns the fingerprint of one window.
func (t *rabinTables) fingerprint(window *[Window]byte) uint64 {
	var f uint64
	for _, b := range window {
		f = t.step(f, 0, b)
	}
	return f
}

// scanLane rolls the fingerprint f of the first window of b over the rest of b. It returns how many bytes after that
// window the first hit ends, or 0, and the fingerprint there, or at the end.
func (r *rabin) scanLane(b []byte, f uint64) (int, uint64) {
	t, mask := r.tables, r.mask
	in := b[Window:]
	out := b[:len(in)]
	for i := range in {
		f = t.step(f, out[i], in[i])
		if f&mask == 0 {
			return i + 1, f
		}
	}
	return 0, f
}

// scanGroup is scanLane for a whole group. The first window of a lane is the last one of the lane before it, which
// checks it.
func (r *rabin) scanGroup(b *groupWindows, f uint64) (int, uint64) {
	t, mask := r.tables, r.mask
	g := t.fingerprint((*[Window]byte)(b[lane:]))
	h := t.fingerprint((*[Window]byte)(b[2*lane:]))
	k := t.fingerprint((*[Window]byte)(b[3*lane:]))
	for i := range lane {
		f = t.step(f, b[i], b[i+Window])
		g = t.step(g, b[i+lane], b[i+lane+Window])
		h = t.step(h, b[i+2*lane], b[i+2*lane+Window])
		k = t.step(k, b[i+3*lane], b[i+3*lane+Window])
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
