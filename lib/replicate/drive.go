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
	Store *store.Store  // where it is kept; nil: in memory, as long as it is needed
	Peers []Dialer      // at least one; each gets one connection, whatever is read
	Sync  bool          // sync the store when saving
	Live  bool          // Next waits for newer versions; reads wait for blocks that no peer has
	Names bool          // all names will be read, with their history: they are asked for at once
	Files bool          // some files will be read: the blobs are opened as soon as their core is known
	Wait  time.Duration // how long to wait for blobs that lag behind the names of a version, until a wait has failed; 0: 10 s
	Fetch FetchOptions  // Claim and Live are not used
}

// defaultWait is how long the blobs may lag behind the names: they are two logs, and a peer may have less of one.
const defaultWait = 10 * time.Second

// Drive reads a drive from peers. It fetches only what is read, when it is read, or earlier if the caller announced it:
// first the names, node by node of their tree, then the blobs of the files. Safe for concurrent use, except for Next.
type Drive struct {
	key     keys.Key
	options DriveOptions
	ctx     context.Context // of all fetches
	stop    context.CancelFunc
	peers   []Dialer
	hangUp  func()
	running sync.WaitGroup

	names  *arriving
	fresh  bool // the store was empty when the names were opened: what it has now are names, and no file's blocks
	header []byte
	head   proof.Head
	files  *hyperdrive.Drive

	mu      sync.Mutex // guards all below
	blobs   *arriving  // nil until they are first needed
	waiting time.Time  // how long to wait while they lag behind; zero: they did not lag yet, or have caught up
}

// OpenDrive connects to peers and returns their newest version of a drive, or the one that ref pins. Close it.
//
// The error is proof.ErrPartial if nothing was signed yet, or not that much; hyperdrive.ErrNotDrive if the core is not a
// drive's; else one from Fetch.
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
		return fmt.Errorf("%w: nothing of drive %v is signed yet", proof.ErrPartial, d.key)
	case ref.Pinned && head.Fork != ref.Fork:
		return fmt.Errorf("%w: %v is of fork %d, the core is at fork %d", hypercore.ErrForked, ref, ref.Fork, head.Fork)
	case ref.Pinned:
		version = ref.Length
	}
	if head.Length < version {
		return fmt.Errorf("%w: length %d is not there: the drive has %d blocks", proof.ErrPartial, version, head.Length)
	}
	switch {
	case d.options.Names: // also the blocks after the first head, if another peer had a longer one
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
		return &hyperdrive.NotDriveError{Key: d.key, Reason: err}
	}
	d.head, d.files = head, hyperdrive.Open(d.names, version)
	d.openAhead()
	return nil
}

// askAhead asks for the blocks that are needed whatever the head is, so that they arrive right after it.
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

// openAhead opens the blobs before a file is read. An error is reported to whoever reads one.
func (d *Drive) openAhead() {
	if d.options.Files {
		_, _ = d.openBlobs()
	}
}

// checkTree compares the tree with the tree hash of a citation.
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

// fetch begins to fetch a core, of which only the blocks that are read will come.
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

// Close ends all fetches, and returns once everything received is saved. An error says what is not.
func (d *Drive) Close() error {
	d.stop()
	d.running.Wait()
	d.hangUp()
	d.mu.Lock()
	defer d.mu.Unlock()
	var failures []error
	for _, a := range []*arriving{d.names, d.blobs} {
		var gone *peersGone
		if a != nil && a.err != nil && !errors.As(a.err, &gone) { // readers have been told of lost peers
			failures = append(failures, a.err)
		}
	}
	return errors.Join(failures...)
}

// Key returns the drive's key.
func (d *Drive) Key() keys.Key { return d.key }

// Files returns the tree of names at the drive's version.
func (d *Drive) Files() *hyperdrive.Drive { return d.files }

// Next waits for a newer version and switches to it. It returns io.EOF if there will be none. For a drive that is Live.
func (d *Drive) Next(ctx context.Context) error {
	head, err := d.names.Next(ctx, d.head)
	if err != nil {
		return err
	}
	d.head, d.files = head, hyperdrive.Open(d.names, head.Length)
	d.newPatience()
	return nil
}

// Blobs returns the blobs core, and begins to fetch it if that has not happened yet.
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

// Content writes a file's bytes, as hyperdrive.Content does. It first waits for blobs that lag behind the names.
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

// reach waits until the blobs have length blocks: first until the peers have said what they have, then for Wait. Once a
// wait has failed, nothing that lags behind is waited for again.
func (d *Drive) reach(ctx context.Context, blobs *arriving, length uint64) error {
	if !d.options.Live { // a live fetch takes no peer's empty log for an answer
		_, err := blobs.Head(ctx)
		if errors.Is(err, hypercore.ErrForked) { // it is not up to us to choose between two histories
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
		d.newPatience() // they came: the next wait may take as long
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
	return fmt.Errorf("%w: the peers have %d blocks, the names refer to %d", hyperdrive.ErrBehind, has, length)
}

// patience returns the time until which to wait for blobs that lag behind.
func (d *Drive) patience() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting.IsZero() {
		d.waiting = time.Now().Add(d.options.Wait)
	}
	return d.waiting
}

// newPatience starts the time to wait over, for blobs that lag behind from here on.
func (d *Drive) newPatience() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = time.Time{}
}
