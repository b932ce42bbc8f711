package hyperdrive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"hc/lib/compact"
)

// Entry is the record of one name: a JSON object of these fields, in this order.
//
//	{"executable":false,"linkname":null,"blob":{"blockOffset":0,"byteOffset":0,"blockLength":1,"byteLength":13},"metadata":null}
//
// Source: hyperdrive 13.3.4; vectors: drive-*.json.
type Entry struct {
	Executable bool
	Link       *string         // target of a symbolic link, as it was written; nil: not a link
	Blob       *Blob           // a file's content; nil: not a file
	Metadata   json.RawMessage // any JSON, without white space; nil is null
}

// Blob is a run of blocks of the blobs core: a file's content, or the map of it.
type Blob struct {
	BlockOffset uint64 // first block
	BlockLength uint64 // blocks
	ByteOffset  uint64 // bytes of the core before the first block
	ByteLength  uint64 // bytes of the run: of the file, or of the map
	Map         bool   // the run is a map of the file's blocks, see [DecodeMap]
}

// Empty reports whether the content is empty, whatever else the blob says, as stock's readers see it.
func (b Blob) Empty() bool { return b.BlockLength == 0 || b.ByteLength == 0 }

// end is the block after the run. Neither number is over 2^53, so the sum does not overflow.
func (b Blob) end() uint64 { return b.BlockOffset + b.BlockLength }

// Size returns a file's size in bytes; ok is false if the entry is no file, or a mapped file without a size in its
// metadata. The size of a mapped file is the writer's claim, which only the content proves.
func (e Entry) Size() (size uint64, ok bool) {
	switch {
	case e.Blob == nil:
		return 0, false
	case e.Blob.Empty():
		return 0, true
	case !e.Blob.Map:
		return e.Blob.ByteLength, true
	}
	meta := ParseMeta(e.Metadata)
	return meta.Size, meta.HasSize
}

// Encode returns the entry as stock prints it.
func (e Entry) Encode() []byte {
	b := append(make([]byte, 0, 192+len(e.Metadata)), `{"executable":`...)
	b = append(strconv.AppendBool(b, e.Executable), `,"linkname":`...)
	if e.Link != nil {
		b = appendString(b, *e.Link)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"blob":`...)
	if e.Blob != nil {
		b = e.Blob.append(b)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"metadata":`...)
	if e.Metadata != nil {
		b = append(b, e.Metadata...)
	} else {
		b = append(b, "null"...)
	}
	return append(b, '}')
}

func (b Blob) append(to []byte) []byte {
	to = strconv.AppendUint(append(to, `{"blockOffset":`...), b.BlockOffset, 10)
	to = strconv.AppendUint(append(to, `,"byteOffset":`...), b.ByteOffset, 10)
	to = strconv.AppendUint(append(to, `,"blockLength":`...), b.BlockLength, 10)
	to = strconv.AppendUint(append(to, `,"byteLength":`...), b.ByteLength, 10)
	if b.Map { // never written as false: stock's readers do not mind, but its writer does not do it
		to = append(to, `,"blockMap":true`...)
	}
	return append(to, '}')
}

// appendString appends s as JSON.stringify prints it: Go's encoder also escapes U+2028 and U+2029. Bytes that are not
// UTF-8 become U+FFFD, as they do in stock.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\b':
			b = append(b, `\b`...)
		case r == '\f':
			b = append(b, `\f`...)
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < ' ':
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// ParseEntry reads a record's value. It accepts any JSON object: fields in any order, unknown ones, which it skips,
// and missing ones, which are null. The error wraps [ErrEntry]: no object, a field of another type, a number that is
// not a JavaScript integer, a link that also has content.
func ParseEntry(value []byte) (Entry, error) {
	if entry, ok := quickEntry(value); ok && (entry.Link == nil || *entry.Link != "" && entry.Blob == nil) {
		return entry, nil
	}
	entry, err := parseEntry(value)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	return entry, nil
}

func parseEntry(value []byte) (entry Entry, err error) {
	if !utf8.Valid(value) {
		return entry, errors.New("it is not UTF-8")
	}
	o, err := parseObject(value)
	if err != nil {
		return entry, err
	}
	entry.Executable = o.boolean("executable")
	if raw := o.fields["linkname"]; !isNull(raw) {
		entry.Link = new(string)
		o.decode("linkname", entry.Link)
	}
	if raw := o.fields["blob"]; !isNull(raw) {
		if entry.Blob, err = parseBlob(raw); err != nil {
			return entry, fmt.Errorf("blob: %w", err)
		}
	}
	if raw := o.fields["metadata"]; !isNull(raw) {
		entry.Metadata = compactJSON(raw)
	}
	switch {
	case o.err != nil:
		return entry, o.err
	case entry.Link != nil && *entry.Link == "":
		return entry, errors.New("the link has no target")
	case entry.Link != nil && entry.Blob != nil:
		return entry, errors.New("it is a link and has content, too")
	}
	return entry, nil
}

func parseBlob(raw []byte) (*Blob, error) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	blob := &Blob{
		BlockOffset: o.number("blockOffset"),
		BlockLength: o.number("blockLength"),
		ByteOffset:  o.number("byteOffset"),
		ByteLength:  o.number("byteLength"),
		Map:         o.boolean("blockMap"),
	}
	return blob, o.err
}

// object is a JSON object whose fields are read one by one; it keeps the first error. Go's own matching of fields
// takes "Blob" for "blob", which stock does not.
type object struct {
	fields map[string]json.RawMessage
	err    error
}

func parseObject(raw []byte) (*object, error) {
	if raw = bytes.TrimLeft(raw, " \t\r\n"); len(raw) == 0 || raw[0] != '{' {
		return nil, errors.New("it is not a JSON object")
	}
	o := &object{}
	return o, json.Unmarshal(raw, &o.fields)
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || raw[0] == 'n' }

func (o *object) decode(name string, into any) {
	if err := json.Unmarshal(o.fields[name], into); err != nil && o.err == nil {
		o.err = fmt.Errorf("%s: %w", name, err)
	}
}

func (o *object) boolean(name string) (value bool) {
	if !isNull(o.fields[name]) {
		o.decode(name, &value)
	}
	return value
}

// number reads a number that JavaScript takes for a non-negative integer: 1, 1.0, 1e0, at most 2^53-1.
func (o *object) number(name string) uint64 {
	value, err := strconv.ParseFloat(string(o.fields[name]), 64)
	if err == nil && value >= 0 && value <= compact.MaxUint && value == math.Trunc(value) {
		return uint64(value)
	}
	if o.err == nil {
		o.err = fmt.Errorf("%s is not an integer from 0 to 2^53-1", name)
	}
	return 0
}

// compactJSON returns valid JSON without the white space between its parts.
func compactJSON(raw json.RawMessage) json.RawMessage {
	if !bytes.ContainsAny(raw, " \t\r\n") {
		return raw
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return raw // cannot happen: raw was parsed as part of the object
	}
	return b.Bytes()
}
