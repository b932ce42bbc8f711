package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
	"hc/lib/store/treetable"
)

// checkCores checks every core as the log has it.
func (c *Checker) checkCores(ctx context.Context) error {
	d, err := c.openShadow()
	if err != nil {
		return err
	}
	for _, ref := range d.Applied.Cores {
		tables, err := d.Core(ref.Key)
		if err != nil {
			return err
		}
		k := &coreCheck{checker: c, ctx: ctx, key: ref.Key, log: tables, index: d}
		if err := k.run(); err != nil {
			return fmt.Errorf("core %v: %w", ref.Key, err)
		}
	}
	return nil
}

// coreCheck goes through one core's blocks in order, computes the tree over those that are held, and compares it with
// everything that is known of it.
type coreCheck struct {
	checker *Checker
	ctx     context.Context
	key     keys.Key
	log     *derived.Core   // what the log says
	index   *derived.Tables // of the shadow
	stored  *storedTree     // the store's own tree tables; nil: not to be compared

	told     *treetable.Stream // of log
	computed []merkle.Node     // waiting for their siblings
	next     uint64            // the block after the last one that was computed
	wrong    error             // the first contradiction
	losses   []loss            // hurt blocks, ascending
}

// loss is neighbouring blocks that cannot be read, for one reason.
type loss struct {
	blockmap.Range
	run *badRun // nil: nothing is where it should be
	why string
}

func (k *coreCheck) run() error {
	told, err := treetable.NewStream(k.log.Nodes(k.ctx))
	if err != nil {
		return err
	}
	defer told.Stop()
	k.told = told
	if k.stored, err = k.checker.storedTree(k.ctx, k.key, k.log); err != nil {
		return err
	}
	if k.stored != nil {
		defer k.stored.rows.Stop()
	}
	err = k.log.EachRow(k.ctx, k.row)
	if err != nil {
		return err
	}
	if err := k.rest(); err != nil {
		return err
	}
	if err := k.head(); err != nil {
		return err
	}
	k.tell()
	return nil
}

// row takes in blocks that are held according to the log.
func (k *coreCheck) row(r blockmap.Row) error {
	length := k.log.File.Head.Length
	if r.First >= length {
		return nil
	}
	r = r.Part(r.First, length)
	if r.First != k.next {
		k.computed = k.computed[:0] // no node over the gap can be computed
	}
	k.next = r.End()
	if r.Kind == blockmap.ByLeaf {
		return k.byLeaf(r)
	}
	if bad := k.checker.badRuns[r.Place.Run]; bad != nil {
		return k.badRun(r, bad)
	}
	e, err := k.checker.shadow.reader.Meta(k.ctx, r.Place.Run, packlog.KindRun)
	if isGone(err) {
		k.lose(loss{blockmap.Range{First: r.First, End: r.End()}, nil, err.Error()})
		return nil
	}
	if err != nil {
		return err
	}
	if uint64(r.Place.At)+r.Count > uint64(e.Run.Count) {
		k.lose(loss{blockmap.Range{First: r.First, End: r.End()}, nil, fmt.Sprintf("the run at %v has only %d blocks", r.Place.Run, e.Run.Count)})
		return nil
	}
	return k.placed(r, e.Run)
}

// isGone reports whether an error means that data is lost, not that it could not be looked for.
func isGone(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, ErrBlockMissing)
}

// placed takes in blocks of a run that can be read: checkLog has compared them with their leaf hashes, if it has any.
func (k *coreCheck) placed(r blockmap.Row, meta *records.Run) error {
	var short *runs.Decoded
	if meta.Short {
		var err error
		if short, err = k.checker.shadow.reader.Run(k.ctx, r.Place.Run); err != nil {
			return err
		}
	}
	for i := range r.Count {
		at := r.Place.At + uint32(i)
		var n merkle.Node
		if short != nil {
			n = short.Leaf(at, r.First+i)
		} else {
			n = merkle.LeafNodeHash(r.First+i, uint64(meta.Lengths[at]), meta.Leaves[at])
		}
		if err := k.add(n); err != nil {
			return err
		}
	}
	return nil
}

