package hypercore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/lent"
	"hc/lib/merkle"
	"hc/lib/store"
)

// DownloadOptions say where a download is kept, and how it is read.
type DownloadOptions struct {
	Store *store.Store // nil: in memory, for as long as the reader needs it
	Sync  bool         // each save is synced before Save returns
	Adopt bool         // take a longer head even of a core that this store writes

	Scattered bool // blocks are read in no order, see Download.Want
	Returned  bool // the reader, which reads in order, gives each block back with Download.Return
}

// Download is a core on its way from peers. The code that talks to them passes their proofs to Apply. Verified blocks
// can be read at once; Save keeps them. A Download is also the source of a proof stream (see the source methods): a
// reader moves on block by block, and the download follows it. It is safe for concurrent use, but only one goroutine
// may call Save and Apply.
type Download struct {
	key   keys.Key
	into  *store.Store
	sync  bool
	owned bool // the store writes this core, so any head other than its own is news
	guard bool // a longer one is not taken

	scattered bool // blocks are read in no order: the reader has no position
	returned  bool // the reader gives blocks back
	mayHold   bool // the store was not empty
	strict    bool // one hint was wrong; guarded by mu

	mu       sync.Mutex // guards everything below
	auth     *keys.Auth // nil until it is known whether there is a manifest, and which
	state    merkle.State
	head     store.Head
	view     *store.View               // the core in the store, nil if it has none
	base     store.Head                // the head that this download found in the store, or last stored there
	nodes    map[uint64]merkle.Node    // with a store: those that came since the last save began
	saving   map[uint64]merkle.Node    // those that the save under way takes
	lately   map[uint64]merkle.Node    // those that the last save took and that are certain: quicker than the view
	absent   map[uint64]bool           // those that the view is known to lack
	ahead    map[uint64]aheadNode      // those that came before the blocks below them, until these are saved
	ranges   []aheadRange              // of ahead, ascending
	pruned   int                       // nodes left by the last pruning
	blocks   map[uint64]held           // those that the reader needs, and those not saved
	out      map[uint64][]*lent.Memory // of blocks that the reader has not given back, one hold each
	memory   int                       // cost of the blocks, see cost
	unread   int                       // the part of memory at or after the reader's position
	read     int                       // what was read since the last notification
	unsaved  unsaved
	saves    saves
	reader   readerState
	wants    wants
	settled  bool
	finished bool
	failure  error         // with finished: why nothing more comes, nil if everything has come
	changed  chan struct{} // closed, and replaced, at every change
}

// unsaved is what has been verified and is not in the store yet.
type unsaved struct {
	blocks []merkle.Node // leaves; their bytes are in Download.blocks
	frames []Frame       // the frames in which some of them came
	nodes  []merkle.Node
	memory int // cost of the blocks
	framed int // bytes in the frames
	head   bool
}

func (u unsaved) any() bool { return u.head || len(u.blocks) > 0 || len(u.nodes) > 0 }

// held is a verified block in memory.
type held struct {
	data   []byte
	memory *lent.Memory // where data lies, held while the block is in Download.blocks; nil: garbage-collected memory
	saved  bool         // or there is nowhere to save it
	read   bool         // by a scattered reader, which has no position; or the block is saved and no longer counted as unread
}

// perBlock is what a block in memory costs besides its bytes: entries in maps and lists, some tree nodes.
const perBlock = 640

func cost(data []byte) int { return len(data) + perBlock }

// readerState is the position of the proof stream's reader and what it waits for.
type readerState struct {
	start, position uint64  // blocks; those in between have been read
	node            waiting // for a tree node
	block           waiting // for a block
}

type waiting struct {
	number uint64
	waits  bool
}

// NewDownload continues the download of a core from what the store holds of it.
func NewDownload(ctx context.Context, key keys.Key, options DownloadOptions) (*Download, error) {
	d := &Download{
		key:       key,
		into:      options.Store,
		sync:      options.Sync,
		scattered: options.Scattered,
		returned:  options.Returned && !options.Scattered,
		out:       map[uint64][]*lent.Memory{},
		nodes:     map[uint64]merkle.Node{},
		absent:    map[uint64]bool{},
		ahead:     map[uint64]aheadNode{},
		blocks:    map[uint64]held{},
		changed:   make(chan struct{}),
	}
	if d.into == nil {
		return d, nil
	}
	empty, err := d.into.Empty(ctx)
	if err != nil {
		return nil, err
	}
	d.mayHold = !empty
	view, err := d.into.View(ctx, key, false)
	if errors.Is(err, store.ErrNotFound) {
		return d, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening core %v: %w", key, err)
	}
	if d.auth, err = keys.NewAuth(key, view.Manifest()); err != nil {
		return nil, fmt.Errorf("opening core %v: %w", key, err)
	}
	roots, err := view.Roots(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the tree of core %v: %w", key, err)
	}
	d.view, d.head, d.base = view, view.Head(), view.Head()
	d.owned = d.head.Length > 0 && (options.Adopt || Owned(d.into, key))
	d.guard = d.owned && !options.Adopt
	d.state = merkle.State{Length: d.head.Length, Fork: d.head.Fork, Roots: roots}
	return d, nil
}

// Key returns the core's key.
func (d *Download) Key() keys.Key { return d.key }

// Length returns the verified length and fork.
func (d *Download) Length() (length, fork uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state.Length, d.state.Fork
}

