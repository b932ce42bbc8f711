package store

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"hc/lib/hash"
	"hc/lib/keyfile"
	"hc/lib/keys"
	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/smallfile"
)

// Repair mends, after Run, what can be mended from the store itself:
//
//   - small files in which one bit has flipped, the mark, and second copies of pack headers,
//   - blocks whose bytes are elsewhere in the store: they are stored again,
//   - heads, blocks and manifests that only derived files still know: they are written to the log again, if their
//     signature holds. Nothing new is ever signed,
//   - all derived files.
//
// Blocks that are nowhere stay as they are: they can be fetched again, see CoresHurt, before ClearLost gives them up.
func (c *Checker) Repair(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		c.mendSmallFiles, c.mendLog, c.mendDerived, c.mendManifests, c.mendBlocks, c.checkpoint,
	} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("repairing store %s: %w", c.dir, err)
		}
	}
	return nil
}

// Store returns the store that is checked, to fetch lost blocks into. It knows which runs cannot be read, so it does
// not consider a block stored that only one of these has. It is the checker's to close.
func (c *Checker) Store() *Store { return c.store }

// Discard writes damaged packs again, leaving the damage behind. It does so only if a second check finds that nothing
// is missing any more: call it after Repair, and after fetching what was lost. asked says that peers were asked for
// newer heads. Without that, a pack that is lost as a whole is given up only if no log is lost with it, so that nobody
// begins a lost log again.
func (c *Checker) Discard(ctx context.Context, asked bool) error {
	if len(c.damagedPacks()) == 0 && !c.packsLost() {
		return nil
	}
	found := c.options.Found
	c.options.Found = func(Finding) {}
	err := c.Run(ctx)
	c.options.Found = found
	packs := c.damagedPacks()
	giveUp := c.packsLost() && (asked || len(c.absent) == 0)
	clear(c.absent) // peers were asked for them
	clear(c.doubted)
	if err != nil || len(c.CoresHurt()) > 0 || len(c.moved) > 0 {
		return err
	}
	if len(packs) > 0 {
		if _, err := c.store.GC(ctx, GCOptions{damaged: packs}); err != nil {
			return err
		}
	}
	if giveUp {
		return c.store.giveUp(ctx)
	}
	return nil
}

// packsLost reports whether packs are missing, or cannot be read at all.
func (c *Checker) packsLost() bool {
	return slices.ContainsFunc(c.unknown, func(f *packlog.Fault) bool { return f.Position.IsZero() })
}

// damagedPacks returns the packs that have damaged records, but can be read.
func (c *Checker) damagedPacks() map[uint64]bool {
	packs := make(map[uint64]bool)
	for at := range c.badRuns {
		packs[at.Pack] = true
	}
	for _, f := range c.unknown {
		if !f.Torn && !f.Position.IsZero() {
			packs[f.Position.Pack] = true
		}
	}
	return packs
}

func (c *Checker) mendLog(ctx context.Context) error {
	if !c.marred {
		return nil
	}
	return c.store.log.Mend(ctx)
}

func (c *Checker) checkpoint(ctx context.Context) error { return c.store.Checkpoint(ctx) }

// mendDerived builds all derived files again if any is wrong. What only they knew is written to the log.
func (c *Checker) mendDerived(ctx context.Context) error {
	bad := make(map[packlog.Position]bool, len(c.badRuns))
	for at := range c.badRuns {
		bad[at] = true
	}
	c.store.files.Bad = bad
	if !c.derived {
		return nil
	}
	old := c.oldViews(ctx)
	s := c.store
	s.mu.Lock()
	s.state, s.distrust = nil, true
	s.mu.Unlock()
	if err := s.makeCheckpoint(ctx, false, nil); err != nil {
		return err
	}
	for _, v := range old {
		r := rescue{checker: c, ctx: ctx, old: v}
		if err := r.run(); err != nil {
			return fmt.Errorf("core %v: %w", v.key, err)
		}
	}
	return nil
}

// oldViews returns the cores of which derived files may know more than the log, as seen through these files. Views keep
// the files that they are made from open, whatever happens to their names.
func (c *Checker) oldViews(ctx context.Context) []*View {
	var views []*View
	for key := range c.witness {
		v, err := c.store.View(ctx, key, false)
		if err == nil && v.core.base != nil {
			views = append(views, v)
		}
	}
	return views
}

// mendManifests writes a manifest that the log has lost again, if the secret key here implies it.
func (c *Checker) mendManifests(ctx context.Context) error {
	for key := range c.broken {
		secret, err := c.store.Secret(key)
		if err != nil {
			continue // not ours, or locked: a peer has the manifest
		}
		manifest := keys.DefaultManifest(secret.Public())
		view, err := c.store.View(ctx, key, false)
		if err != nil || view.Manifest() != nil || manifest.Key() != key {
			continue
		}
		tx, err := c.store.Begin(ctx, key, TxOptions{Manifest: manifest.Encode(), Durable: true})
		if err != nil {
			return err
		}
		err = tx.Commit(ctx, nil)
		tx.Abort()
		if err != nil {
			return err
		}
	}
	return nil
}

// ClearLost clears, after Repair, the blocks that cannot be read and have not come back since. They are then not held
// any more, so nobody is told that they are.
func (c *Checker) ClearLost(ctx context.Context) error {
	for key, ranges := range c.hurt {
		left, err := c.stillLost(ctx, key, ranges)
		if err != nil {
			return fmt.Errorf("core %v: %w", key, err)
		}
		for _, r := range left {
			if err := c.store.Clear(ctx, key, r.First, r.End); err != nil {
				return err
			}
		}
	}
	return nil
}

