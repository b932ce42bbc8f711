package hypercore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"hc/lib/checksum"
	"hc/lib/hash"
	"hc/lib/keyfile"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store"
	"hc/lib/store/packlog"
)

// MaxBlock is the size in bytes of the largest block that can be appended: stock's limit.
const MaxBlock = 15 << 20

// AppendOptions say how a log is opened for appending. The zero value opens or creates it by name.
type AppendOptions struct {
	New          bool         // the name must not be taken yet
	Compat       bool         // a new core's key is its public key, without a manifest
	Drive        bool         // the blocks are a drive's names; without it, a core that holds such is refused
	Short        bool         // many small blocks, such as lines: kept together, not deduplicated
	ExpectLength *uint64      // fail with ErrConflict if the log has another length
	IfChanged    bool         // append nothing if the log already ends with exactly these blocks
	Roots        RootsAt      // with IfChanged, asked for the roots of a log that the store lacks; nil: there is nobody to ask
	Secret       *keys.Secret // used instead of the one in the store; for a new core, instead of a fresh one

	// SecretFile is the secret key in file form, instead of Secret or beside it. If it names a core, it must be this
	// one. A new core keeps the file as it is, locked or not.
	SecretFile *keyfile.File

	// Unlock opens a locked secret key; nil: a locked key is an error wrapping keyfile.ErrLocked.
	Unlock Unlocker

	// Ask returns the heads that others have of the core. It is called before the core is locked, and not for a core
	// with a fresh key pair. A head that is longer than the stored one, or differs from it, is kept as seen and is a
	// *SeenError.
	Ask func(ctx context.Context, key keys.Key) ([]Proved, error)

	// Signs is called with the head that is about to be signed, while the core is locked; an error prevents the
	// signature.
	Signs func(keys.Head) error

	begun    bool   // the caller has just begun the core, or
	signed   uint64 // has signed it at this length: no newer head can be lost
	recovers bool   // the append is a recovery from heads that were seen
}

// Writer appends to one core. Commit makes everything visible, or nothing. It is not safe for concurrent use.
type Writer struct {
	store  *store.Store
	tx     *store.Tx
	auth   *keys.Auth
	secret keys.Secret
	kept   keyfile.File  // of a new core, the secret key in the form that the store keeps
	roots  *merkle.Roots // whole when the head is signed
	length uint64        // including what was appended so far
	bytes  uint64        // likewise
	head   store.Head    // before this append
	isNew  bool          // the core is not in the store yet
	name   string        // to be given to a new core, "" if it has it already
	sure   bool          // no head of the core can be lost: its key pair is fresh, or others have been asked
	ended  bool          // by Commit or Abort
	leaves []hash.Digest // used by Append, and reused
	ending *ending       // nil: the appended blocks are not compared
	peers  RootsAt
	signs  func(keys.Head) error // nil: nobody is asked
}

var (
	errNameTaken = fmt.Errorf("%w: another process has taken the name meanwhile, and nothing was appended: append again", ErrConflict)
	errEnded     = errors.New("the append has ended")
)

// OpenWriter opens the core that word names, a local name or a key, for appending. A name that is not taken becomes a
// new core with a fresh key pair; a key is never created. It holds the core's lock until Commit or Abort.
func OpenWriter(ctx context.Context, in *store.Store, word string, options AppendOptions) (*Writer, error) {
	w := &Writer{store: in, peers: options.Roots, signs: options.Signs}
	if err := w.identify(ctx, word, options); err != nil {
		return nil, err
	}
	if err := w.ask(ctx, options); err != nil {
		return nil, err
	}
	tx, err := in.Begin(ctx, w.auth.Key(), store.TxOptions{Manifest: w.auth.Manifest(), Durable: true, Short: options.Short})
	if err != nil {
		return nil, lockedBy(word, err)
	}
	w.tx = tx
	if err := w.load(ctx, word, options); err != nil {
		tx.Abort()
		return nil, err
	}
	return w, nil
}

