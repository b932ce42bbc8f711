package chunk

import "encoding/binary"

// scan returns where the first cut of buf is, or 0 if buf has none; len(buf) ≥ r.min.
//
// A fingerprint f becomes f·x^8 + b for a byte b that comes in, less out[o] for the byte o that leaves. Done a byte at
// a time, each step waits for a table look-up by the one before it. So four steps are taken at once: f·x^32 needs four
// look-ups, for the four bytes that the shift drops, that do not wait for each other; what the four bytes that come in
// and leave add to it (z) does not depend on f at all. The three fingerprints between are computed one by one beside it,
// where nothing waits for them. Nothing before the window of the first possible cut is looked at.
func (r *rabin) scan(buf []byte) int {
	t, mask := r.tables, r.mask
	push := &t.push[0]
	tail, head := buf[r.min-Window:], buf[r.min:] // head[i] is Window bytes behind tail[i]
	var f uint64
	for _, b := range tail[:Window] {
		f = f<<8 ^ push[f>>56] ^ uint64(b)<<scale
	}
	if f&mask == 0 {
		return r.min
	}
	i := 0
	tail = tail[:len(head)]
	for ; i+4 <= len(head) && i+4 <= len(tail); i += 4 {
		in := binary.LittleEndian.Uint32(head[i:])
		out := binary.LittleEndian.Uint32(tail[i:])
		a0 := t.out[byte(out)] ^ uint64(byte(in))<<scale
		a1 := t.out[byte(out>>8)] ^ uint64(byte(in>>8))<<scale
		a2 := t.out[byte(out>>16)] ^ uint64(byte(in>>16))<<scale
		a3 := t.out[out>>24] ^ uint64(in>>24)<<scale
		z := a0<<8 ^ push[a0>>56] ^ a1
		z = z<<8 ^ push[z>>56] ^ a2
		z = z<<8 ^ push[z>>56] ^ a3

		f1 := f<<8 ^ push[f>>56] ^ a0
		f2 := f1<<8 ^ push[f1>>56] ^ a1
		f3 := f2<<8 ^ push[f2>>56] ^ a2
		f = f<<32 ^ t.push[3][f>>56] ^ t.push[2][byte(f>>48)] ^ t.push[1][byte(f>>40)] ^ push[byte(f>>32)] ^ z
		switch {
		case f1&mask == 0:
			return r.min + i + 1
		case f2&mask == 0:
			return r.min + i + 2
		case f3&mask == 0:
			return r.min + i + 3
		case f&mask == 0:
			return r.min + i + 4
		}
	}
	for ; i < len(head); i++ {
		f = f<<8 ^ push[f>>56] ^ t.out[tail[i]] ^ uint64(head[i])<<scale
		if f&mask == 0 {
			return r.min + i + 1
		}
	}
	return 0
}