// stillLost returns the blocks of the ranges that still cannot be read.
func (c *Checker) stillLost(ctx context.Context, key keys.Key, ranges []blockmap.Range) (left []blockmap.Range, err error) {
	view, err := c.store.View(ctx, key, false)
	if err != nil {
		return nil, err
	}
	for _, r := range ranges {
		for block := r.First; block < r.End; block++ {
			_, err := view.Block(ctx, block)
			if passed := passOver(err); passed != nil {
				return nil, passed
			}
			if err != nil {
				left = blockmap.AddRange(left, blockmap.Range{First: block, End: block + 1})
			}
		}
	}
	return left, nil
}

// mendBlocks stores again blocks that are elsewhere in the store.
func (c *Checker) mendBlocks(ctx context.Context) error {
	places, err := c.elsewhere(ctx)
	if err != nil {
		return err
	}
	for key, ranges := range c.moved { // a reader finds them, but takes longer
		if _, err := c.mendCore(ctx, key, ranges, places); err != nil {
			return fmt.Errorf("core %v: %w", key, err)
		}
	}
	for key, ranges := range c.hurt {
		if ranges, err = c.mendCore(ctx, key, ranges, places); err != nil {
			return fmt.Errorf("core %v: %w", key, err)
		}
		if c.hurt[key] = ranges; len(ranges) == 0 {
			delete(c.hurt, key)
		}
	}
	return nil
}

// elsewhere searches the whole log for readable runs that have one of the lost blocks.
func (c *Checker) elsewhere(ctx context.Context) (map[hash.Digest]place, error) {
	places := make(map[hash.Digest]place)
	if len(c.wanted) == 0 {
		return places, nil
	}
	view, err := c.store.log.View(ctx)
	if err != nil {
		return nil, err
	}
	err = c.store.log.Scan(ctx, view, packlog.Position{}, false, func(r packlog.Record) error {
		if r.Kind != packlog.KindRun || c.badRuns[r.Position] != nil {
			return nil
		}
		run, err := records.DecodeRun(r.Meta)
		if err != nil {
			return nil // reported already
		}
		for i, leaf := range run.Leaves {
			if c.wanted[leaf] {
				places[leaf] = place{Run: r.Position, At: uint32(i)}
			}
		}
		return nil
	})
	return places, err
}

// mendCore stores again the blocks of a core that were found, and returns the others.
func (c *Checker) mendCore(ctx context.Context, key keys.Key, ranges []blockmap.Range, places map[hash.Digest]place) (rest []blockmap.Range, err error) {
	if len(places) == 0 {
		return ranges, nil
	}
	tx, err := c.store.Begin(ctx, key, TxOptions{Durable: true})
	if err != nil {
		return nil, err
	}
	defer tx.Abort()
	put := false
	for _, r := range ranges {
		for block := r.First; block < r.End; block++ {
			done, err := c.putAgain(ctx, tx, block, places)
			if err != nil {
				return nil, err
			}
			if put = put || done; !done {
				rest = blockmap.AddRange(rest, blockmap.Range{First: block, End: block + 1})
			}
		}
	}
	if !put {
		return rest, nil
	}
	return rest, tx.Commit(ctx, nil)
}

func (c *Checker) putAgain(ctx context.Context, tx *Tx, block uint64, places map[hash.Digest]place) (bool, error) {
	leaf, err := tx.view.Node(ctx, 2*block)
	if err != nil {
		return false, passOver(err)
	}
	at, ok := places[leaf.Hash]
	if !ok {
		return false, nil
	}
	data, err := c.store.reader.Block(ctx, at)
	if err != nil || hash.Leaf(data) != leaf.Hash {
		return false, passOver(err)
	}
	return true, tx.Put(ctx, block, leaf.Hash, data)
}

// mendSmallFiles turns back the one bit that has flipped in a name, a secret key or a promise: its checksum tells
// which, and that no other bit would do.
func (c *Checker) mendSmallFiles(ctx context.Context) error {
	for _, f := range []struct {
		folder string
		perm   fs.FileMode
		good   func(name string, raw []byte) bool
	}{
		{namesFolder, 0o644, func(name string, raw []byte) bool {
			_, err := openLine(nameMagic, raw)
			return err == nil || CheckName(name) != nil
		}},
		{keysFolder, 0o600, func(name string, raw []byte) bool {
			key, err := keys.ParseKey(name)
			return err != nil || key.String() != name || c.checkSecret(key, raw) == nil
		}},
		{grantsFolder, 0o644, func(_ string, raw []byte) bool {
			_, err := decodeGrant(raw)
			return err == nil
		}},
	} {
		err := c.eachFile(ctx, f.folder, func(name string, raw []byte) error {
			if f.good(name, raw) || !turnBack(raw, func(b []byte) bool { return f.good(name, b) }) {
				return nil
			}
			return smallfile.Replace(c.fs, filepath.Join(c.dir, f.folder, name), raw, f.perm)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// turnBack flips the one bit that makes raw good, and reports whether there is exactly one.
func turnBack(raw []byte, good func([]byte) bool) bool {
	found := -1
	for bit := range 8 * len(raw) {
		raw[bit/8] ^= 1 << (bit % 8)
		ok := good(raw)
		raw[bit/8] ^= 1 << (bit % 8)
		if ok && found >= 0 {
			return false
		}
		if ok {
			found = bit
		}
	}
	if found < 0 || len(raw) > keyfile.MaxSize {
		return false
	}
	raw[found/8] ^= 1 << (found % 8)
	return true
}