// ask fetches the heads that others have of the core and checks each against the stored one.
func (w *Writer) ask(ctx context.Context, options AppendOptions) error {
	fresh := w.name != "" && options.Secret == nil && options.SecretFile == nil
	w.sure = fresh || options.recovers || options.begun
	if options.Ask == nil || fresh {
		return nil
	}
	heads, err := options.Ask(ctx, w.auth.Key())
	if err != nil {
		return err
	}
	for _, proved := range heads {
		if err := Guard(ctx, w.store, proved); err != nil {
			return err
		}
	}
	w.sure = w.sure || len(heads) > 0
	return nil
}

// lockedBy names the holder of the core's lock, and the core as the caller named it.
func lockedBy(word string, err error) error {
	var locked *packlog.LockedError
	if !errors.As(err, &locked) || !strings.HasPrefix(locked.Name, "core-") {
		return fmt.Errorf("opening core %q: %w", word, err)
	}
	by := "another process"
	if locked.PID != 0 {
		by = fmt.Sprintf("%s (process %d)", locked.Program, locked.PID)
	}
	return fmt.Errorf("core %q is %w by %s: wait until that has ended", word, store.ErrLocked, by)
}

// identify finds out which core is meant, and with which key it is signed.
func (w *Writer) identify(ctx context.Context, word string, options AppendOptions) error {
	ref, err := Find(ctx, w.store, word)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return w.create(ctx, word, options)
	case err != nil:
		return err
	case options.New:
		return fmt.Errorf("%w: core %q exists already, as %v: choose another name, or leave out --new", ErrConflict, word, ref.Key)
	case ref.Pinned:
		return fmt.Errorf("%w: %q is a pinned version: append to %v", ErrConflict, word, ref.Key)
	}
	if w.secret, err = w.secretOf(ctx, ref.Key, options); err != nil {
		return err
	}
	_, notKey := keys.ParseRef(word)
	manifest, err := w.manifestOf(ctx, ref.Key, notKey != nil)
	if err != nil {
		return err
	}
	if w.auth, err = keys.NewAuth(ref.Key, manifest); err != nil {
		return err
	}
	return checkSigner(w.auth, w.secret) // a wrong key is reported now, not after hours of input
}

func (w *Writer) create(ctx context.Context, name string, options AppendOptions) (err error) {
	w.name = name
	if err := expectLength(name, 0, options); err != nil { // before the store has to be made for it
		return err
	}
	if w.secret, err = newSecret(ctx, options); err != nil {
		return err
	}
	key := keyOf(w.secret.Public(), options)
	w.kept = keyfile.New(key, w.secret)
	if options.SecretFile != nil {
		if w.kept, err = options.SecretFile.For(key); err != nil {
			return notSigner(key)
		}
	}
	manifest, err := keys.ManifestOf(key, w.secret.Public())
	if err != nil {
		return worded{ErrReadOnly, fmt.Sprintf("core %v cannot be created from its secret key alone: fetch it, then append to it by its key", key)}
	}
	w.auth, err = keys.NewAuth(key, manifest)
	return err
}

// keyOf returns the key of a core that is to be created: the one that its secret key file names, else the one that
// options imply.
func keyOf(public keys.Key, options AppendOptions) keys.Key {
	if options.Compat {
		return public
	}
	if options.SecretFile != nil {
		if key, ok := options.SecretFile.Key(); ok {
			return key
		}
	}
	return keys.DefaultManifest(public).Key()
}

// newSecret returns the secret key of a core that is to be created.
func newSecret(ctx context.Context, options AppendOptions) (keys.Secret, error) {
	switch {
	case options.Secret != nil:
		return *options.Secret, nil
	case options.SecretFile != nil:
		return open(ctx, *options.SecretFile, options.Unlock)
	}
	secret, err := keys.NewSecret(rand.Reader)
	if err != nil {
		return keys.Secret{}, fmt.Errorf("making a key pair: %w", err)
	}
	return secret, nil
}

