package records

import (
	"fmt"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
)

// Entry is a decoded record of the log. Only the fields that belong to its Kind are set.
type Entry struct {
	Kind     packlog.Kind
	At       packlog.Position
	Size     int // bytes of the meta
	Stored   packlog.Payload
	Key      keys.Key
	Run      *Run
	Span     *Span
	Nodes    []merkle.Node
	Manifest []byte
	Truncate *Truncate
	Clear    Clear
	Head     Head
	Settled  bool
}

// Decode decodes a record. It keeps no reference to it. A record that cannot be decoded is damage.
func Decode(r packlog.Record) (*Entry, error) {
	e := &Entry{Kind: r.Kind, At: r.Position, Size: len(r.Meta), Stored: r.Stored}
	var err error
	switch r.Kind {
	case packlog.KindRun:
		e.Run, err = DecodeRun(r.Meta)
	case packlog.KindSpan:
		if e.Span, err = DecodeSpan(r.Meta); err == nil {
			e.Key = e.Span.Key
		}
	case packlog.KindNodes:
		e.Key, e.Nodes, err = decodeNodes(r.Meta)
	case packlog.KindHead:
		e.Key, e.Head, err = DecodeHead(r.Meta)
	case packlog.KindCore:
		e.Key, e.Manifest, err = decodeCore(r.Meta)
	case packlog.KindTruncate:
		if e.Truncate, err = DecodeTruncate(r.Meta); err == nil {
			e.Key = e.Truncate.Key
		}
	case packlog.KindClear:
		e.Clear, err = decodeClear(r.Meta)
		e.Key = e.Clear.Key
	case packlog.KindDrop:
		e.Key, err = decodeDrop(r.Meta)
	case packlog.KindSeen:
		e.Key, e.Head, e.Settled, err = decodeSeen(r.Meta)
	default:
		err = fmt.Errorf("%w: kind %d is unknown: this store was written by a newer program", ErrMalformed, r.Kind)
	}
	if err != nil {
		return nil, fmt.Errorf("record at %v: %w", r.Position, err)
	}
	return e, nil
}

// EachPassage calls fn for the passages of a record.
func (e *Entry) EachPassage(fn func(*Passage) error) error {
	if e.Span == nil {
		return nil
	}
	for _, p := range e.Span.Parts {
		if p.Passage == nil {
			continue
		}
		if err := fn(p.Passage); err != nil {
			return err
		}
	}
	return nil
}

// EachLeaf calls fn for the leaf hashes of the blocks that a record depends on.
func (e *Entry) EachLeaf(fn func(hash.Digest) error) error {
	if e.Run != nil {
		if e.Run.Codec != CodecDelta {
			return nil
		}
		return fn(e.Run.Base)
	}
	for _, p := range e.Span.Parts {
		for _, ref := range p.ByLeaf {
			if err := fn(ref.Leaf); err != nil {
				return err
			}
		}
	}
	return nil
}
