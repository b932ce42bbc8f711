package hypercore

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// asker takes parts of a core from a snapshot as a peer would, with nothing between the proofs and the download.
type asker struct {
	t    testing.TB
	from *Snapshot
	d    *Download
}

func newAsker(t testing.TB, from, into *store.Store, key keys.Key) *asker {
	t.Helper()
	snapshot, err := OpenSnapshot(t.Context(), from, key)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDownload(t.Context(), key, DownloadOptions{Store: into})
	if err != nil {
		t.Fatal(err)
	}
	return &asker{t, snapshot, d}
}

func (a *asker) prove(request merkle.Request) *merkle.Proof {
	a.t.Helper()
	answer, _, err := a.from.Prove(a.t.Context(), request)
	if err != nil {
		a.t.Fatalf("proving %+v: %v", request, err)
	}
	return answer
}

func (a *asker) apply(request merkle.Request) {
	a.t.Helper()
	request.Fork = a.from.Head().Fork
	if err := a.d.Apply(a.t.Context(), a.prove(request), nil); err != nil {
		a.t.Fatalf("applying %+v: %v", request, err)
	}
}

// upgrade takes the head.
func (a *asker) upgrade() {
	a.t.Helper()
	length, _ := a.d.Length()
	a.apply(merkle.Request{
		Upgrade:  &merkle.UpgradeRequest{Start: length, Length: a.from.Head().Length - length},
		Manifest: a.d.NeedsManifest() && !a.from.Auth().Compat(),
	})
}

func (a *asker) levels(node uint64) uint64 {
	length, _ := a.d.Length()
	return merkle.NodesFor(node, length, func(n uint64) bool { return a.d.Knows(a.t.Context(), n) })
}

func (a *asker) block(index uint64) {
	a.t.Helper()
	a.apply(merkle.Request{Block: &merkle.BlockRequest{Index: index, Nodes: a.levels(2 * index)}})
}

func (a *asker) hash(node uint64) {
	a.t.Helper()
	a.apply(merkle.Request{Hash: &merkle.HashRequest{Index: node, Nodes: a.levels(node)}})
}

