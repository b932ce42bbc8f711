package proof

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"hc/lib/hyperbee"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
)

// BenchmarkTree writes and verifies a drive of many small files, and one of a large file.
func BenchmarkTree(b *testing.B) {
	for _, c := range []struct {
		name        string
		files, size int
	}{{"small", 20_000, 100}, {"large", 1, 64 << 20}} {
		d := newDrive(b)
		batch := hyperbee.NewBatch(d.names, d.names.length())
		for i := range c.files {
			var blocks []string
			for left := c.size; left > 0; left -= 64 << 10 {
				blocks = append(blocks, string(make([]byte, min(left, 64<<10))))
			}
			blob := d.append(blocks...)
			name := hyperdrive.Key(fmt.Sprintf("/folder-%03d/%05d", i*7%100, i))
			if err := batch.Put(b.Context(), name, hyperdrive.Entry{Blob: &blob}.Encode()); err != nil {
				b.Fatal(err)
			}
		}
		d.flush(batch)
		claim := treeOf("/")
		head, blobs := &signedOnce{testLog: d.names}, &signedOnce{testLog: d.blobs}
		opt := WriteOptions{Claim: claim, Blobs: func(context.Context, keys.Key) (Source, error) { return blobs, nil }}
		var stream bytes.Buffer
		if err := Write(b.Context(), &stream, head, opt); err != nil {
			b.Fatal(err)
		}
		b.Run("write/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(c.files * c.size))
			for b.Loop() {
				if err := Write(b.Context(), io.Discard, head, opt); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(stream.Len())/float64(c.files), "bytes/file")
		})
		b.Run("verify/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(c.files * c.size))
			for b.Loop() {
				if _, err := Verify(b.Context(), bytes.NewReader(stream.Bytes()), Options{Claim: &claim}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// signedOnce is a log whose head is signed already.
type signedOnce struct {
	*testLog
	head *Head
}

func (s *signedOnce) Head(context.Context) (Head, error) {
	if s.head == nil {
		head := s.testLog.head(s.length())
		s.head = &head
	}
	return *s.head, nil
}
