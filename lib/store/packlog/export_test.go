package packlog

import (
	"bytes"
	"context"
	"io"
)

func readerAt(b []byte) io.ReaderAt { return bytes.NewReader(b) }

// BelieveMark makes an invalid mark count as invalid at the first look: memfs has no half-done writes.
func BelieveMark() { markPauses = nil }

// WriteAheadAfter makes zeros be written ahead after so many short durable commits.
func (l *Log) WriteAheadAfter(commits int) { l.aheadAfter = commits }

// SetFlushEvery makes the disk's cache be flushed after so many bytes.
func (l *Log) SetFlushEvery(bytes uint64) { l.disk.size = bytes }

// WaitFlushed waits until no flush is under way.
func (l *Log) WaitFlushed() { l.disk.wait() }

// WroteAhead reports whether this process has written zeros ahead in the last pack.
func (l *Log) WroteAhead() bool { return l.tail != nil && l.tail.ahead }

// Survive makes an append forget that somebody recovered since it began: the mutation "append-survives-recovery".
func (a *Append) Survive(ctx context.Context) {
	_ = a.log.asWriter(ctx, func() error {
		a.closer = a.log.tail.info.closer
		return nil
	})
}

// PackInfo is packInfo for tests that make packs by hand.
type PackInfo struct {
	ID, Sequence, Generation, Through, Closer uint64
	Synced, Close                             Position
}

func (p PackInfo) info() packInfo {
	return packInfo{id: p.ID, sequence: p.Sequence, generation: p.Generation, through: p.Through, closer: p.Closer, synced: p.Synced, close: p.Close}
}

// EncodePack returns a whole pack.
func EncodePack(p PackInfo, synced Position, sealed bool, records ...Record) []byte {
	b := encodePackHeader(p.info())
	if sealed {
		records = append(records, Record{Kind: KindSeal})
	}
	for i := range records {
		r := &records[i]
		at := Position{Pack: p.Sequence, Offset: uint64(len(b)), ID: p.ID}
		b = appendHeader(b, at, r, synced)
		b = append(b, r.Payload...)
		b = append(b, make([]byte, padding(len(b)))...)
	}
	return b
}

// DecodePack decodes what EncodePack makes; the records' bytes are b's.
func DecodePack(b []byte) (PackInfo, []Record, error) {
	info, err := decodePackHeader(b)
	if err != nil {
		return PackInfo{}, nil, err
	}
	p := PackInfo{info.id, info.sequence, info.generation, info.through, info.closer, info.synced, info.close}
	var records []Record
	w := &walker{ctx: context.Background(), file: readerAt(b), at: Position{info.sequence, packHeader, info.id}, limit: uint64(len(b)), payloads: true}
	for {
		it, err := w.next()
		if err != nil {
			return p, records, nil
		}
		if it.damage != nil {
			return p, records, it.damage
		}
		r := it.record
		r.Meta = append([]byte(nil), r.Meta...)
		r.Payload = append([]byte(nil), r.Payload...)
		records = append(records, r)
	}
}

// EncodeMark and DecodeMark are the mark file's codec.
var (
	EncodeMark = encodeMark
	DecodeMark = decodeMark
	ErrMark    = errMark
)

// DecodeRecord reads the record at the beginning of b, in a pack of that id, at that offset.
func DecodeRecord(b []byte, at Position) (Record, uint64, error) {
	return DecodeRecordIn(b, at, uint64(len(b)))
}

// DecodeRecordIn is DecodeRecord for a file that is said to have so many bytes from the record on.
func DecodeRecordIn(b []byte, at Position, room uint64) (Record, uint64, error) {
	h, raw, err := readRecord(readerAt(b), Position{at.Pack, 0, at.ID}, room, wholeRecord)
	if err != nil {
		return Record{}, 0, err
	}
	meta := recordHeader + h.meta
	return Record{Kind: h.kind, Append: h.append, Commit: h.commit, Meta: raw[recordHeader:meta], Payload: raw[meta : meta+h.payload]}, h.size(), nil
}

// EncodeRecord is its inverse.
func EncodeRecord(r Record, at Position) []byte {
	b := appendHeader(nil, Position{at.Pack, 0, at.ID}, &r, Position{})
	b = append(b, r.Payload...)
	return append(b, make([]byte, padding(len(b)))...)
}