func (a *asker) save() {
	a.t.Helper()
	if err := a.d.Save(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
}

// download takes a whole core from one store into another.
func download(t testing.TB, from, into *store.Store, key keys.Key) *Download {
	t.Helper()
	a := newAsker(t, from, into, key)
	a.upgrade()
	for block := range a.from.Head().Length {
		a.block(block)
	}
	a.save()
	return a.d
}

// known returns the tree nodes in a source, by number.
func known(t testing.TB, length uint64, nodes merkle.NodeSource) map[uint64]merkle.Node {
	t.Helper()
	all := map[uint64]merkle.Node{}
	for index := range 2 * length {
		node, err := nodes.Node(t.Context(), index)
		if errors.Is(err, merkle.ErrNodeMissing) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		all[index] = node
	}
	return all
}

type peeking struct{ d *Download }

func (p peeking) Node(ctx context.Context, index uint64) (merkle.Node, error) {
	return p.d.Peek(ctx, index)
}

// A random part of a log, in random order, with saves and reopenings in between, loses neither a block nor a node,
// and can be proved to others as far as it goes.
func TestSparseDownload(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 12 {
		from, into := newStore(t), newStore(t)
		blocks := someBlocks(1 + random.IntN(100))
		key, _ := appended(t, from, "log", AppendOptions{Compat: round%2 == 0}, blocks[:1+len(blocks)/2]...)
		a := newAsker(t, from, into, key)
		a.upgrade()
		taken := map[uint64]bool{}
		for step := range 2 * len(blocks) {
			length, _ := a.d.Length()
			switch random.IntN(8) {
			case 0:
				if node := random.Uint64N(2 * length); merkle.LastBlock(node) < length && !a.d.Knows(t.Context(), node) {
					a.hash(node)
				}
			case 1:
				a.save()
			case 2:
				a.save()
				before := known(t, length, peeking{a.d})
				a = newAsker(t, from, into, key)
				compareNodes(t, before, known(t, length, peeking{a.d}))
			case 3:
				if step == len(blocks) {
					appended(t, from, "log", AppendOptions{}, blocks[1+len(blocks)/2:]...)
					if a = newAsker(t, from, into, key); len(blocks) > int(length) {
						a.upgrade()
					}
				}
			default:
				block := random.Uint64N(length)
				if held, err := a.d.Holds(t.Context(), block); err != nil || held != taken[block] {
					t.Fatalf("block %d: held %v, %v, want %v", block, held, err, taken[block])
				}
				if !taken[block] {
					a.block(block)
					taken[block] = true
				}
			}
		}
		a.save()
		serveOn(t, into, key, blocks, taken)
	}
}

// compareNodes checks that every node known before is known after, and that none has become a hint.
func compareNodes(t *testing.T, before, after map[uint64]merkle.Node) {
	t.Helper()
	for index, node := range before {
		now, ok := after[index]
		if !ok || now.Hash != node.Hash || now.Hint && !node.Hint || !now.Hint && !node.Hint && now.Size != node.Size {
			t.Fatalf("node %d was %+v, is %+v (there: %v)", index, node, now, ok)
		}
	}
}

// serveOn copies the contents of a sparse store into a third one.
func serveOn(t *testing.T, from *store.Store, key keys.Key, blocks [][]byte, taken map[uint64]bool) {
	t.Helper()
	a := newAsker(t, from, nil, key)
	a.upgrade()
	for block := range taken {
		a.block(block)
		a.d.Start(block)
		if data, err := a.d.Block(t.Context(), block); err != nil || !bytes.Equal(data, blocks[block]) {
			t.Fatalf("block %d: %q, %v", block, data, err)
		}
	}
	for block := range a.from.Head().Length {
		if taken[block] {
			continue
		}
		_, _, err := a.from.Prove(t.Context(), merkle.Request{Block: &merkle.BlockRequest{Index: block}})
		if !errors.Is(err, store.ErrBlockMissing) {
			t.Fatalf("block %d, which is not there: %v", block, err)
		}
	}
}

// A whole download equals the log, whatever its length.
func TestWholeDownload(t *testing.T) {
	for _, count := range []int{1, 2, 3, 5, 8, 100} {
		from, into := newStore(t), newStore(t)
		blocks := someBlocks(count)
		key, _ := appended(t, from, "log", AppendOptions{}, blocks...)
		d := download(t, from, into, key)
		if !sameBlocks(readBlocks(t, into, key), blocks) {
			t.Errorf("%d blocks: others in the store", count)
		}
		d.Settle()
		got, err := verified(t, d, proof.Claim{})
		if err != nil || !bytes.Equal(got, bytes.Join(blocks, nil)) {
			t.Errorf("%d blocks: %d bytes verified, %v", count, len(got), err)
		}
	}
}

func TestBadProofsChangeNothing(t *testing.T) {
	from, into := newStore(t), newStore(t)
	blocks := someBlocks(10)
	key, _ := appended(t, from, "log", AppendOptions{}, blocks...)
	a := newAsker(t, from, into, key)
	upgrade := merkle.Request{Upgrade: &merkle.UpgradeRequest{Length: 10}, Manifest: true}
	without := a.prove(upgrade)
	without.Manifest = nil
	if err := a.d.Apply(t.Context(), without, nil); !errors.Is(err, keys.ErrSignature) {
		t.Errorf("a head without its manifest: %v", err)
	}
	flipped := a.prove(upgrade)
	flipped.Upgrade.Nodes[0].Size++
	if err := a.d.Apply(t.Context(), flipped, nil); !errors.Is(err, keys.ErrSignature) {
		t.Errorf("another size: %v", err)
	}
	if err := a.d.Apply(t.Context(), a.prove(merkle.Request{Block: &merkle.BlockRequest{Index: 3}}), nil); !errors.Is(err, merkle.ErrUnverified) {
		t.Errorf("a block before the head: %v", err)
	}
	if length, _ := a.d.Length(); length != 0 || !a.d.NeedsManifest() {
		t.Errorf("length %d", length)
	}
	a.upgrade()
	other := a.prove(merkle.Request{Block: &merkle.BlockRequest{Index: 4, Nodes: a.levels(8)}})
	other.Fork = 1
	if err := a.d.Apply(t.Context(), other, nil); !errors.Is(err, ErrForked) {
		t.Errorf("another fork: %v", err)
	}
	if _, any := a.d.Unsaved(); !any {
		t.Error("the head is to be saved")
	}
}
