package stream

import "hc/lib/checksum"

// A Batch is blocks of a stream, together with the memory in which they are, so that they need not be copied while
// one batch is processed and the next one is read. The zero Batch is ready to use.
type Batch struct {
	Blocks [][]byte
	Sums   []checksum.Sum // of each block, if it is known: short blocks are not summed one by one
	Bytes  int            // of all blocks

	buf []byte
}

// ReadBatch fills b with the next blocks, up to about maxBytes of them, or up to the end of the frame with which they
// reach maxBlocks; a single larger block is read as well. They are valid until b is filled again, whatever is read
// meanwhile. It waits for more of the stream, so it is for throughput. Errors are those of Next, and come with the
// blocks that were complete before them, if any.
func (r *Reader) ReadBatch(b *Batch, maxBytes, maxBlocks int) error {
	clear(b.Blocks)
	b.Blocks, b.Sums, b.Bytes = b.Blocks[:0], b.Sums[:0], 0
	want := min(max(maxBytes, 0), MaxBlock) + MaxHeader
	if r.err == nil && !r.buffered() { // else blocks are where the buffered data after them would move
		r.makeRoomOf(want, want)
	}
	r.summing = true
	err := r.fillBatch(b, maxBytes, maxBlocks)
	r.summing = false
	if err == nil { // else nothing more is read into the buffer
		r.handOver(b, want)
	}
	return err
}

// fillBatch reads frames up to one that does not fit, or is no longer wanted.
func (r *Reader) fillBatch(b *Batch, maxBytes, maxBlocks int) error {
	for {
		for r.buffered() {
			block := r.take(r.nextLength())
			b.Blocks, b.Sums, b.Bytes = append(b.Blocks, block), append(b.Sums, r.sum), b.Bytes+len(block)
		}
		if len(b.Blocks) > 0 && (b.Bytes >= maxBytes || len(b.Blocks) >= maxBlocks) {
			return nil
		}
		if err := r.advance(len(b.Blocks) > 0); err == errRoom {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// handOver gives b the buffer with its blocks, and continues in the one that b had, with the data read after them.
func (r *Reader) handOver(b *Batch, want int) {
	waiting := r.buf[r.start:r.end]
	want = max(want, len(waiting))
	if len(b.buf) < want || len(b.buf) > 2*want {
		b.buf = make([]byte, want)
	}
	r.start, r.end = 0, copy(b.buf, waiting)
	r.buf, b.buf = b.buf, r.buf
}