// ByteLength returns the bytes below the verified head.
func (d *Download) ByteLength() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.head.ByteLength
}

// NeedsManifest reports whether it is still unknown how heads are verified.
func (d *Download) NeedsManifest() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.auth == nil
}

// Owned reports whether the store writes this core, so that any other head of it is news.
func (d *Download) Owned() bool { return d.owned }

// Seen returns the error for a head that conflicts with the log here. See KeepSeen.
func (d *Download) Seen(head store.Head) *SeenError {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &SeenError{Key: d.key, Here: d.head, There: head, Owned: d.owned}
}

func (d *Download) forked(fork uint64) error {
	return fmt.Errorf("%w: core %v is at fork %d here and at fork %d there; the log here was not changed", ErrForked, d.key, d.state.Fork, fork)
}

// Holds reports whether the block is here.
func (d *Download) Holds(ctx context.Context, block uint64) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.blocks[block]; ok {
		return true, nil
	}
	if d.view == nil {
		return false, nil
	}
	return d.view.Has(ctx, block)
}

// Lends reports whether blocks may lie in memory that is used again. If not, blocks passed to Apply must not lie in
// such memory: the reader keeps them for as long as it likes.
func (d *Download) Lends() bool { return d.returned }

// Apply verifies a proof and takes in what it brought. It keeps the block's bytes, so the caller must not change
// them. If they lie in lent memory, that is passed too, and held as long as they are needed; the caller's own hold
// may end when Apply returns. The error is merkle.ErrUnverified, keys.ErrSignature or keys.ErrManifest if the proof
// is not of what the key signed. The first head may be of any fork; after it, a proof of another fork is ErrForked. A
// longer head of a core that this store writes is kept as seen, and is a *SeenError.
func (d *Download) Apply(ctx context.Context, proof *merkle.Proof, memory *lent.Memory) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	state := d.state
	if state.Length == 0 {
		state.Fork = proof.Fork
	}
	if proof.Fork != state.Fork {
		return d.forked(proof.Fork)
	}
	auth, err := d.authFor(proof)
	if err != nil {
		return err
	}
	state.Prologue = prologue(auth)
	verified, err := merkle.Verify(ctx, proof, state, nodeSource(d.node), checkHead(auth))
	if err != nil {
		return err
	}
	if d.guard && verified.Upgraded {
		proved := Proved{Key: d.key, Manifest: auth.Manifest(), Head: headOf(verified), Roots: verified.Roots}
		if err := Guard(ctx, d.into, proved); err != nil {
			return err
		}
	}
	d.auth = auth
	d.take(proof, verified, memory)
	d.notify()
	return nil
}

func prologue(auth *keys.Auth) *merkle.Prologue {
	if auth == nil || auth.Prologue() == nil {
		return nil
	}
	p := auth.Prologue()
	return &merkle.Prologue{Length: p.Length, TreeHash: p.TreeHash}
}

// authFor returns how to verify the proof's head: with the manifest in the proof, if one was needed.
func (d *Download) authFor(proof *merkle.Proof) (*keys.Auth, error) {
	if d.auth != nil || (proof.Upgrade == nil && proof.Manifest == nil) {
		return d.auth, nil
	}
	return keys.NewAuth(d.key, proof.Manifest)
}

func checkHead(auth *keys.Auth) func(length, fork uint64, treeHash hash.Digest, signature []byte) error {
	return func(length, fork uint64, treeHash hash.Digest, signature []byte) error {
		if auth == nil {
			return fmt.Errorf("%w: no manifest came with the head", keys.ErrSignature)
		}
		return auth.Verify(keys.Head{Fork: fork, Length: length, TreeHash: treeHash}, signature)
	}
}

func (d *Download) take(proof *merkle.Proof, verified *merkle.Verified, memory *lent.Memory) {
	d.pruneScattered()
	for _, node := range verified.Nodes {
		d.learn(node)
	}
	if d.into != nil {
		d.unsaved.nodes = appendLasting(d.unsaved.nodes, proof, verified)
		d.unsaved.head = d.unsaved.head || verified.Upgraded
	}
	if verified.Upgraded {
		d.state = merkle.State{Length: verified.Length, Fork: verified.Fork, Roots: verified.Roots}
		d.head = headOf(verified)
	}
	if proof.Block == nil || verified.Leaf == nil {
		return
	}
	d.keepBeside(verified.Leaf.Index)
	d.takeBlock(*verified.Leaf, proof.Block.Value, memory)
}

func headOf(verified *merkle.Verified) store.Head {
	return store.Head{
		Fork:       verified.Fork,
		Length:     verified.Length,
		ByteLength: merkle.ByteLength(verified.Roots),
		TreeHash:   verified.TreeHash,
		Signature:  bytes.Clone(verified.Signature),
	}
}

// appendLasting adds the nodes that the store cannot compute: those from a block up to the node that verified it are
// left out.
func appendLasting(to []merkle.Node, proof *merkle.Proof, verified *merkle.Verified) []merkle.Node {
	for _, node := range verified.Nodes {
		if proof.Block != nil && !verified.Upgraded && merkle.Contains(node.Index, 2*proof.Block.Index) {
			continue
		}
		to = append(to, node)
	}
	return to
}

// notify wakes all waiters. d.mu is held.
func (d *Download) notify() {
	close(d.changed)
	d.changed = make(chan struct{})
}