// byLeaf takes in blocks that some run has, which only their leaf hashes name.
func (k *coreCheck) byLeaf(r blockmap.Row) error {
	for block := r.First; block < r.End(); block++ {
		n, ok, err := k.log.Node(k.ctx, 2*block)
		if err != nil {
			return err
		}
		if !ok {
			k.lose(loss{blockmap.Range{First: block, End: block + 1}, nil, "its leaf hash is not known"})
			continue
		}
		found, bad, err := k.findLeaf(n.Hash)
		switch {
		case err != nil:
			return err
		case !found:
			k.want(n.Hash)
			k.lose(loss{blockmap.Range{First: block, End: block + 1}, bad, fmt.Sprintf("no run has its leaf hash %v", n.Hash)})
			k.gap()
			continue
		}
		if err := k.add(n); err != nil {
			return err
		}
	}
	return nil
}

// findLeaf reports whether a block can be read and, if not, returns the damaged run that has it, if there is one.
func (k *coreCheck) findLeaf(leaf hash.Digest) (found bool, bad *badRun, err error) {
	err = k.index.Index.Places(k.ctx, leaf, func(p place) bool {
		if run := k.checker.badRuns[p.Run]; run != nil {
			bad = run
		} else if k.checker.store.log.Current(p.Run) {
			found = true
		}
		return !found
	})
	return found, bad, err
}

// badRun takes in blocks whose run cannot be read: those that another run has, too, are not lost.
func (k *coreCheck) badRun(r blockmap.Row, bad *badRun) error {
	for i := range r.Count {
		block := r.First + i
		if bad.meta != nil && !bad.meta.Short && int(r.Place.At)+int(i) < len(bad.meta.Leaves) {
			at := r.Place.At + uint32(i)
			leaf := bad.meta.Leaves[at]
			found, _, err := k.findLeaf(leaf)
			if err != nil {
				return err
			}
			k.want(leaf)
			if found {
				moved := k.checker.moved
				moved[k.key] = blockmap.AddRange(slices.Clone(moved[k.key]), blockmap.Range{First: block, End: block + 1})
				if err := k.add(merkle.LeafNodeHash(block, uint64(bad.meta.Lengths[at]), leaf)); err != nil {
					return err
				}
				continue
			}
		}
		k.lose(loss{blockmap.Range{First: block, End: block + 1}, bad, ""})
		k.gap()
	}
	return nil
}

// want notes a leaf hash to look for when the store is repaired.
func (k *coreCheck) want(leaf hash.Digest) {
	if len(k.checker.wanted) < maxWanted {
		k.checker.wanted[leaf] = true
	}
}

// maxWanted bounds how many lost blocks are looked for elsewhere at once.
const maxWanted = 1 << 18

func (k *coreCheck) gap() { k.computed = k.computed[:0] }

func (k *coreCheck) lose(l loss) {
	if n := len(k.losses); n > 0 && k.losses[n-1].End == l.First && k.losses[n-1].run == l.run && (l.run != nil || k.losses[n-1].why == l.why) {
		k.losses[n-1].End = l.End
		return
	}
	k.losses = append(k.losses, l)
	k.gap()
}

// add takes in the leaf of the next block, with all nodes that it completes.
func (k *coreCheck) add(n merkle.Node) error {
	for {
		if err := k.compare(n); err != nil {
			return err
		}
		last := len(k.computed) - 1
		if last < 0 || merkle.Sibling(k.computed[last].Index) != n.Index || k.computed[last].Index > n.Index {
			k.computed = append(k.computed, n)
			return nil
		}
		n = merkle.ParentNode(k.computed[last], n)
		k.computed = k.computed[:last]
	}
}

// compare compares a computed node with the log's and with that of the store's own tables.
func (k *coreCheck) compare(n merkle.Node) error {
	number := treetable.Number(n.Index)
	told, err := k.told.To(number, func(between merkle.Node) error { return k.stored.expect(between) })
	if err != nil {
		return err
	}
	if told != nil && !agree(*told, n) {
		k.contradiction(fmt.Errorf("node %d of the log differs from the one that follows from the blocks", n.Index))
	}
	return k.stored.expect(n)
}

// agree reports whether two nodes are the same, as far as their sizes are certain.
func agree(a, b merkle.Node) bool {
	return a.Hash == b.Hash && (a.Size == b.Size || a.Hint || b.Hint)
}

func (k *coreCheck) contradiction(err error) {
	if k.wrong == nil {
		k.wrong = err
	}
}

