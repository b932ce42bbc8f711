package packlog

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Pack is a pack that counts, as gc sees it.
type Pack struct {
	First   Position // where its records begin
	Through uint64   // the last sequence before the next pack
	Bytes   uint64   // its size on disk, including packs after it that do not count
	Counted uint64   // offset up to which records count
	Last    bool     // it still grows
	Damaged bool     // it has no valid header, or is missing
}

// Packs lists the packs of a view, in order.
func (l *Log) Packs(ctx context.Context, view View) ([]Pack, error) {
	sizes, err := l.packSizes(ctx)
	if err != nil {
		return nil, err
	}
	var packs []Pack
	c := view.chain
	for i := range c.extents {
		e := &c.extents[i]
		p := Pack{First: e.start(), Through: e.info.through, Last: i == len(c.extents)-1, Damaged: e.bad != nil}
		if !p.Last {
			p.Through = c.extents[i+1].info.sequence - 1
		}
		for name, size := range sizes {
			sequence, _, _ := parsePackName(name)
			if sequence >= p.First.Pack && sequence <= p.Through {
				p.Bytes += size
			}
		}
		p.Counted = min(sizes[e.name], e.limit)
		packs = append(packs, p)
	}
	return packs, nil
}

func (l *Log) packSizes(ctx context.Context) (map[string]uint64, error) {
	names, err := l.fs.ReadDir(l.path(packsDir))
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]uint64, len(names))
	for _, name := range names {
		if _, _, ok := parsePackName(name); !ok {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		size, _, err := l.fs.Stat(l.path(packsDir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		sizes[name] = uint64(size)
	}
	return sizes, nil
}

// RecordSize returns the bytes that a record takes in a pack; it may have been scanned without its payload.
func RecordSize(r *Record) uint64 {
	return header{meta: len(r.Meta), payload: max(len(r.Payload), r.PayloadLen)}.size()
}

// SamePacks reports whether all packs of an earlier view are unchanged, so that positions in them still count.
func (v View) SamePacks(earlier View) bool {
	if v.chain == earlier.chain || earlier.chain == nil {
		return true
	}
	for i := range earlier.chain.extents {
		old := &earlier.chain.extents[i]
		now := v.chain.find(old.info.sequence)
		if now == nil || now.info.id != old.info.id || now.info.sequence != old.info.sequence {
			return false
		}
	}
	return true
}

// SamePacks is View.SamePacks for the folder as it was last read.
func (l *Log) SamePacks(earlier View) bool {
	c := l.known()
	return c != nil && View{chain: c}.SamePacks(earlier)
}

// Current reports whether a position is in a pack that counts in this view, and not voided by a close.
func (v View) Current(at Position) bool { return v.chain != nil && v.chain.at(at) != nil }

// Seal syncs and ends the last pack, and continues in a new one, so that all of the old one can be rewritten. A pack
// without records is left as it is.
func (l *Log) Seal(ctx context.Context) error {
	return l.asWriter(ctx, func() error {
		if l.tail.end == packHeader {
			return nil
		}
		if err := l.newBatch().seal(ctx); err != nil {
			return l.takeBack(ctx, nil, err)
		}
		return l.loadLocked(ctx)
	})
}

// rewriteSuffix ends the temporary names of packs that are being rewritten.
const rewriteSuffix = ".gc.tmp"

// Rewrite is the next generation of a pack, or of neighbours, in the making. It does not count before Publish. It is
// for one goroutine; end it with Publish or Abort.
type Rewrite struct {
	log     *Log
	extents []extent
	closer  uint64 // of the log
	info    packInfo
	temp    string
	file    File
	w       *packWriter
	done    bool

	passOver bool // skip damage
}

// NewRewrite begins the next generation of the packs from the one that begins with sequence first to the one that
// begins with last; neither may be the last one of the log. It takes no lock: the caller must make sure that only one
// process at a time rewrites, and that appends under way are not lost.
func (l *Log) NewRewrite(ctx context.Context, view View, first, last uint64) (*Rewrite, error) {
	if l.readOnly {
		return nil, fmt.Errorf("store %q: %w", l.dir, ErrReadOnly)
	}
	r := &Rewrite{log: l, closer: view.Closer}
	if err := r.choose(view.chain, first, last); err != nil {
		return nil, err
	}
	sizes, err := l.packSizes(ctx)
	if err != nil {
		return nil, err
	}
	for name := range sizes {
		if sequence, generation, _ := parsePackName(name); sequence == first {
			r.info.generation = max(r.info.generation, generation+1)
		}
	}
	if r.info.id, err = randomID(); err != nil {
		return nil, err
	}
	if err := r.create(); err != nil {
		return nil, err
	}
	r.w = r.log.newPackWriter(r.file, Position{Pack: first, Offset: packHeader, ID: r.info.id}, nil)
	return r, nil
}

// choose takes the extents to rewrite from a chain, and what the new header keeps of theirs.
func (r *Rewrite) choose(c *chain, first, last uint64) error {
	for i := range c.extents {
		e := &c.extents[i]
		if e.info.sequence < first || e.info.sequence > last {
			continue
		}
		if e.bad != nil {
			return &DamageError{Position: Position{Pack: e.info.sequence}, Reason: e.bad}
		}
		if i == len(c.extents)-1 {
			return fmt.Errorf("pack %d: %w: it is the last one", e.info.sequence, errPackHeader)
		}
		r.extents = append(r.extents, *e)
		r.info.closer = max(r.info.closer, e.info.closer)
		if at := e.info.close; !at.IsZero() && at.Pack < first && (r.info.close.IsZero() || at.Less(r.info.close)) {
			r.info.close = at
		}
		r.info.through = c.extents[i+1].info.sequence - 1 // packs in between are closed
	}
	if len(r.extents) == 0 || r.extents[0].info.sequence != first {
		return fmt.Errorf("packs %d to %d: %w", first, last, ErrMoved)
	}
	r.info.sequence = first
	return nil
}

func (r *Rewrite) create() error {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	r.temp = hex.EncodeToString(random[:]) + rewriteSuffix
	file, err := r.log.fs.OpenFile(r.log.path(packsDir, r.temp), os.O_RDWR|os.O_CREATE|os.O_EXCL, filePerm)
	r.file = file
	return err
}

// Scan calls fn for the records of the old packs that count, payloads included, in order. Damage ends it with a
// *DamageError: damaged packs stay as they are.
func (r *Rewrite) Scan(ctx context.Context, fn func(Record) error) error {
	for i := range r.extents {
		err := r.log.walkExtent(ctx, extentWalk{extent: &r.extents[i]}, true, func(it item) error {
			switch {
			case it.damage != nil && r.passOver:
				return nil
			case it.damage != nil:
				r.log.report(it.damage)
				return it.damage
			case it.record.Kind == KindSeal:
				return nil
			}
			return fn(it.record)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// PassOverDamage says whether Scan skips damage, which is then gone for good, instead of ending there.
func (r *Rewrite) PassOverDamage(pass bool) { r.passOver = pass }

// Add writes a record, with its append's id and its commit flag, and returns where it will be. Its bytes are not kept.
func (r *Rewrite) Add(record *Record) (Position, error) {
	at := r.w.at
	return at, r.w.add(record, Position{})
}

// First returns where the new pack's records begin.
func (r *Rewrite) First() Position {
	return Position{Pack: r.info.sequence, Offset: packHeader, ID: r.info.id}
}

// Finish seals and syncs the new pack.
func (r *Rewrite) Finish() error {
	if err := r.w.add(&Record{Kind: KindSeal}, Position{}); err != nil {
		return err
	}
	if err := r.w.flush(); err != nil {
		return err
	}
	r.w.buf = nil
	r.info.synced = r.w.at
	if _, err := r.file.WriteAt(encodePackHeader(r.info), 0); err != nil {
		return err
	}
	return r.file.Sync()
}

// Abort removes the new pack. After Publish it does nothing.
func (r *Rewrite) Abort() {
	if r.done {
		return
	}
	r.done = true
	_ = r.file.Close()
	_ = r.log.fs.Remove(r.log.path(packsDir, r.temp)) // else the next sweep does
}
