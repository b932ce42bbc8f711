package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"hc/lib/hyperbee"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// DriveOptions say where a drive comes from.
type DriveOptions struct {
	Store *store.Store  // where it is kept; nil: in memory, as long as it is of use
	Peers []Dialer      // at least one; each is connected to once, whatever is read
	Sync  bool          // what is kept is synced, too
	Live  bool          // Next waits for what is appended later; what is not to be had is waited for
	Names bool          // all of them will be read, with their history: they are asked for at once
	Files bool          // some will be read: the blobs are opened as soon as it is known which core they are
	Wait  time.Duration // for blobs that are behind the names of a version, once in vain; 0: 10 s
	Fetch FetchOptions  // Claim and Live are not used
}

// defaultWait is how long the blobs may be behind the names: they are two logs, and a peer may have less of one.
const defaultWait = 10 * time.Second

// Drive is a drive on its way from peers. What is read of it comes when it is read, and nothing else, or before, where
// somebody said that he will: the names, node by node of their tree, and then the blobs of what is read. Safe for concurrent
// use, but for Next.
type Drive struct {
	key     keys.Key
	options DriveOptions
	ctx     context.Context // of all that fetches
	stop    context.CancelFunc
	peers   []Dialer
	hangUp  func()
	running sync.WaitGroup

	names  *arriving
	fresh  bool // the store had nothing when the names were opened: what it has since is theirs, and none of it is a file's
	header []byte
	head   proof.Head
	files  *hyperdrive.Drive

	mu      sync.Mutex // guards all below
	blobs   *arriving  // nil until they are first needed
	waiting time.Time  // until when they are waited for where they are behind; zero: they have not been, or have come
}

// OpenDrive connects to peers and returns their newest version of a drive, or the one that ref pins. Close it.
//
// proof.ErrPartial if nothing was signed yet, or not that much; hyperbee.ErrCorrupt if the core is no drive's; else what Fetch
// returns.
func OpenDrive(ctx context.Context, ref keys.Ref, options DriveOptions) (*Drive, error) {
	if options.Wait == 0 {
		options.Wait = defaultWait
	}
	d := &Drive{key: ref.Key, options: options}
	d.ctx, d.stop = context.WithCancel(ctx)
	d.peers, d.hangUp = share(d.ctx, options.Peers, limits{handshake: options.Fetch.Handshake})
	err := d.open(ctx, ref)
	if err == nil {
		return d, nil
	}
	return nil, worse(err, d.Close())
}

func (d *Drive) open(ctx context.Context, ref keys.Ref) (err error) {
	if d.names, err = d.fetch(ref.Key); err != nil {
		return err
	}
	d.fresh = !d.names.MayHold()
	if err := d.askAhead(ctx, ref); err != nil {
		return err
	}
	head, err := d.names.Head(ctx)
	if err != nil {
		return err
	}
	version := head.Length
	switch {
	case head.Length == 0:
		return fmt.Errorf("%w: nothing of drive %v was signed yet", proof.ErrPartial, d.key)
	case ref.Pinned && head.Fork != ref.Fork:
		return fmt.Errorf("%w: %v is of fork %d, the core is at fork %d", hypercore.ErrForked, ref, ref.Fork, head.Fork)
	case ref.Pinned:
		version = ref.Length
	}
	if head.Length < version {
		return fmt.Errorf("%w: length %d is not there: the drive has %d blocks", proof.ErrPartial, version, head.Length)
	}
	switch {
	case d.options.Names: // also what is behind the first head, if another peer had a longer one
		d.names.Want(hypercore.BlockRange{End: version})
	case version > 0: // every look-up begins there
		d.names.WantSoon(hypercore.BlockRange{First: version - 1, End: version})
	}
	if err := d.checkTree(ctx, ref); err != nil {
		return err
	}
	if d.header, err = d.names.Block(ctx, 0); err != nil {
		return err
	}
	if _, err := hyperbee.ParseHeader(d.header); err != nil {
		return fmt.Errorf("core %v is no drive: %w", d.key, err)
	}
	d.head, d.files = head, hyperdrive.Open(d.names, version)
	d.openAhead()
	return nil
}

// askAhead asks for what is needed whatever the head is, so that it comes right behind that.
func (d *Drive) askAhead(ctx context.Context, ref keys.Ref) error {
	switch {
	case !d.options.Names:
		d.names.WantSoon(hypercore.BlockRange{End: 1})
	case ref.Pinned:
		d.names.Want(hypercore.BlockRange{End: ref.Length})
	default:
		d.names.Want(hypercore.BlockRange{End: merkle.MaxLength})
	}
	held, err := d.names.Holds(ctx, 0)
	if err != nil || !held {
		return err
	}
	if d.header, err = d.names.Block(ctx, 0); err == nil {
		d.openAhead()
	}
	return err
}

// openAhead opens the blobs before a file is read. What is wrong with them, who reads one is told.
func (d *Drive) openAhead() {
	if d.options.Files {
		_, _ = d.openBlobs()
	}
}

