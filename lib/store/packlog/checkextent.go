package packlog

import (
	"bytes"
	"context"
	"fmt"
)

// extentCheck reads one pack as far as it counts.
type extentCheck struct {
	extentWalk
	log      *Log
	ctx      context.Context
	readable Position // of the view
	torn     Position // invalid places from here on were torn by a crash; zero: none were
	fault    func(*Fault) error
	record   func(*Record) error
}

func (k *extentCheck) run() error {
	if k.bad != nil {
		return k.log.walkBad(k.extentWalk, k.item(nil))
	}
	if k.damage != nil {
		if err := k.header(); err != nil {
			return err
		}
	}
	pack, err := k.log.takeFile(k.name)
	if err != nil {
		return k.log.ifGone(err)
	}
	defer k.log.giveFile(pack)
	reader := &walker{ctx: k.ctx, file: pack.file, at: k.start()}
	inner := k.extentWalk
	damage := inner.damage
	inner.extent = &extent{packHead: inner.packHead, limit: inner.limit, closed: inner.closed}
	inner.extent.damage = nil // reported above
	err = k.log.walkExtent(k.ctx, inner, true, k.item(reader))
	k.damage = damage
	return err
}

// file returns the pack's name below the store's folder.
func (k *extentCheck) file() string {
	name := k.name
	if name == "" { // the pack is missing
		name = k.info.name()
	}
	return packsDir + "/" + name
}

// header finds which of the two copies of the pack's header is bad, and where, and reports it.
func (k *extentCheck) header() error {
	b, err := k.log.readStart(k.file(), packHeader)
	if err != nil {
		return k.log.ifGone(err)
	}
	return k.fault(&Fault{
		File: k.file(), Offset: firstDifference(b, encodePackHeader(k.info)), Length: 1, Reason: k.damage, Spare: true,
	})
}

// item passes on what a walk sees. reader reads headers again; nil if the pack has no readable header.
func (k *extentCheck) item(reader *walker) func(item) error {
	return func(it item) error {
		if it.damage == nil {
			return k.record(&it.record)
		}
		f := &Fault{File: k.file(), Offset: it.damage.Position.Offset, Length: it.damage.Length, Reason: it.damage.Reason}
		if reader == nil {
			return k.fault(f)
		}
		if at := it.damage.Position; at.Offset < k.limit && k.log.isVoided(k.ctx, at) {
			return fmt.Errorf("position %v: %w", at, ErrMoved)
		}
		if k.takenBack(it.damage.Position) {
			return nil
		}
		f.Position = it.damage.Position
		f.Known = it.damage.Known
		f.Torn = !k.torn.IsZero() && !f.Position.Less(k.torn)
		if f.Length > 0 {
			k.guess(reader, f, it.payload)
		}
		return k.fault(f)
	}
}

// takenBack reports whether the bytes at a position may have been taken back since the check began, and replaced:
// nobody could read them then, and the log's end has changed since.
func (k *extentCheck) takenBack(at Position) bool {
	if at.Less(k.readable) {
		return false
	}
	m, err := k.log.Mark(k.ctx)
	return err == nil && m.End != k.to
}

// guess finds out which record is damaged: for certain if only its payload is, else from what is left of its header.
func (k *extentCheck) guess(w *walker, f *Fault, payload bool) {
	w.limit = f.Offset + f.Length
	if payload {
		w.limit = f.Offset + MaxMeta + MaxPayload + recordHeader + 8
		if h, b, err := w.header(f.Position); err == nil {
			f.Kind = h.kind
			f.Record = &Record{
				Kind: h.kind, Append: h.append, Commit: h.commit, Position: f.Position, PayloadLen: h.payload,
				Meta: bytes.Clone(b[recordHeader:]),
			}
		}
		return
	}
	b, err := w.bytes(f.Offset, int(min(recordHeader, f.Length)))
	if err == nil && len(b) > 4 && b[4] >= byte(KindCore) && b[4] <= byte(KindSeen) {
		f.Kind = Kind(b[4])
	}
}
