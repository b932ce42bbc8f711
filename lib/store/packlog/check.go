package packlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Fault is a damaged place in the log's files.
type Fault struct {
	File   string // below the store's folder
	Offset uint64 // of the first byte that cannot be used
	Length uint64 // bytes that cannot be used; 0: something is missing there
	Reason error

	Position Position // of the record that was there; zero if there cannot have been one
	Kind     Kind     // what the record seems to be; 0: unknown
	Record   *Record  // header and meta, if only the payload is damaged
	Torn     bool     // never completely written, as far as can be told: nobody was told that it was there
	Spare    bool     // another copy of these bytes is good
	Known    bool     // what was there is known; else it may have been any records, whatever Kind the first one seems to be of
}

func (f *Fault) Error() string {
	return fmt.Sprintf("%s: %d bytes at byte %d: %v", f.File, f.Length, f.Offset, f.Reason)
}

// Unwrap returns what is wrong with the bytes.
func (f *Fault) Unwrap() error { return f.Reason }

// CheckFormat checks the file that says which format a store has. The fault is nil if this program knows the format;
// newer says that it may well be one that this program does not know yet. fs.ErrNotExist: there is no such file.
func CheckFormat(fsys FS, dir string) (fault *Fault, newer bool, err error) {
	l := newLog(dir, Options{FS: fsys})
	b, err := l.readStart(formatFile, len(formatText)+64)
	if err != nil || knownFormat(string(b)) {
		return nil, false, err
	}
	var version int
	n, _ := fmt.Sscanf(string(b), "hc-store %d\n", &version)
	newer = n == 1 && fmt.Sprintf("hc-store %d\n", version) == string(b)
	return &Fault{
		File: formatFile, Offset: firstDifference(b, []byte(formatText)), Length: 1,
		Reason: fmt.Errorf("it says %q, expected %q or %q", b, formatText, formatRaised),
	}, newer, nil
}

// readStart returns the first bytes of a file.
func (l *Log) readStart(name string, most int) ([]byte, error) {
	file, err := l.fs.OpenFile(l.path(name), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b := make([]byte, most)
	n, err := file.ReadAt(b, 0)
	if err != nil && err != io.EOF && !isBadSector(err) {
		return nil, err
	}
	return b[:n], nil
}

func firstDifference(a, b []byte) uint64 {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return uint64(i)
		}
	}
	return uint64(min(len(a), len(b)))
}

// CheckReach returns what is missing of the log that the mark says was written: a pack that is gone or too short. nil:
// nothing.
func (l *Log) CheckReach(ctx context.Context) (*Fault, error) {
	for {
		mark, err := l.Mark(ctx)
		if err != nil {
			return nil, ignoreMark(err)
		}
		c, err := l.load(ctx)
		if err != nil {
			return nil, err
		}
		fault, err := l.reach(c, mark)
		if fault == nil || err != nil {
			return nil, err
		}
		again, err := l.Mark(ctx)
		if err != nil {
			return nil, ignoreMark(err)
		}
		if again == mark {
			return fault, nil
		}
	}
}

// ignoreMark leaves it to CheckMark to report a mark that is not valid.
func ignoreMark(err error) error {
	if errors.Is(err, errMark) {
		return nil
	}
	return err
}

func (l *Log) reach(c *chain, mark Mark) (*Fault, error) {
	positions := []Position{mark.Synced}
	if mark.Boot == l.boot { // else a crash may have taken what was not synced
		positions = append(positions, mark.Readable, mark.End)
	}
	for _, p := range positions {
		e := c.find(p.Pack)
		if e == nil {
			return &Fault{File: packsDir + "/" + packInfo{sequence: p.Pack}.name(), Reason: errors.New("it is missing, but the mark says that the log goes on in it")}, nil
		}
		if e.bad != nil || e.info.id != p.ID {
			continue // reported elsewhere, or rewritten
		}
		size, _, err := l.fs.Stat(l.path(packsDir, e.name))
		if err != nil {
			return nil, l.ifGone(err)
		}
		if uint64(size) < p.Offset {
			return &Fault{File: packsDir + "/" + e.name, Offset: uint64(size), Length: p.Offset - uint64(size),
				Reason: fmt.Errorf("it ends there, but the mark says that the log goes on to byte %d", p.Offset)}, nil
		}
	}
	return nil, nil
}

// HasLocks reports whether the folder of the lock files exists, without which nobody can write. Mend makes it.
func (l *Log) HasLocks() bool {
	_, dir, err := l.fs.Stat(l.path(locksDir))
	return err == nil && dir
}

// CheckMark returns what is wrong with the mark, nil if nothing is. The next writer mends it, except for bytes after
// its end, where no writer looks: Mend cuts these off.
func (l *Log) CheckMark(ctx context.Context) (*Fault, error) {
	_, err := l.Mark(ctx)
	if errors.Is(err, errMark) {
		return &Fault{File: markFile, Length: markSize, Reason: err}, nil
	}
	if err != nil {
		return nil, err
	}
	size, _, err := l.fs.Stat(l.path(markFile))
	if err == nil && size > markSize {
		return &Fault{File: markFile, Offset: markSize, Length: uint64(size) - markSize, Reason: errors.New("there are bytes after its end")}, nil
	}
	return nil, ignoreGone(err)
}

// Check reads every byte of the packs that has been completely written. It calls fault with each place that is not
// valid, and record with each record, in order; its bytes are valid until record returns. Records at or after the
// view's end are included: they do not count yet, but must be valid unless somebody is writing there. An error of fault
// or record ends the check. ErrMoved, as from Scan: take a new View.
func (l *Log) Check(ctx context.Context, view View, fault func(*Fault) error, record func(*Record) error) error {
	c := view.chain
	if c == nil {
		return nil
	}
	end, torn := l.writtenEnd(ctx, view)
	for i := range c.extents {
		e := &c.extents[i]
		if !(Position{Pack: e.info.sequence}).Less(end) {
			break
		}
		k := extentCheck{
			extentWalk: extentWalk{extent: e, to: end, last: i == len(c.extents)-1},
			log:        l, ctx: ctx, readable: view.Readable, fault: fault, record: record,
		}
		if torn {
			k.torn = view.Synced
		}
		if err := k.run(); err != nil {
			return err
		}
	}
	return nil
}

// writtenEnd returns the position up to which everything was completely written; torn says that there was a crash
// since.
func (l *Log) writtenEnd(ctx context.Context, view View) (end Position, torn bool) {
	m, err := l.Mark(ctx)
	if err != nil || m.Boot != l.boot {
		return view.Readable, true
	}
	e := view.chain.find(m.End.Pack)
	if e == nil || e.info.id != m.End.ID || m.End.Less(view.Readable) {
		return view.Readable, false // there is a newer pack, or a recovery
	}
	m.End.Offset = min(m.End.Offset, e.limit)
	return m.End, false
}

// String names a kind as the format's documents do.
func (k Kind) String() string {
	names := []string{"unknown", "core", "run", "span", "nodes", "head", "seal", "truncate", "clear", "drop", "seen"}
	if int(k) >= len(names) {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return names[k]
}

// FileOf returns the file that a position is in, below the store's folder.
func (l *Log) FileOf(at Position) string {
	if c := l.known(); c != nil {
		if e := c.find(at.Pack); e != nil && e.name != "" {
			return packsDir + "/" + e.name
		}
	}
	return packsDir + "/" + packInfo{sequence: at.Pack}.name()
}
