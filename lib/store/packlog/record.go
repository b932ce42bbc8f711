package packlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"hc/lib/checksum"
)

// Kind says what a record is to the store. packlog itself knows only KindSeal.
type Kind uint8

// The kinds of records, as numbered on disk.
const (
	KindCore     Kind = 1
	KindRun      Kind = 2
	KindSpan     Kind = 3
	KindNodes    Kind = 4
	KindHead     Kind = 5
	KindSeal     Kind = 6 // a pack is full; written by packlog, not seen by callers
	KindTruncate Kind = 7
	KindClear    Kind = 8
	KindDrop     Kind = 9
	KindSeen     Kind = 10
)

// Limits of a record.
const (
	MaxMeta    = 4 << 20  // bytes
	MaxPayload = 16 << 20 // bytes
)

// AppendID is the random id of an append, which its records share.
type AppendID [16]byte

// Record is one record of the log.
type Record struct {
	Kind       Kind
	Append     AppendID // set by Append.Write and Append.Commit
	Commit     bool     // ends its append and makes all of it count; set by Append.Commit
	Position   Position // set when read
	Meta       []byte   // at most MaxMeta
	Payload    []byte   // at most MaxPayload; nil from a scan without payloads
	PayloadLen int      // set when read
	Stored     Payload  // set when read by its position

	Pieces [][]byte     // only for writing: the parts of the payload that follow Payload
	Sum    checksum.Sum // only for writing: of the payload, if known
}

// Length returns the size of the payload of a record to be written.
func (r *Record) Length() int {
	n := len(r.Payload)
	for _, piece := range r.Pieces {
		n += len(piece)
	}
	return n
}

// Payload says where a record's payload is, and what its checksum must be, for [Log.AppendPayload].
type Payload struct {
	at     Position // of the record
	before int      // bytes of it before the payload
	length int
	sum    uint32
}

// Len returns the size of the payload in bytes.
func (p Payload) Len() int { return p.length }

// Room returns how much capacity [Log.AppendPayload] needs to read the payload without allocating.
func (p Payload) Room() int { return p.padded() }

// A record's header:
//
//	offset  size  field
//	     0     4  magic    "hcr\x01"
//	     4     1  kind     1–10
//	     5     1  flags    1: commit
//	     6     2  reserved
//	     8     4  meta     u32le, ≤ MaxMeta
//	    12     4  payload  u32le, ≤ MaxPayload
//	    16    16  append
//	    32    24  synced   position
//	    56     4  crc32c   u32le, seed, payload, padding
//	    60     4  crc32c   u32le, seed, bytes 0–59, meta
const (
	recordHeader = 64 // bytes
	recordMagic  = "hcr\x01"
	flagCommit   = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The ways in which a record can be invalid.
var (
	errMagic    = errors.New("no record begins here")
	errFields   = errors.New("unknown kind or flags")
	errLimit    = errors.New("length is over the limit")
	errShort    = errors.New("record goes on after the end")
	errChecksum = errors.New("checksum does not match")
	errPayload  = errors.New("payload's checksum does not match")
	errSynced   = errors.New("synced position is impossible")
	errSeal     = errors.New("seal is not empty")
	errNoSeal   = errors.New("pack ends without a seal")
	errSealed   = errors.New("bytes after the seal")
)

// header is a record's header, decoded.
type header struct {
	kind       Kind
	commit     bool
	meta       int
	payload    int
	append     AppendID
	synced     Position
	payloadSum uint32
	sum        uint32
}

// size returns the distance in bytes from the record's beginning to the next record's.
func (h header) size() uint64 {
	return uint64(h.unpadded() + padding(h.unpadded()))
}

func (h header) unpadded() int { return recordHeader + h.meta + h.payload }

func padding(n int) int { return -n & 7 }

// seed is the value from which every checksum of a record starts.
func seed(at Position) uint32 {
	crc := ^uint32(0) // by hand, since crc32.Update would move the bytes to the heap
	for _, n := range [...]uint64{at.ID, at.Offset} {
		for range 8 {
			crc = castagnoli[byte(crc)^byte(n)] ^ crc>>8
			n >>= 8
		}
	}
	return ^crc
}

var zeros [8]byte

// payloadSum returns the checksum of the payload, of length bytes, in a record at that position.
func payloadSum(at Position, r *Record, length int) uint32 {
	sum := seed(at)
	if r.Sum.Known {
		sum = checksum.Combine(sum, r.Sum.CRC, length)
	} else {
		sum = crc32.Update(sum, castagnoli, r.Payload)
		for _, piece := range r.Pieces {
			sum = crc32.Update(sum, castagnoli, piece)
		}
	}
	return crc32.Update(sum, castagnoli, zeros[:padding(recordHeader+len(r.Meta)+length)])
}

// appendHeader appends the header and the meta of a record that will be at that position.
func appendHeader(b []byte, at Position, r *Record, synced Position) []byte {
	start, length := len(b), r.Length()
	flags := byte(0)
	if r.Commit {
		flags = flagCommit
	}
	b = append(b, recordMagic...)
	b = append(b, byte(r.Kind), flags, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.Meta)))
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	b = append(b, r.Append[:]...)
	b = AppendPosition(b, synced)
	b = binary.LittleEndian.AppendUint32(b, payloadSum(at, r, length))
	sum := crc32.Update(seed(at), castagnoli, b[start:])
	sum = crc32.Update(sum, castagnoli, r.Meta)
	b = binary.LittleEndian.AppendUint32(b, sum)
	return append(b, r.Meta...)
}

