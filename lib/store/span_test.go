package store

import (
	"testing"

	"hc/lib/store/records"
)

// An append that has more runs than a span names writes several spans, which say the same as one.
func TestSpansOfManyRuns(t *testing.T) {
	const most = 3
	dir := t.TempDir()
	s := openTest(t, dir, Options{tuning: tuning{spanRuns: most, never: true}})
	m := newModel(1)
	var blocks [][]byte
	for i := range byte(11) {
		blocks = append(blocks, noise(i, 20<<10), noise(100+i, 200<<10)) // a run and a part of the next
	}
	if err := m.append(t.Context(), s, TxOptions{Durable: true}, blocks...); err != nil {
		t.Fatal(err)
	}
	spans := 0
	eachSpan(t, s, func(span *records.Span) {
		if len(span.Parts) > most {
			t.Errorf("a span of %d parts", len(span.Parts))
		}
		spans++
	})
	if spans < 3 {
		t.Errorf("%d spans", spans)
	}
	m.check(t, m.view(t, s))
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.check(t, m.view(t, openTest(t, dir, Options{ReadOnly: true})))
}
