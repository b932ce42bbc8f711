package objects

import (
	"hc/lib/compact"
	"hc/lib/merkle"
)

// AskCopies asks for the leaf hashes of neighbouring blocks, except for blocks equal to one of the core that the reader holds.
type AskCopies struct {
	AskLeaves
	Held []Span // ascending and apart
}

// Append appends the message's body.
func (m AskCopies) Append(b []byte) []byte {
	return appendHeld(m.AskLeaves.Append(b), m.Held)
}

func appendHeld(b []byte, held []Span) []byte {
	b = compact.AppendUint(b, uint64(len(held)))
	end := uint64(0)
	for _, s := range held {
		b = compact.AppendUint(compact.AppendUint(b, s.First-end), s.Count)
		end = s.First + s.Count
	}
	return b
}

// DecodeAskCopies reads the message's body.
func DecodeAskCopies(b []byte) (AskCopies, error) {
	d := compact.NewDecoder(b)
	m := AskCopies{AskLeaves: decodeAskLeaves(d), Held: decodeHeld(d)}
	return m, finish("copies?", d)
}

func decodeHeld(d *compact.Decoder) (held []Span) {
	spans := d.ArrayLen(2, MaxHeld)
	if spans == 0 {
		d.Fail("nothing is held")
	}
	end := uint64(0)
	for range spans {
		gap, count := d.Uint(), d.Uint()
		touches := gap == 0 && len(held) > 0
		if d.Err() != nil || count == 0 || touches || gap > merkle.MaxLength || count > merkle.MaxLength || end+gap+count > merkle.MaxLength {
			d.Fail("%d blocks are held, %d after block %d", count, gap, end)
			break
		}
		held = append(held, Span{end + gap, count})
		end += gap + count
	}
	return held
}

// Within reports whether all these blocks are in one of the spans.
func Within(spans []Span, first, count uint64) bool {
	for _, s := range spans {
		if first >= s.First && first-s.First < s.Count {
			return count <= s.Count-(first-s.First)
		}
	}
	return false
}

// Copy says that Count neighbouring blocks, the first of them At blocks after the first that was asked for, are equal to the
// blocks from From on.
type Copy struct{ At, Count, From uint64 }

// Copies is the answer: the copies, ascending and apart, and the leaves of all other blocks, in order.
type Copies struct {
	ID            uint64
	Copies        []Copy
	Leaves, Nodes []merkle.Node
}

// Append appends the message's body.
func (m Copies) Append(b []byte) []byte {
	b = compact.AppendUint(compact.AppendUint(b, m.ID), uint64(len(m.Copies)))
	end := uint64(0)
	for _, c := range m.Copies {
		b = compact.AppendUint(b, c.At-end)
		b = compact.AppendUint(compact.AppendUint(b, c.Count), c.From)
		end = c.At + c.Count
	}
	return appendNodes(appendNodes(b, m.Leaves), m.Nodes)
}

// DecodeCopies reads the message's body.
func DecodeCopies(b []byte) (Copies, error) {
	d := compact.NewDecoder(b)
	m := Copies{ID: d.Uint()}
	end := uint64(0)
	for range d.ArrayLen(3, MaxLeaves) {
		gap, count, from := d.Uint(), d.Uint(), d.Uint()
		if d.Err() != nil || count == 0 || gap > MaxLeaves || count > MaxLeaves || end+gap+count > MaxLeaves || from > merkle.MaxLength {
			d.Fail("%d blocks equal to those from %d on, %d after the %dth", count, from, gap, end)
			break
		}
		m.Copies = append(m.Copies, Copy{end + gap, count, from})
		end += gap + count
	}
	m.Leaves, m.Nodes = decodeNodes(d, MaxLeaves), decodeNodes(d, MaxNodes)
	return m, finish("copies", d)
}

// Count returns how many blocks are said to be equal to others.
func (m Copies) Count() (count uint64) {
	for _, c := range m.Copies {
		count += c.Count
	}
	return count
}

// Knows is a server's first message. It says which questions the server answers besides the oldest ones.
type Knows struct{ Bits uint64 }

// Append appends the message's body.
func (m Knows) Append(b []byte) []byte { return compact.AppendUint(b, m.Bits) }

// DecodeKnows reads the message's body.
func DecodeKnows(b []byte) (Knows, error) {
	d := compact.NewDecoder(b)
	m := Knows{Bits: d.Uint()}
	return m, finish("knows", d)
}