// Behind returns the position of the next record in the same pack, given that of r.
func (r *Record) Behind(at Position) Position {
	at.Offset += recordSize(r)
	return at
}

// recordSize returns the bytes that a record takes in a pack.
func recordSize(r *Record) uint64 {
	return header{meta: len(r.Meta), payload: r.Length()}.size()
}

// checkRecord refuses records that a caller must not write.
func checkRecord(r *Record) error {
	switch {
	case r.Kind < KindCore || r.Kind > KindSeen || r.Kind == KindSeal:
		return fmt.Errorf("record of kind %d: %w", r.Kind, errFields)
	case len(r.Meta) > MaxMeta:
		return fmt.Errorf("meta of %d bytes, the limit is %d: %w", len(r.Meta), MaxMeta, ErrTooLarge)
	case r.Length() > MaxPayload:
		return fmt.Errorf("payload of %d bytes, the limit is %d: %w", r.Length(), MaxPayload, ErrTooLarge)
	}
	return nil
}

// decodeHeader decodes a header from its 64 bytes, and checks everything but the checksum. room is how many bytes there
// are for the record.
func decodeHeader(b []byte, room uint64) (header, error) {
	if string(b[:4]) != recordMagic {
		return header{}, errMagic
	}
	h := header{kind: Kind(b[4]), commit: b[5] == flagCommit}
	if h.kind < KindCore || h.kind > KindSeen || b[5]&^flagCommit != 0 || b[6] != 0 || b[7] != 0 {
		return header{}, errFields
	}
	meta, payload := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	if meta > MaxMeta || payload > MaxPayload {
		return header{}, errLimit
	}
	h.meta, h.payload = int(meta), int(payload)
	if h.size() > room {
		return header{}, errShort
	}
	h.append = AppendID(b[16:32])
	h.synced = DecodePosition(b[32:])
	h.payloadSum = binary.LittleEndian.Uint32(b[56:])
	h.sum = binary.LittleEndian.Uint32(b[60:])
	return h, nil
}

// checkHeader checks header and meta of a record at that position; b begins with both.
func (h header) check(at Position, b []byte) error {
	sum := crc32.Update(seed(at), castagnoli, b[:60])
	if crc32.Update(sum, castagnoli, b[recordHeader:recordHeader+h.meta]) != h.sum {
		return errChecksum
	}
	if at.Less(h.synced) || !h.synced.IsZero() && !h.synced.valid() {
		return errSynced
	}
	if h.kind == KindSeal && (h.commit || h.meta != 0 || h.payload != 0 || h.append != AppendID{}) {
		return errSeal
	}
	return nil
}

// checkPayload checks payload and padding of a record at that position; b holds both, no more.
func (h header) checkPayload(at Position, b []byte) error { return h.stored(at).check(b) }

// stored returns where the payload of a record at that position is.
func (h header) stored(at Position) Payload {
	return Payload{at: at, before: recordHeader + h.meta, length: h.payload, sum: h.payloadSum}
}

// padded returns the size of the payload and of the padding after it.
func (p Payload) padded() int { return p.length + padding(p.before+p.length) }

// check checks payload and padding; b holds both, no more.
func (p Payload) check(b []byte) error {
	if crc32.Update(seed(p.at), castagnoli, b) != p.sum {
		return errPayload
	}
	for _, x := range b[p.length:] {
		if x != 0 {
			return errPayload
		}
	}
	return nil
}