// checkTree compares the tree hash that a citation has.
func (d *Drive) checkTree(ctx context.Context, ref keys.Ref) error {
	if ref.TreeHash == nil {
		return nil
	}
	roots, err := merkle.RootsFrom(ctx, d.names, ref.Length)
	if err != nil {
		return err
	}
	if merkle.TreeHash(roots) != *ref.TreeHash {
		return fmt.Errorf("%w: the tree of length %d is not that of %v", merkle.ErrUnverified, ref.Length, ref)
	}
	return nil
}

// fetch begins to fetch what will be read of a core.
func (d *Drive) fetch(key keys.Key) (*arriving, error) {
	download, err := hypercore.NewDownload(d.ctx, key, hypercore.DownloadOptions{Store: d.options.Store, Sync: d.options.Sync, Scattered: true})
	if err != nil {
		return nil, err
	}
	a := &arriving{Download: download, keeps: d.options.Store == nil, turn: make(chan struct{}, 1)}
	options := d.options.Fetch
	options.Claim, options.Live = proof.Claim{Kind: proof.KindHead}, d.options.Live
	options.fresh = d.fresh
	d.running.Go(func() { a.err = Fetch(d.ctx, download, d.peers, options) })
	return a, nil
}

// Close ends all that fetches, and returns once what has come is kept. It returns why something of it is not.
func (d *Drive) Close() error {
	d.stop()
	d.running.Wait()
	d.hangUp()
	d.mu.Lock()
	defer d.mu.Unlock()
	var failures []error
	for _, a := range []*arriving{d.names, d.blobs} {
		var gone *peersGone
		if a != nil && a.err != nil && !errors.As(a.err, &gone) { // who read has been told of lost peers
			failures = append(failures, a.err)
		}
	}
	return errors.Join(failures...)
}

// Key returns the drive's key.
func (d *Drive) Key() keys.Key { return d.key }

// Files returns the names, at the drive's version.
func (d *Drive) Files() *hyperdrive.Drive { return d.files }

// Next waits for a newer version and goes over to it; io.EOF if there will be none. For a drive that is Live.
func (d *Drive) Next(ctx context.Context) error {
	head, err := d.names.Next(ctx, d.head)
	if err != nil {
		return err
	}
	d.head, d.files = head, hyperdrive.Open(d.names, head.Length)
	d.newPatience()
	return nil
}

// Blobs returns the blobs core. It is not asked for before that.
func (d *Drive) Blobs() (hyperdrive.Blobs, error) {
	blobs, err := d.openBlobs()
	if err != nil {
		return nil, err
	}
	return arrivingBlobs{blobs}, nil
}

func (d *Drive) openBlobs() (*arriving, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.blobs != nil {
		return d.blobs, nil
	}
	key, _, err := hyperdrive.BlobsCore(d.key, d.names.Manifest(), d.header)
	if err != nil {
		return nil, err
	}
	d.blobs, err = d.fetch(key)
	return d.blobs, err
}

// Content writes a file's bytes, as hyperdrive.Content does, having waited for blobs that are behind the names.
func (d *Drive) Content(ctx context.Context, item hyperdrive.Item, w io.Writer) error {
	blobs, err := d.openBlobs()
	if err != nil {
		return err
	}
	if blob := item.Entry.Blob; item.Err == nil && blob != nil && !blob.Empty() {
		if err := d.reach(ctx, blobs, blob.BlockOffset+blob.BlockLength); err != nil {
			return fmt.Errorf("%q: %w", item.Name, err)
		}
	}
	return hyperdrive.Content(ctx, arrivingBlobs{blobs}, item, w)
}

// reach waits until the blobs have so many blocks: until the peers have said what they have, and then for Wait. Who has waited for so
// long in vain waits no more, whatever else is behind.
func (d *Drive) reach(ctx context.Context, blobs *arriving, length uint64) error {
	if !d.options.Live { // where one that has nothing is no answer
		_, err := blobs.Head(ctx)
		if errors.Is(err, hypercore.ErrForked) { // of two histories none is to be chosen here
			return err
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("%w: %w", hyperdrive.ErrBehind, err)
		}
	}
	if has, _ := blobs.Length(); has >= length {
		return nil
	}
	waiting, stop := context.WithDeadline(ctx, d.patience())
	defer stop()
	if blobs.AwaitLength(waiting, length) {
		d.newPatience() // not in vain: others that are behind are waited for as long
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if waiting.Err() == nil { // nothing more will come
		if _, err := blobs.Next(ctx, proof.Head{Length: length - 1}); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %w", hyperdrive.ErrBehind, err)
		}
	}
	has, _ := blobs.Length()
	return fmt.Errorf("%w: they have %d blocks at the peers, the names speak of %d", hyperdrive.ErrBehind, has, length)
}

// patience returns until when blobs that are behind are waited for.
func (d *Drive) patience() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting.IsZero() {
		d.waiting = time.Now().Add(d.options.Wait)
	}
	return d.waiting
}

// newPatience has what is behind from here on waited for anew.
func (d *Drive) newPatience() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = time.Time{}
}
