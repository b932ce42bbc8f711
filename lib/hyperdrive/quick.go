package hyperdrive

import (
	"bytes"
	"encoding/hex"
	"io/fs"
	"strconv"
	"unicode/utf8"

	"hc/lib/compact"
)

// Nearly every entry is spelled as Entry.Encode spells it, with metadata that are null or spelled by Meta.Encode.
// These are read here without a general JSON parser, in a tenth of its time; other spellings are left to that.

// quick reads a text from its start. At the first mismatch it gives up for good.
type quick struct {
	left []byte
	ok   bool
}

// take skips a word if it comes next, and reports whether it did.
func (q *quick) take(word string) bool {
	if !q.ok || len(q.left) < len(word) || string(q.left[:len(word)]) != word {
		return false
	}
	q.left = q.left[len(word):]
	return true
}

// must skips a word, which has to come next.
func (q *quick) must(word string) { q.ok = q.take(word) }

// number reads an integer in the only spelling that JSON has for it.
func (q *quick) number() (n uint64) {
	digits := 0
	for digits < len(q.left) && digits < 17 && q.left[digits] >= '0' && q.left[digits] <= '9' {
		n = 10*n + uint64(q.left[digits]-'0')
		digits++
	}
	if !q.ok || digits == 0 || digits > 1 && q.left[0] == '0' || n > compact.MaxUint {
		q.ok = false
		return 0
	}
	q.left = q.left[digits:]
	return n
}

// text reads a string without escapes, up to and including its closing quote.
func (q *quick) text() string {
	end := bytes.IndexByte(q.left, '"')
	if !q.ok || end < 0 {
		q.ok = false
		return ""
	}
	text := q.left[:end]
	for _, b := range text {
		if b < ' ' || b == '\\' {
			q.ok = false
			return ""
		}
	}
	q.left = q.left[end+1:]
	if q.ok = utf8.Valid(text); !q.ok {
		return ""
	}
	return string(text)
}

// quickEntry reads an entry as Encode spells it. ok is false for any other spelling.
func quickEntry(value []byte) (entry Entry, ok bool) {
	q := &quick{left: value, ok: true}
	q.must(`{"executable":`)
	if entry.Executable = q.take("true"); !entry.Executable {
		q.must("false")
	}
	q.must(`,"linkname":`)
	if q.take(`"`) {
		link := q.text()
		entry.Link = &link
	} else {
		q.must("null")
	}
	q.must(`,"blob":`)
	if !q.take("null") {
		entry.Blob = q.blob()
	}
	q.must(`,"metadata":`)
	if q.take("null}") {
		return entry, len(q.left) == 0
	}
	if !q.ok || len(q.left) == 0 || q.left[len(q.left)-1] != '}' {
		return Entry{}, false
	}
	entry.Metadata = bytes.Clone(q.left[:len(q.left)-1])
	_, ok = quickMeta(entry.Metadata)
	return entry, ok
}

func (q *quick) blob() *Blob {
	blob := &Blob{}
	q.must(`{"blockOffset":`)
	blob.BlockOffset = q.number()
	q.must(`,"byteOffset":`)
	blob.ByteOffset = q.number()
	q.must(`,"blockLength":`)
	blob.BlockLength = q.number()
	q.must(`,"byteLength":`)
	blob.ByteLength = q.number()
	blob.Map = q.take(`,"blockMap":true`)
	q.must("}")
	return blob
}

// quickMeta reads metadata with all fields that hc writes for a file, as Encode spells them. ok is false for any
// other spelling.
func quickMeta(metadata []byte) (m Meta, ok bool) {
	q := &quick{left: metadata, ok: true}
	q.must(`{"mode":"`)
	mode := q.text()
	q.must(`,"mtime":"`)
	mtime := q.text()
	q.must(`,"sha256":"`)
	sum := q.text()
	if q.take(`,"size":`) {
		m.Size, m.HasSize = q.number(), true
	}
	q.must("}")
	if !q.ok || len(q.left) > 0 || len(mode) != len("0644") || len(sum) != hex.EncodedLen(32) {
		return Meta{}, false
	}
	bits, err := strconv.ParseUint(mode, 8, 9)
	if err != nil {
		return Meta{}, false
	}
	m.Mode, m.HasMode = fs.FileMode(bits), true
	if m.ModTime, err = strconv.ParseInt(mtime, 10, 64); err != nil || strconv.FormatInt(m.ModTime, 10) != mtime {
		return Meta{}, false
	}
	m.HasModTime = true
	m.SHA256 = new([32]byte)
	if _, err := hex.Decode(m.SHA256[:], []byte(sum)); err != nil || bytes.ContainsAny([]byte(sum), "ABCDEF") {
		return Meta{}, false
	}
	return m, true
}