// secretOf returns the secret key of a core that exists.
func (w *Writer) secretOf(ctx context.Context, key keys.Key, options AppendOptions) (keys.Secret, error) {
	if options.SecretFile != nil {
		if _, err := options.SecretFile.For(key); err != nil {
			return keys.Secret{}, notSigner(key)
		}
	}
	if options.Secret != nil {
		return *options.Secret, nil
	}
	return SecretOf(ctx, w.store, key, options.SecretFile, options.Unlock)
}

func notSigner(key keys.Key) error {
	return worded{ErrReadOnly, fmt.Sprintf("that is not the secret key of core %v", key)}
}

// manifestOf returns the manifest of a core: from the store, else, if the core has a name already, the one whose hash
// is the key. A core is never begun by its key alone: a holder of only the key and the secret of a log would sign its
// length 1 a second time.
func (w *Writer) manifestOf(ctx context.Context, key keys.Key, named bool) ([]byte, error) {
	manifest, err := storedManifest(ctx, w.store, key)
	if !errors.Is(err, store.ErrNotFound) {
		return manifest, err
	}
	if !named {
		return nil, fmt.Errorf("core %v is not in this store: fetch it before appending to it, or name its head with --onto: %w", key, err)
	}
	if manifest, err = keys.ManifestOf(key, w.secret.Public()); err != nil {
		return nil, notSigner(key)
	}
	return manifest, nil
}

// load reads the core under its lock: from here on it does not change.
func (w *Writer) load(ctx context.Context, word string, options AppendOptions) error {
	seen, err := w.store.SeenHeads(ctx, w.auth.Key())
	w.isNew = errors.Is(err, store.ErrNotFound)
	switch {
	case err != nil && !w.isNew:
		return err
	case !w.isNew && options.New:
		return fmt.Errorf("%w: core %v of this secret key exists already", ErrConflict, w.auth.Key())
	case len(seen) > 0 && !options.recovers:
		return &SeenError{Key: w.auth.Key(), Here: w.tx.View().Head(), There: seen[len(seen)-1], Owned: true}
	}
	view := w.tx.View()
	w.head = view.Head()
	w.sure = w.sure || options.signed > 0 && w.head.Length >= options.signed
	if err := w.checkWhole(); err != nil {
		return err
	}
	if !options.Drive && !options.recovers {
		if err := w.refuseDrive(ctx, word); err != nil {
			return err
		}
	}
	if err := expectLength(word, w.head.Length, options); err != nil {
		return err
	}
	if options.IfChanged {
		w.ending = &ending{most: min(maxLeaves, w.head.Length)}
	}
	nodes, err := view.Roots(ctx)
	if err != nil {
		return fmt.Errorf("reading the tree of core %q: %w", word, err)
	}
	if w.roots, err = merkle.NewRoots(w.head.Length, nodes); err != nil {
		return err
	}
	w.length, w.bytes = w.head.Length, w.roots.ByteLength()
	w.tx.Grow(w.roots)
	return nil
}

func expectLength(word string, length uint64, options AppendOptions) error {
	if options.ExpectLength == nil || *options.ExpectLength == length {
		return nil
	}
	return fmt.Errorf("%w: core %q has %s, expected %d: look at what was appended, then try again", ErrConflict, word, blocks(length), *options.ExpectLength)
}

// blocks counts blocks in words.
func blocks(n uint64) string {
	if n == 1 {
		return "1 block"
	}
	return fmt.Sprintf("%d blocks", n)
}

// Key returns the core's key.
func (w *Writer) Key() keys.Key { return w.auth.Key() }

// Head returns the newest head before this append; the zero Head if there is none.
func (w *Writer) Head() store.Head { return w.head }

// Manifest returns the core's encoded manifest, nil for a compat core.
func (w *Writer) Manifest() []byte { return w.auth.Manifest() }

// Length returns the number of blocks in the log, including those appended so far.
func (w *Writer) Length() uint64 { return w.length }

// ByteLength returns the number of bytes in the log, including those appended so far.
func (w *Writer) ByteLength() uint64 { return w.bytes }

