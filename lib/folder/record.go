package folder

import (
	"encoding/binary"
	"errors"
	"io/fs"

	"hc/lib/stream"
)

// A record is what is known of a path: what a folder had there when it was imported, and what a version of the drive has.
// The memory it refers to is valid until the next one is read.
type record struct {
	path  []byte // below the folder
	raw   []byte // its bytes in a cache; nil: they differ
	here  here
	entry fileEntry // of a file or a link in the folder, as the stream has it, or the drive if that has the same
	stat  fileStat  // of the file, if told: while it does not change, the content is the same
	told  bool
	drive has
	other fileEntry // with hasOther
}

// here is what a folder had.
type here uint8

const (
	hereNothing here = iota
	hereFile
	hereLink
)

// has is what a drive has.
type has uint8

const (
	hasNothing has = iota
	hasSame        // as the folder
	hasOther       // another file or link
	hasStrange     // an entry that does not say enough
)

// The parts of a record's first byte; FORMAT.md, beside this file, has the format.
const (
	recordHere  = 3      // bits of here
	recordTold  = 1 << 2 // the stat follows
	recordDrive = 3 << 3 // bits of has
	recordLink  = 1 << 5 // with hasOther: it is a link
)

var errRecord = errors.New("not a valid record")

// compare compares the record's path with that of a name in a folder, which ends in /. It returns a number below, equal to or
// above 0.
func (r *record) compare(folder, name string) int {
	path := r.path
	if len(path) < len(folder) || string(path[:len(folder)]) != folder {
		if string(path) < folder {
			return -1
		}
		return 1
	}
	path = path[len(folder):]
	switch {
	case string(path) == name:
		return 0
	case string(path) < name:
		return -1
	}
	return 1
}

// known returns what the drive has, if the record says that.
func (r *record) known() (entry fileEntry, ok bool) {
	switch r.drive {
	case hasSame:
		return r.entry, true
	case hasOther:
		return r.other, true
	}
	return entry, false
}

// hold notes that the drive has an entry; ok is false if the entry does not say enough.
func (r *record) hold(entry fileEntry, ok bool) {
	if ok && r.drive == hasSame && r.entry == entry {
		return
	}
	r.raw, r.other = nil, fileEntry{}
	switch {
	case !ok:
		r.drive = hasStrange
	case r.here != hereNothing && r.entry == entry:
		r.drive = hasSame
	default:
		r.drive, r.other = hasOther, entry
	}
}

// lose notes that the drive has nothing.
func (r *record) lose() {
	if r.drive != hasNothing {
		r.raw, r.drive, r.other = nil, hasNothing, fileEntry{}
	}
}

// gain notes that the drive has what the folder had.
func (r *record) gain() {
	switch {
	case r.here == hereNothing:
		r.lose()
	case r.drive != hasSame:
		r.raw, r.drive, r.other = nil, hasSame, fileEntry{}
	}
}

// append appends the record in the form that a cache has.
func (r *record) append(b []byte) []byte {
	kind := byte(r.here) | byte(r.drive)<<3
	if r.told {
		kind |= recordTold
	}
	if r.drive == hasOther && r.other.Target != "" {
		kind |= recordLink
	}
	b = binary.AppendUvarint(append(b, kind), uint64(len(r.path)))
	b = append(b, r.path...)
	if r.here != hereNothing {
		b = r.entry.append(b)
	}
	if r.told {
		for _, n := range []uint64{uint64(r.stat.size), uint64(r.stat.mtime), uint64(r.stat.ctime), r.stat.inode, r.stat.device} {
			b = binary.LittleEndian.AppendUint64(b, n)
		}
	}
	if r.drive == hasOther {
		b = r.other.append(b)
	}
	return b
}

func (e fileEntry) append(b []byte) []byte {
	if e.Target != "" {
		return append(binary.AppendUvarint(b, uint64(len(e.Target))), e.Target...)
	}
	return append(binary.LittleEndian.AppendUint16(b, uint16(e.Mode)), e.SHA256[:]...)
}

// parse reads the record at the beginning of b, as append writes it, and returns the bytes after it.
func (r *record) parse(b []byte) (rest []byte, err error) {
	if len(b) == 0 {
		return nil, errRecord
	}
	kind, whole := b[0], b
	*r = record{here: here(kind & recordHere), told: kind&recordTold != 0, drive: has(kind & recordDrive >> 3)}
	if b, r.path, err = parseText(b[1:]); err != nil {
		return nil, err
	}
	switch {
	case kind >= recordLink<<1, r.here > hereLink, r.told && r.here != hereFile, r.here == hereNothing && r.drive == hasSame,
		r.here == hereNothing && r.drive == hasNothing, kind&recordLink != 0 && r.drive != hasOther:
		return nil, errRecord
	}
	if r.here != hereNothing {
		if b, err = r.entry.parse(b, r.here == hereLink); err != nil {
			return nil, err
		}
	}
	if r.told {
		if len(b) < 5*8 {
			return nil, errRecord
		}
		number := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
		r.stat = fileStat{mode: r.entry.Mode, size: int64(number(0)), mtime: int64(number(1)), ctime: int64(number(2)), inode: number(3), device: number(4)}
		b = b[5*8:]
	}
	if r.drive == hasOther {
		if b, err = r.other.parse(b, kind&recordLink != 0); err != nil {
			return nil, err
		}
	}
	r.raw = whole[:len(whole)-len(b)]
	return b, nil
}

func (e *fileEntry) parse(b []byte, link bool) (rest []byte, err error) {
	if link {
		var target []byte
		b, target, err = parseText(b)
		e.Target = string(target)
		return b, err
	}
	if len(b) < 2+len(e.SHA256) {
		return nil, errRecord
	}
	e.Mode = fs.FileMode(binary.LittleEndian.Uint16(b))
	if e.Mode&^fs.ModePerm != 0 {
		return nil, errRecord
	}
	return b[2+copy(e.SHA256[:], b[2:]):], nil
}

// parseText reads a path or a target.
func parseText(b []byte) (rest, text []byte, err error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n == 0 || n > stream.MaxPath || uint64(len(b)-used) < n {
		return nil, nil, errRecord
	}
	b = b[used:]
	return b[n:], b[:n], nil
}
