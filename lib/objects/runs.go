package objects

import (
	"hc/lib/compact"
	"hc/lib/merkle"
)

// AskRuns asks which of neighbouring blocks are stored together.
type AskRuns struct{ ID, Fork, First, Count uint64 }

// Append appends the message's body.
func (m AskRuns) Append(b []byte) []byte {
	for _, n := range []uint64{m.ID, m.Fork, m.First, m.Count} {
		b = compact.AppendUint(b, n)
	}
	return b
}

// DecodeAskRuns reads the message's body.
func DecodeAskRuns(b []byte) (AskRuns, error) {
	d := compact.NewDecoder(b)
	m := AskRuns{ID: d.Uint(), Fork: d.Uint(), First: d.Uint(), Count: d.Uint()}
	if m.Count == 0 || m.Count > MaxBlocks || m.First >= merkle.MaxLength {
		d.Fail("runs of %d blocks from %d on", m.Count, m.First)
	}
	return m, finish("runs?", d)
}

// Runs is the answer: for each run, in order, how many of the blocks asked about it has.
type Runs struct {
	ID     uint64
	Counts []uint64
}

// Append appends the message's body.
func (m Runs) Append(b []byte) []byte {
	b = compact.AppendUint(compact.AppendUint(b, m.ID), uint64(len(m.Counts)))
	for _, n := range m.Counts {
		b = compact.AppendUint(b, n)
	}
	return b
}

// DecodeRuns reads the message's body.
func DecodeRuns(b []byte) (Runs, error) {
	d := compact.NewDecoder(b)
	m := Runs{ID: d.Uint()}
	all := uint64(0)
	for range d.ArrayLen(1, MaxRuns) {
		n := d.Uint()
		if all += min(n, MaxBlocks+1); n == 0 || all > MaxBlocks {
			d.Fail("a run of %d blocks", n)
			break
		}
		m.Counts = append(m.Counts, n)
	}
	return m, finish("runs", d)
}