// View returns the core as it was when it was opened, which is before this append.
func (w *Writer) View() *store.View { return w.tx.View() }

// Append adds blocks in order. It does not keep them after it returns. It hashes many of them in parallel.
func (w *Writer) Append(ctx context.Context, blocks ...[]byte) error {
	for _, block := range blocks {
		if len(block) > MaxBlock {
			return w.tooLarge(block)
		}
	}
	if cap(w.leaves) < len(blocks) {
		w.leaves = make([]hash.Digest, len(blocks))
	}
	leaves := w.leaves[:len(blocks)]
	HashBlocks(leaves, blocks)
	return w.AppendHashed(ctx, leaves, blocks)
}

// AppendHashed is Append for a caller that has the leaf hashes of the blocks already.
func (w *Writer) AppendHashed(ctx context.Context, leaves []hash.Digest, blocks [][]byte) error {
	return w.appendSummed(ctx, leaves, blocks, nil)
}

// appendSummed is AppendHashed for a caller that may have checksums, too; nil: it has none.
func (w *Writer) appendSummed(ctx context.Context, leaves []hash.Digest, blocks [][]byte, sums []checksum.Sum) error {
	for _, block := range blocks {
		if len(block) > MaxBlock {
			return w.tooLarge(block)
		}
	}
	added, err := w.tx.AppendAll(ctx, leaves, blocks, sums)
	for i, block := range blocks[:added] {
		if w.ending != nil {
			w.ending.add(merkle.LeafNodeHash(w.length, uint64(len(block)), leaves[i]))
		}
		w.length++
		w.bytes += uint64(len(block))
	}
	if err != nil {
		return fmt.Errorf("storing block %d: %w", w.length, err)
	}
	return nil
}

// Stood says which blocks of the log, as View has it, the blocks that are appended next roughly replace: only the
// difference from these is stored. nil: not known.
func (w *Writer) Stood(ctx context.Context, old []uint64) error { return w.tx.Stood(ctx, old) }

func (w *Writer) tooLarge(block []byte) error {
	return fmt.Errorf("%w: block %d has %d bytes, the limit is %d", ErrTooLarge, w.length, len(block), MaxBlock)
}

// Commit signs the new head and makes the append durable. If nothing was appended, the log keeps its head; a new core
// is created, empty and unsigned.
func (w *Writer) Commit(ctx context.Context) (store.Head, error) {
	if w.ended {
		return store.Head{}, errEnded
	}
	defer w.Abort()
	if !w.isNew && w.name == "" && w.length == w.head.Length {
		return w.head, nil
	}
	head := w.head
	err := w.tx.Commit(ctx, func() (store.Head, error) {
		if err := w.keepKey(ctx); err != nil || w.length == w.head.Length {
			return w.head, err
		}
		var err error
		head, err = w.sign()
		return head, err
	})
	if errors.Is(err, store.ErrOvertaken) {
		err = fmt.Errorf("the store was repaired by another process meanwhile, and nothing was appended: append again: %w", err)
	}
	if err != nil {
		return store.Head{}, err // names the core
	}
	return head, nil
}

func (w *Writer) sign() (store.Head, error) {
	if err := w.checkWhole(); err != nil { // a recovery since then may have met damage
		return store.Head{}, err
	}
	head := store.Head{
		Fork:       w.head.Fork,
		Length:     w.roots.Length(),
		ByteLength: w.roots.ByteLength(),
		TreeHash:   w.roots.TreeHash(),
	}
	signing := keys.Head{Fork: head.Fork, Length: head.Length, TreeHash: head.TreeHash}
	if w.signs != nil {
		if err := w.signs(signing); err != nil {
			return store.Head{}, err
		}
	}
	signature, err := w.auth.Sign(w.secret, signing)
	if err != nil {
		return store.Head{}, fmt.Errorf("signing length %d: %w", head.Length, err)
	}
	head.Signature = signature
	return head, nil
}

// Abort ends the append and leaves no trace. After Commit it does nothing.
func (w *Writer) Abort() {
	w.ended = true
	w.tx.Abort()
}
