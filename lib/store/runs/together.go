package runs

import (
	"context"

	"hc/lib/hash"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

// AddTogether puts blocks into a run of their own with the given payload, and returns its ordinal. The payload is not
// copied.
func (w *Writer) AddTogether(ctx context.Context, leaves []hash.Digest, blocks [][]byte, payload []byte, codec byte) (run uint32, err error) {
	if err := w.end(ctx); err != nil {
		return 0, err
	}
	m := records.Run{Short: w.short, Lines: w.short, Codec: codec, Ordinal: w.ordinal, Count: len(blocks)}
	for i, block := range blocks {
		m.Lengths = append(m.Lengths, uint32(len(block)))
		m.Raw += len(block)
		ends := len(block) > 0 && block[len(block)-1] == '\n'
		m.Lines = m.Lines && isLine(block) && (ends || i == len(blocks)-1)
	}
	if !w.short {
		m.Leaves = leaves
	}
	w.ordinal++
	job := &runJob{meta: m, record: packlog.Record{Kind: packlog.KindRun, Meta: m.Encode(), Payload: payload}, lent: true}
	w.queue = append(w.queue, job)
	w.waiting += m.Raw
	return m.Ordinal, w.drain(ctx, m.Raw)
}
