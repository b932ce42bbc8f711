package secretstream

import (
	"bytes"
	"testing"

	"hc/tests/guard"
)

// TestNoByteBeside has messages begin and end at pages that can be neither read nor written: to touch a byte beside them
// would be fatal. Those on the same page beside them must stay as they are.
func TestNoByteBeside(t *testing.T) {
	page := guard.Bytes(t, 2*mostWide)
	key, header := bytes.Repeat([]byte{3}, 32), bytes.Repeat([]byte{4}, headerSize)
	for _, p := range paths() {
		t.Run("path="+p.String(), func(t *testing.T) {
			for n := blockSize + macSize; n <= len(page); n += 1 + n/53 {
				for _, at := range []int{0, len(page) - n} {
					fillWith(page, 0xc3)
					buf := page[at:][:n:n]
					out, in := sealerWith(key, header, p), sealerWith(key, header, p)
					fillWith(buf, 0x11)
					out.seal(buf, tagFinal)
					tag, err := in.open(buf)
					message := buf[blockSize : n-macSize]
					if err != nil || tag != tagFinal || !bytes.Equal(message, bytes.Repeat([]byte{0x11}, len(message))) {
						t.Fatalf("len=%d at=%d: opened with tag %d, %v", n, at, tag, err)
					}
					fillWith(buf, 0xc3)
					if bytes.Count(page, []byte{0xc3}) != len(page) {
						t.Fatalf("len=%d at=%d: bytes beside it were written", n, at)
					}
				}
			}
		})
	}
}

func fillWith(b []byte, value byte) {
	for i := range b {
		b[i] = value
	}
}
