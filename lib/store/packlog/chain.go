package packlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
)

const (
	noLimit   = math.MaxUint64
	loadTries = 100 // of reading the folder while gc unlinks packs
)

// packHead is a pack in the folder and what its header says. bad is set if no header could be read; damage, if one of
// its copies could not.
type packHead struct {
	info   packInfo // name's sequence and generation if bad
	name   string
	path   string // once the header was read
	bad    error
	damage error
}

// extent is the part of one pack that counts.
type extent struct {
	packHead
	limit  uint64 // a close's offset, or noLimit
	closed bool   // there is a limit
}

func (e *extent) start() Position {
	return Position{Pack: e.info.sequence, Offset: packHeader, ID: e.info.id}
}

// chain is the folder as one log: the packs that count, in order, and which parts of them do. It does not change.
type chain struct {
	extents []extent
	last    packHead // the highest sequence in the folder, even if it does not count
	next    string   // path of the pack that would follow it
	closer  uint64
}

// find returns the extent of a sequence.
func (c *chain) find(sequence uint64) *extent {
	i, ok := slices.BinarySearchFunc(c.extents, sequence, func(e extent, sequence uint64) int {
		switch {
		case e.info.through < sequence:
			return -1
		case e.info.sequence > sequence:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return &c.extents[i]
}

// counts reports whether a position that something names as synced is to be believed: its pack is there with that id,
// or has no readable header, or is gone; and no close voids the position.
func (c *chain) counts(p Position) bool {
	if !p.valid() {
		return false
	}
	e := c.find(p.Pack)
	if e == nil {
		return p.Pack > c.last.info.sequence
	}
	return (e.bad != nil || e.info.id == p.ID) && p.Offset <= e.limit
}

// load reads the folder. A pack that is renamed or unlinked meanwhile makes it read again.
func (l *Log) load(ctx context.Context) (*chain, error) {
	for try := 1; ; try++ {
		l.mu.Lock()
		l.loads++
		load := l.loads
		l.mu.Unlock()
		names, err := l.fs.ReadDir(l.path(packsDir))
		if err != nil {
			return nil, err
		}
		heads, err := l.loadHeads(newestPacks(names))
		if errors.Is(err, fs.ErrNotExist) && try < loadTries && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		c := newChain(heads)
		c.next = l.pathBehind(c.last.info)
		l.install(load, c, heads, names)
		return c, nil
	}
}

// install makes c the known chain, unless a read of the folder that began later is already done.
func (l *Log) install(load uint64, c *chain, heads []packHead, names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if load < l.loaded {
		return
	}
	l.chain, l.loaded, l.seen = c, load, 0
	l.headers = make(map[string]*packHead, len(heads))
	for i := range heads {
		l.headers[heads[i].name] = &heads[i]
	}
	l.files.keep(names)
}

// known returns the chain as it was last read, or nil.
func (l *Log) known() *chain {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chain
}

// forget makes the next user of the folder read it: a pack is not where it was.
func (l *Log) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chain = nil
}

// Reload makes the next View read the folder again, whatever the mark says about it. It is for a caller that finds
// files written for packs that it does not know.
func (l *Log) Reload() { l.forget() }

// loadFor returns the folder for a reader that has read the mark; fresh says that it was read just now.
func (l *Log) loadFor(ctx context.Context, folder uint64) (c *chain, fresh bool, err error) {
	l.mu.Lock()
	c = l.chain
	same := c != nil && folder != 0 && l.seen == folder
	l.mu.Unlock()
	if same {
		return c, false, nil
	}
	if c, err = l.load(ctx); err != nil {
		return nil, true, err
	}
	l.sawFolder(c, folder)
	return c, true, nil
}

// sawFolder notes the mark's Folder from before a chain was read.
func (l *Log) sawFolder(c *chain, folder uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.chain == c {
		l.seen = folder
	}
}

// current returns the chain as it was last read.
func (l *Log) current(ctx context.Context) (*chain, error) {
	if c := l.known(); c != nil {
		return c, nil
	}
	return l.load(ctx)
}

// newestPacks returns the newest generation of each sequence, in order, without headers.
func newestPacks(names []string) []packHead {
	newest := map[uint64]packHead{}
	for _, name := range names {
		sequence, generation, ok := parsePackName(name)
		if !ok {
			continue
		}
		if other, ok := newest[sequence]; !ok || other.info.generation < generation {
			newest[sequence] = packHead{info: packInfo{sequence: sequence, generation: generation, through: sequence}, name: name}
		}
	}
	heads := make([]packHead, 0, len(newest))
	for _, head := range newest {
		heads = append(heads, head)
	}
	slices.SortFunc(heads, func(a, b packHead) int {
		if a.info.sequence < b.info.sequence {
			return -1
		}
		return 1
	})
	return heads
}

// loadHeads fills in the headers; they never change, so each is read once.
func (l *Log) loadHeads(heads []packHead) ([]packHead, error) {
	for i := range heads {
		l.mu.Lock()
		known := l.headers[heads[i].name]
		l.mu.Unlock()
		if known != nil && known.bad == nil {
			heads[i] = *known
			continue
		}
		if err := l.readHead(&heads[i]); err != nil {
			return nil, err
		}
	}
	return heads, nil
}

// readHead returns an error only if the file cannot be read at all; a bad header is noted in h.
func (l *Log) readHead(h *packHead) error {
	h.path = l.path(packsDir, h.name)
	file, err := l.fs.OpenFile(h.path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	b := make([]byte, packHeader)
	n, err := file.ReadAt(b, 0)
	if isBadSector(err) {
		h.bad = err
		return nil
	}
	if err != nil && err != io.EOF {
		return err
	}
	info, err := decodePackHeader(b[:n])
	switch {
	case errors.Is(err, errPackCopy):
		h.damage = err
	case err != nil:
		h.bad = err
		return nil
	}
	if info.sequence != h.info.sequence || info.generation != h.info.generation {
		h.bad = errPackName
		return nil
	}
	h.info = info
	return nil
}

// newChain puts packs in order and applies their closes.
func newChain(heads []packHead) *chain {
	c := &chain{}
	if len(heads) > 0 {
		c.last = heads[len(heads)-1]
	}
	next := uint64(1)
	for _, head := range heads {
		if head.info.sequence < next {
			continue // it is part of another pack
		}
		if head.info.sequence > next {
			c.extents = append(c.extents, missing(next, head.info.sequence-1))
		}
		if head.bad == nil {
			c.close(head.info.close)
			c.closer = max(c.closer, head.info.closer)
		}
		c.extents = append(c.extents, extent{packHead: head, limit: noLimit})
		next = head.info.through + 1
	}
	return c
}

// missing is the extent for sequences that are not in the folder.
func missing(first, last uint64) extent {
	info := packInfo{sequence: first, through: last}
	return extent{packHead: packHead{info: info, bad: fmt.Errorf("pack %d is missing", first)}, limit: noLimit}
}

// close voids everything at or after a position in the extents so far.
func (c *chain) close(at Position) {
	if at.IsZero() {
		return
	}
	for len(c.extents) > 0 && c.extents[len(c.extents)-1].info.sequence > at.Pack {
		c.extents = c.extents[:len(c.extents)-1]
	}
	if e := c.find(at.Pack); e != nil && e.info.sequence == at.Pack && (e.bad != nil || e.info.id == at.ID) {
		e.limit, e.closed = min(e.limit, at.Offset), true
	}
}
