package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

// Head is what a core's owner signed.
type Head = records.Head

// A LentBlock is a block that stays where it is until its memory is released. It must not be changed.
type LentBlock = runs.LentBlock

// View is a core at one instant. Later appends, downloads, truncations and clears do not change it, until a gc removes
// what was forgotten: then that is missing here, too (ErrBlockMissing, ErrConflict, ErrNotFound). Safe for concurrent
// use. It holds memory and open files as long as it is referred to; there is nothing to close.
type View struct {
	store *Store
	state *state
	core  *coreTail // nil: the core is not there yet
	key   keys.Key
	seq   uint64
	head  Head
}

// View returns the core as it is now, or, if durable, only what a power cut cannot take back. ErrNotFound if there is
// no such core. If durable, ErrDamaged if only the log's mark could say whether the newest head is synced, and the mark
// is not valid.
func (s *Store) View(ctx context.Context, key keys.Key, durable bool) (*View, error) {
	return s.viewFrom(ctx, nil, key, durable)
}

// viewFrom is View for a caller that has just looked at the log.
func (s *Store) viewFrom(ctx context.Context, seen *packlog.View, key keys.Key, durable bool) (*View, error) {
	var v *View
	err := s.retry(ctx, func() (st *state, err error) {
		v, st, err = s.view(ctx, seen, key, durable)
		seen = nil
		return st, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading core %v: %w", key, err)
	}
	return v, nil
}

// errUnmarked says that the newest head of a core is not known to be synced, which only the mark could tell.
var errUnmarked = fmt.Errorf("%w: the store's mark is missing or not valid, so the last commits are not known to be on disk: 'hc fsck --repair' mends it, and so does the next write to the store", ErrDamaged)

func (s *Store) view(ctx context.Context, seen *packlog.View, key keys.Key, durable bool) (*View, *state, error) {
	st, bound, err := s.currentFrom(ctx, seen)
	if err != nil {
		return nil, nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	tail, err := st.core(key)
	if err != nil {
		return nil, st, err
	}
	seq := uint64(len(st.commits))
	core, head, err := tail.asOf(seq)
	if durable {
		newest := head
		seq = st.durable(bound.Synced)
		core, head, err = tail.asOf(seq)
		if bound.Unmarked && (head.Fork != newest.Fork || head.Length != newest.Length) {
			err = errUnmarked
		}
	}
	if err != nil {
		return nil, st, err
	}
	return &View{store: s, state: st, core: core, key: key, seq: seq, head: head}, st, nil
}

// again calls fn with the view. If a pack was rewritten or derived files were damaged since, it then calls fn with a
// view of the newest state, which agrees with v on everything that both have.
func again[T any](ctx context.Context, v *View, fn func(*View) (T, error)) (T, error) {
	const times = 6
	value, err := fn(v)
	for now, try := v, 1; err != nil && try < times; try++ {
		moved := errors.Is(err, packlog.ErrMoved)
		if !moved && !derived.IsFault(err) || v.core == nil {
			return value, err
		}
		v.store.renew(now.state, err, try > 1 || !errors.Is(err, fs.ErrNotExist))
		var viewErr error
		if now, viewErr = v.store.View(ctx, v.key, false); viewErr != nil {
			return value, errors.Join(err, viewErr)
		}
		if now.head.Fork != v.head.Fork {
			return value, fmt.Errorf("%w: history was cut back under a new fork since", ErrConflict)
		}
		now.head = v.head
		value, err = fn(now)
	}
	return value, err
}

// Key returns the core's key.
func (v *View) Key() keys.Key { return v.key }

// Manifest returns the encoded manifest, nil for a compat core. The caller must not change it.
func (v *View) Manifest() []byte {
	if v.core == nil {
		return nil
	}
	v.state.mu.RLock()
	defer v.state.mu.RUnlock()
	return v.core.manifest
}

// Head returns the newest head; the zero Head if there is none. The caller must not change the signature.
func (v *View) Head() Head { return v.head }

// held reports whether a block is held, and the end of the blocks for which the answer is the same.
func (v *View) held(ctx context.Context, block uint64) (ok bool, end uint64, err error) {
	v.state.mu.RLock()
	rows := v.core.rows
	end = v.head.Length
	for i := rows.Find(block); i < len(rows); i++ {
		r := rows[i]
		if r.Seq > v.seq {
			continue
		}
		if r.First > block {
			end = min(end, r.First)
			break
		}
		v.state.mu.RUnlock()
		return r.Held(), min(end, r.End()), nil
	}
	v.state.mu.RUnlock()
	base := v.core.base
	if base == nil || block >= v.core.limit {
		return false, end, nil
	}
	end = min(end, v.core.limit)
	r, found, err := base.RangeAt(ctx, block)
	switch {
	case err != nil || !found:
		return false, end, err
	case r.First > block:
		return false, min(end, r.First), nil
	}
	return true, min(end, r.End), nil
}

// Has reports whether the block is held. It is not if it lies beyond the head.
func (v *View) Has(ctx context.Context, block uint64) (bool, error) {
	if v.core == nil || block >= v.head.Length {
		return false, nil
	}
	return again(ctx, v, func(v *View) (bool, error) {
		ok, _, err := v.held(ctx, block)
		return ok, err
	})
}

// Have returns the next range of blocks [start, end) that are held, at or after from, in full length. ok is false if
// there is none.
func (v *View) Have(ctx context.Context, from uint64) (start, end uint64, ok bool, err error) {
	if v.core == nil {
		return 0, 0, false, nil
	}
	r, err := again(ctx, v, func(v *View) (blockmap.Range, error) { return v.next(ctx, from) })
	return r.First, r.End, r.First < r.End, err
}

// next returns the next range of blocks that are held, an empty one if there is none.
func (v *View) next(ctx context.Context, from uint64) (r blockmap.Range, err error) {
	for at := from; at < v.head.Length; {
		held, end, err := v.held(ctx, at)
		if err != nil {
			return blockmap.Range{}, err
		}
		switch {
		case held && r.End == 0:
			r = blockmap.Range{First: at, End: end}
		case held:
			r.End = end
		case r.End > 0:
			return r, nil
		}
		at = end
	}
	return r, nil
}

// Contiguous returns how many blocks are held from block 0 on without a gap.
func (v *View) Contiguous(ctx context.Context) (uint64, error) {
	start, end, ok, err := v.Have(ctx, 0)
	if err != nil || !ok || start > 0 {
		return 0, err
	}
	return end, nil
}

// Block returns a block's bytes. The caller must not change them: they may be shared. ErrBlockMissing if the block is
// not held; ErrDamaged, with what and where, if the disk lost it. Blocks that are read one after another are
// decompressed once.
func (v *View) Block(ctx context.Context, block uint64) ([]byte, error) {
	b, err := v.Lend(ctx, block)
	if err != nil {
		return nil, err
	}
	return b.Keep(), nil
}

// Lend is Block without a copy: the caller releases the memory when it is done with the bytes, and the memory is then
// used for other blocks. A caller that holds many small blocks must make sure that their runs do not take too much memory.
func (v *View) Lend(ctx context.Context, block uint64) (LentBlock, error) {
	b, err := again(ctx, v, func(v *View) (LentBlock, error) { return v.block(ctx, block) })
	if err != nil {
		return LentBlock{}, fmt.Errorf("block %d of core %v: %w", block, v.key, err)
	}
	return b, nil
}

func (v *View) block(ctx context.Context, block uint64) (LentBlock, error) {
	if v.core == nil || block >= v.head.Length {
		return LentBlock{}, ErrBlockMissing
	}
	r, err := v.row(ctx, block)
	if err != nil {
		return LentBlock{}, err
	}
	switch r.Kind {
	case blockmap.Placed:
		at := r.Part(block, block+1).Place
		data, err := v.store.reader.Lend(ctx, at)
		if errors.Is(err, ErrDamaged) {
			return v.blockElsewhere(ctx, block, at, err)
		}
		return data, err
	case blockmap.InPassage:
		return v.blockOfPassage(ctx, r, block)
	case blockmap.ByLeaf:
		leaf, err := v.leafHash(ctx, r, block)
		if err != nil {
			return LentBlock{}, err
		}
		at, err := v.state.locate(ctx, v.store, leaf)
		if err != nil {
			return LentBlock{}, err
		}
		return v.store.reader.Lend(ctx, at)
	}
	return LentBlock{}, ErrBlockMissing
}

// blockOfPassage returns a block of a passage: from the run that has it or, if that is damaged, from another one.
func (v *View) blockOfPassage(ctx context.Context, r blockmap.Row, block uint64) (LentBlock, error) {
	at, err := v.passagePlace(ctx, r.Place.Run, block)
	if err != nil {
		return LentBlock{}, err
	}
	data, why := v.store.reader.Lend(ctx, at)
	if !errors.Is(why, ErrDamaged) {
		return data, why
	}
	n, err := v.store.reader.Leaf(ctx, at, block)
	if err != nil {
		return LentBlock{}, why
	}
	other, ok, err := v.state.lookUp(ctx, v.store.log, n.Hash)
	if err != nil || !ok || other == at {
		return LentBlock{}, why
	}
	return v.store.reader.Lend(ctx, other)
}

// blockElsewhere returns a block that is damaged in its place, if it was stored again since, for this core or another.
func (v *View) blockElsewhere(ctx context.Context, block uint64, damaged place, why error) (LentBlock, error) {
	n, ok, err := v.known(ctx, 2*block)
	if err != nil || !ok {
		return LentBlock{}, why
	}
	at, ok, err := v.state.lookUp(ctx, v.store.log, n.Hash)
	if err != nil || !ok || at == damaged {
		return LentBlock{}, why
	}
	return v.store.reader.Lend(ctx, at)
}

// row returns the row that says where a block is.
func (v *View) row(ctx context.Context, block uint64) (blockmap.Row, error) {
	v.state.mu.RLock()
	r, ok := v.core.rows.At(block)
	v.state.mu.RUnlock()
	if ok && r.Seq <= v.seq {
		return r, nil
	}
	if v.core.base == nil || block >= v.core.limit {
		return blockmap.Row{}, ErrBlockMissing
	}
	r, ok, err := v.core.base.Row(ctx, block)
	if err == nil && !ok {
		err = ErrBlockMissing
	}
	return r, err
}

// leafHash returns the leaf hash of a block that is held by it.
func (v *View) leafHash(ctx context.Context, r blockmap.Row, block uint64) (hash.Digest, error) {
	if r.Kind == blockmap.InPassage {
		n, err := v.leafIn(ctx, r, block)
		return n.Hash, err
	}
	if !r.Place.Run.IsZero() {
		ref, err := v.leafRef(ctx, r.Place.Run, block)
		return ref.Leaf, err
	}
	n, err := v.Node(ctx, 2*block)
	return n.Hash, err
}
