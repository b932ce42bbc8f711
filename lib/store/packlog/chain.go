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

// packHead is a pack in the folder and what its header says. bad is set where no header could be read; damage, where
// one of its copies could not.
type packHead struct {
	info   packInfo // name's sequence and generation if bad
	name   string
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

// chain is the folder as one log: the packs that count, in order, with the parts of them that do. It does not change.
type chain struct {
	extents []extent
	last    packHead // the highest sequence in the folder, also where it does not count
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

// counts reports whether a position that something names as synced is to be believed: its pack is there under that id,
// or its header cannot be read, or it is gone; and it does not lie behind a close.
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
		slices.Sort(names)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.chain = c
		l.headers = map[string]*packHead{}
		for i := range heads {
			l.headers[heads[i].name] = &heads[i]
		}
		l.files.keep(names)
		return c, nil
	}
}

// current returns the chain as it was last read.
func (l *Log) current(ctx context.Context) (*chain, error) {
	l.mu.Lock()
	c := l.chain
	l.mu.Unlock()
	if c != nil {
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

// readHead returns an error only where the file cannot be read at all; a bad header is noted in h.
func (l *Log) readHead(h *packHead) error {
	file, err := l.fs.OpenFile(l.path(packsDir, h.name), os.O_RDONLY, 0)
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

// newChain puts packs in order and lets every close void what it closes.
func newChain(heads []packHead) *chain {
	c := &chain{}
	if len(heads) > 0 {
		c.last = heads[len(heads)-1]
	}
	next := uint64(1)
	for _, head := range heads {
		if head.info.sequence < next {
			continue // another pack stands for it
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

// missing stands for sequences that are not in the folder.
func missing(first, last uint64) extent {
	info := packInfo{sequence: first, through: last}
	return extent{packHead: packHead{info: info, bad: fmt.Errorf("pack %d is missing", first)}, limit: noLimit}
}

// close voids what lies at or behind a position in the extents so far.
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
