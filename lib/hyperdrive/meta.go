package hyperdrive

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"

	"hc/lib/compact"
)

// Meta is the metadata of an entry that this module's writers write, and that its readers restore and check.
//
//	{"mode":"0644","mtime":"1764422524123456789","sha256":"<64 hex digits>","size":73}
//
// Unknown values are left out; if none is known, the metadata are null. The time is text, since nanoseconds do not
// fit into JavaScript's numbers.
type Meta struct {
	Mode    fs.FileMode // permission bits
	ModTime int64       // nanoseconds since 1970-01-01 00:00 UTC
	SHA256  *[32]byte   // of the content; nil: not known
	Size    uint64      // size in bytes of a mapped file, which its blob does not have

	HasMode, HasModTime, HasSize bool
}

// Encode returns the metadata field of an entry.
func (m Meta) Encode() json.RawMessage {
	var b []byte
	field := func(format string, value any) {
		before := byte(',')
		if b == nil {
			before = '{'
		}
		b = fmt.Appendf(append(b, before), format, value)
	}
	if m.HasMode {
		field(`"mode":"%04o"`, m.Mode.Perm())
	}
	if m.HasModTime {
		field(`"mtime":"%d"`, m.ModTime)
	}
	if m.SHA256 != nil {
		field(`"sha256":"%x"`, *m.SHA256)
	}
	if m.HasSize {
		field(`"size":%d`, m.Size)
	}
	if b == nil {
		return nil
	}
	return append(b, '}')
}

// ParseMeta reads what it can of an entry's metadata, which may be anything: a field that is not spelled as by
// [Meta.Encode] counts as missing.
func ParseMeta(metadata json.RawMessage) (m Meta) {
	if m, ok := quickMeta(metadata); ok || metadata == nil {
		return m
	}
	return parseMeta(metadata)
}

func parseMeta(metadata json.RawMessage) (m Meta) {
	o, err := parseObject(metadata)
	if err != nil {
		return Meta{}
	}
	if mode, err := strconv.ParseUint(o.text("mode"), 8, 9); err == nil && len(o.text("mode")) == len("0644") {
		m.Mode, m.HasMode = fs.FileMode(mode), true
	}
	if mtime, err := strconv.ParseInt(o.text("mtime"), 10, 64); err == nil && strconv.FormatInt(mtime, 10) == o.text("mtime") {
		m.ModTime, m.HasModTime = mtime, true
	}
	if text := o.text("sha256"); len(text) == hex.EncodedLen(32) {
		digest := new([32]byte)
		if _, err := hex.Decode(digest[:], []byte(text)); err == nil && hex.EncodeToString(digest[:]) == text {
			m.SHA256 = digest
		}
	}
	if size, err := strconv.ParseUint(string(o.fields["size"]), 10, 64); err == nil && size <= compact.MaxUint {
		m.Size, m.HasSize = size, true
	}
	return m
}

// text returns a field that is a string, else "".
func (o *object) text(name string) (s string) {
	if raw := o.fields[name]; len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