// rest goes through the nodes above the last block.
func (k *coreCheck) rest() error {
	if _, err := k.told.To(blockmap.NoLimit, func(n merkle.Node) error { return k.stored.expect(n) }); err != nil {
		return err
	}
	if k.told.Wrong() != nil {
		k.contradiction(k.told.Wrong())
	}
	return k.stored.finish()
}

// head compares the roots with the newest head, and verifies the head's signature.
func (k *coreCheck) head() error {
	file := k.log.File
	head := file.Head
	if k.wrong != nil {
		k.treeFinding(k.wrong.Error())
	}
	for _, seen := range file.Seen {
		if err := verifyHead(k.key, file.Manifest, seen); err != nil {
			k.coreFinding(fmt.Sprintf("a conflicting head of %d blocks that was kept: %v", seen.Length, err), "")
		}
	}
	if head.Length == 0 && len(head.Signature) == 0 {
		return nil // created, but not signed yet
	}
	if err := verifyHead(k.key, file.Manifest, head); err != nil {
		k.coreFinding(fmt.Sprintf("its head of %d blocks, fork %d, is not what its key signed: %v", head.Length, head.Fork, err), k.fetchAgain())
	}
	roots := make([]merkle.Node, 0, 64)
	certain := true
	for _, index := range merkle.FullRoots(head.Length) {
		i := slices.IndexFunc(k.computed, func(n merkle.Node) bool { return n.Index == index })
		if i >= 0 {
			roots = append(roots, k.computed[i])
			continue
		}
		n, ok, err := k.log.Node(k.ctx, index)
		if err != nil {
			return err
		}
		if !ok {
			k.checker.testify(k.key)
			k.treeFinding(fmt.Sprintf("root %d of its tree is not known", index))
			return k.wantRest()
		}
		certain = certain && !n.Hint
		roots = append(roots, n)
	}
	if merkle.TreeHash(roots) != head.TreeHash || certain && merkle.ByteLength(roots) != head.ByteLength {
		k.treeFinding(fmt.Sprintf("its tree does not match the signed head of %d blocks", head.Length))
	}
	return nil
}

// wantRest notes which blocks would give the missing roots: all after the first range that is held.
func (k *coreCheck) wantRest() error {
	r, ok, err := k.log.RangeAt(k.ctx, 0)
	if !ok || r.First > 0 {
		r.End = 0
	}
	if length := k.log.File.Head.Length; r.End < length {
		k.checker.broken[k.key] = BlockRange{First: r.End, End: length}
	}
	return err
}

// verifyHead returns nil if the core's key signed head.
func verifyHead(key keys.Key, manifest []byte, head Head) error {
	auth, err := keys.NewAuth(key, manifest)
	if err != nil {
		return err
	}
	return auth.Verify(keys.Head{Fork: head.Fork, Length: head.Length, TreeHash: head.TreeHash}, head.Signature)
}

// treeFinding reports a tree that is wrong. If blocks are lost as well, that is why.
func (k *coreCheck) treeFinding(what string) { k.coreFinding(what, k.fetchAgain()) }

func (k *coreCheck) coreFinding(what, next string) {
	if _, ok := k.checker.broken[k.key]; !ok {
		k.checker.broken[k.key] = BlockRange{}
	}
	k.checker.found(Finding{Harm: HarmData, Core: k.key, HasKey: true, What: what, Next: next})
}

func (k *coreCheck) fetchAgain() string { return "hc fsck --repair --peer ADDR fetches it again" }

// tell reports the lost blocks, including those whose run the log does not have at all.
func (k *coreCheck) tell() {
	c := k.checker
	for _, r := range c.gone[k.key] {
		r.End = min(r.End, k.log.File.Head.Length)
		if r.First < r.End {
			k.lose(loss{r, nil, "the log names them, but has no run with them"})
		}
	}
	for _, l := range k.losses {
		c.hurt[k.key] = blockmap.AddRange(slices.Clone(c.hurt[k.key]), l.Range)
		f := Finding{Harm: HarmData, Core: k.key, HasKey: true, First: l.First, End: l.End, What: l.why,
			Next: "hc fsck --repair looks for them elsewhere in the store, --peer ADDR fetches them again"}
		if l.run != nil {
			l.run.blocks += l.End - l.First
			f.File, f.Offset, f.Length = l.run.fault.File, l.run.fault.Offset, l.run.fault.Length
			f.What = fmt.Sprintf("the record with these blocks is damaged: %v", l.run.fault.Reason)
		}
		c.found(f)
	}
}
