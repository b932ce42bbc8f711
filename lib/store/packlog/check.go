package packlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Fault is a place in the log's files that is not what it should be.
type Fault struct {
	File   string // below the store's folder
	Offset uint64 // of the first byte that cannot be used
	Length uint64 // bytes that cannot be used; 0: something is missing there
	Reason error

	Position Position // of the record that stood there; zero if none can have
	Kind     Kind     // what the record seems to be; 0: not known
	Record   *Record  // header and meta, where only the payload is damaged
	Torn     bool     // never written whole, as far as can be told: nobody was told that it was there
	Spare    bool     // another copy of these bytes is good
	Known    bool     // what stood there is known; else it may have been any records, whatever Kind the first one seems to be of
}

func (f *Fault) Error() string {
	return fmt.Sprintf("%s: %d bytes at byte %d: %v", f.File, f.Length, f.Offset, f.Reason)
}

// Unwrap returns what is wrong with the bytes.
func (f *Fault) Unwrap() error { return f.Reason }

// CheckFormat looks at the file that says which format a store has. The fault is nil if that is this one's; newer tells
// that it may well be one that this program does not know. fs.ErrNotExist: there is no such file.
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

// MendFormat writes the file that says which format a store has, where the mark, or else the last pack's header, is one of this format: the
// newest version, as the store may have such records. A format to come has another mark, see FORMAT.md, Versions.
func MendFormat(fsys FS, dir string) error {
	l := newLog(dir, Options{FS: fsys})
	known, err := l.knowsFormat()
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("mending %q: %w: neither the mark nor the last pack's header tells that it is one of this format: use the hc that wrote the store; if that was this one, write the line %q into the file, and repeat this",
			l.path(formatFile), ErrNotStore, formatRaised[:len(formatRaised)-1])
	}
	return l.writeFile(formatFile, []byte(formatRaised))
}

// knowsFormat reports whether anything but the format file tells that the store is of this format.
func (l *Log) knowsFormat() (bool, error) {
	b, err := l.readStart(markFile, len(markMagic))
	if err := ignoreGone(err); err != nil {
		return false, err
	}
	const name = len("hcmark")
	switch {
	case string(b) == markMagic: // whatever else of it is damaged
		return true, nil
	case len(b) > name && string(b[:name]) == markMagic[:name]: // of another format, or as good as that
		return false, nil
	}
	names, err := l.fs.ReadDir(l.path(packsDir))
	if err != nil {
		return false, err
	}
	heads := newestPacks(names)
	if len(heads) == 0 {
		return false, nil
	}
	last := &heads[len(heads)-1]
	err = l.readHead(last)
	return err == nil && last.bad == nil, err
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
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

// CheckReach returns what is missing of what the mark says was written, nil if nothing is: a pack that is gone or too short.
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

// ignoreMark leaves it to CheckMark to tell of a mark that is not valid.
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
			return &Fault{File: packsDir + "/" + packInfo{sequence: p.Pack}.name(), Reason: errors.New("it is gone, and the mark says that the log goes on in it")}, nil
		}
		if e.bad != nil || e.info.id != p.ID {
			continue // told otherwise, or rewritten
		}
		size, _, err := l.fs.Stat(l.path(packsDir, e.name))
		if err != nil {
			return nil, l.ifGone(err)
		}
		if uint64(size) < p.Offset {
			return &Fault{File: packsDir + "/" + e.name, Offset: uint64(size), Length: p.Offset - uint64(size),
				Reason: fmt.Errorf("it ends, and the mark says that the log goes on to byte %d", p.Offset)}, nil
		}
	}
	return nil, nil
}

// HasLocks reports whether the folder of the lock files is there, without which nobody can write. Mend makes it.
func (l *Log) HasLocks() bool {
	_, dir, err := l.fs.Stat(l.path(locksDir))
	return err == nil && dir
}

// CheckMark returns what is wrong with the mark, nil if nothing is. Whoever writes next mends it.
func (l *Log) CheckMark(ctx context.Context) (*Fault, error) {
	_, err := l.Mark(ctx)
	if errors.Is(err, errMark) {
		return &Fault{File: markFile, Length: markSize, Reason: err}, nil
	}
	if err != nil {
		return nil, err
	}
	b, err := l.readStart(markFile, markSize+1)
	if err == nil && len(b) > markSize {
		return &Fault{File: markFile, Offset: markSize, Reason: errors.New("there are bytes behind its end")}, nil
	}
	return nil, err
}

// Check reads every byte of the packs up to where the log has been written whole: fault is called with each place that is
// not valid, record with each record, in order; its bytes are valid until record returns. Records at or behind the view's
// end come, too: they count for nothing yet, but have to be valid, as long as nobody writes there. What fault or record returns ends the check. ErrMoved,
// as of Scan: take a new View.
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

// writtenEnd returns up to where everything was written whole; torn tells that a crash came since.
func (l *Log) writtenEnd(ctx context.Context, view View) (end Position, torn bool) {
	m, err := l.Mark(ctx)
	if err != nil || m.Boot != l.boot {
		return view.Readable, true
	}
	e := view.chain.find(m.End.Pack)
	if e == nil || e.info.id != m.End.ID || m.End.Less(view.Readable) {
		return view.Readable, false // there is a newer pack, or it was recovered
	}
	m.End.Offset = min(m.End.Offset, e.limit)
	return m.End, false
}

// extentCheck reads all of one pack that counts.
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
	inner.extent.damage = nil // told above
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

// header tells which of the two copies of the pack's header is bad, and where.
func (k *extentCheck) header() error {
	b, err := k.log.readStart(k.file(), packHeader)
	if err != nil {
		return k.log.ifGone(err)
	}
	return k.fault(&Fault{
		File: k.file(), Offset: firstDifference(b, encodePackHeader(k.info)), Length: 1, Reason: k.damage, Spare: true,
	})
}

// item passes on what a walk sees. reader reads headers once more; nil where the pack has none that can be read.
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

// takenBack reports whether what stood at a position may have been taken back since the check began, and something else be there: nobody could
// read it then, and the log's end is another one now.
func (k *extentCheck) takenBack(at Position) bool {
	if at.Less(k.readable) {
		return false
	}
	m, err := k.log.Mark(k.ctx)
	return err == nil && m.End != k.to
}

// guess finds out what record is damaged: surely, where only its payload is, else by what is left of its header.
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

// Mend does what the next writer would: it recovers if that is needed, which writes a new mark. Then it writes the copies
// of pack headers again that are not valid, from the good ones beside them.
func (l *Log) Mend(ctx context.Context) error {
	if err := l.fs.MkdirAll(l.path(locksDir), dirPerm); err != nil {
		return err
	}
	if _, err := l.Begin(ctx); err != nil {
		return err
	}
	if err := l.lockAppend(ctx); err != nil {
		return err
	}
	defer l.unlockAppend()
	l.forget()
	l.mu.Lock()
	clear(l.headers) // a header that was read before it was damaged hides that
	l.mu.Unlock()
	c, err := l.load(ctx)
	if err != nil {
		return err
	}
	for i := range c.extents {
		e := &c.extents[i]
		if e.bad != nil || e.damage == nil {
			continue
		}
		if err := l.mendHeader(e, i == len(c.extents)-1); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("mending the header of pack %s: %w", e.name, err)
		}
	}
	l.mu.Lock()
	clear(l.headers)
	l.mu.Unlock()
	_, err = l.load(ctx)
	return err
}

// mendHeader writes the sector of the bad copy alone, so that nothing can happen to the good one. The last pack is not
// synced: what a sync there fails on may be another's batch, whose next commit would not hear of it.
func (l *Log) mendHeader(e *extent, last bool) error {
	file, err := l.fs.OpenFile(l.path(packsDir, e.name), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	b := make([]byte, packHeader)
	if err := readFull(file, b, 0); err != nil && !isBadSector(err) {
		return err
	}
	good := encodePackHeader(e.info)
	for offset := 0; offset < packHeader; offset += packHeaderCopy {
		part := good[offset:][:packHeaderCopy]
		if bytes.Equal(b[offset:][:packHeaderCopy], part) {
			continue
		}
		if _, err := file.WriteAt(part, int64(offset)); err != nil {
			return err
		}
	}
	if last {
		return nil
	}
	return file.Sync()
}
