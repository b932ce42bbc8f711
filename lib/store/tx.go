package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/blockmap"
	"hc/lib/store/codec"
	"hc/lib/store/commits"
	"hc/lib/store/dedup"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

// Effort is how much work a transaction puts into making runs small. A later Repack makes up for a low one.
type Effort = codec.Effort

// The values of Effort.
const (
	Thorough = codec.Thorough // for data that is written once
	Quick    = codec.Quick    // half the time, and 3 to 6 % more room: for data that comes faster than Thorough can compress
)

// TxOptions say what a transaction is for.
type TxOptions struct {
	Manifest []byte // encoded; for a core whose manifest the store does not know yet, nil if it is a compat core
	Durable  bool   // synced at the commit: for own appends
	Short    bool   // many small blocks such as lines: stored compactly, neither deduplicated nor found by Has
	Effort   Effort // of compressing
}

const (
	useLock    = "use"
	spanBytes  = 2 << 20  // bytes of a span's meta
	spanRuns   = 1 << 10  // parts of a span that are in a run: a reader holds the metas of all these runs until the span comes
	nodesFlush = 16 << 10 // nodes that are held before they are written
)

// Tx is one append to, or download into, one core. Not for concurrent use. End it with Commit or Abort. Its memory does
// not depend on how much it writes.
type Tx struct {
	store   *Store
	key     keys.Key
	options TxOptions
	view    *View
	append  *packlog.Append
	locks   []*packlog.Lock
	both    [2]*packlog.Lock // room for locks
	runs    *runs.Writer
	err     error // the first one; the transaction has failed
	done    bool

	own      dedup.Recent           // leaf hashes of blocks that this transaction wrote
	near     dedup.Nearby           // leaf hashes near those that it found
	expected dedup.Expected         // of Expect
	deltas   deltas                 // of Append
	span     spanBuilder            // of Append
	roots    *merkle.Roots          // of Grow
	puts     []putBlock             // of Put
	nodes    map[uint64]merkle.Node // of Nodes; nil: none came yet
	next     uint64                 // block that Append adds
	limit    uint64                 // blocks of the view from here on do not count: history was cut back
	blocks   uint64                 // added
	bytes    int                    // written
	lends    bool                   // appended blocks stay where they are until runs.keep
	wrote    commits.Written        // since the last batch, to be taken into the state with it
	long     bool                   // with this transaction the tail is so long that a checkpoint is due
}

// Begin starts a transaction on the core: until Commit or Abort it is the core's only writer. ErrLocked (after
// Options.LockWait, naming the holder) if there is another one.
func (s *Store) Begin(ctx context.Context, key keys.Key, options TxOptions) (*Tx, error) {
	if len(options.Manifest) > records.MaxManifest {
		return nil, fmt.Errorf("beginning a transaction on core %v: manifest of %d bytes, the limit is %d", key, len(options.Manifest), records.MaxManifest)
	}
	tx := &Tx{store: s, key: key, options: options}
	if err := tx.begin(ctx); err != nil {
		tx.release()
		return nil, fmt.Errorf("beginning a transaction on core %v: %w", key, err)
	}
	return tx, nil
}

func (tx *Tx) begin(ctx context.Context) error {
	s := tx.store
	if s.options.ReadOnly {
		return ErrReadOnly
	}
	tx.locks = tx.both[:0]
	for _, lock := range []struct {
		name   string
		shared bool
	}{{coreLock(tx.key), false}, {useLock, true}} {
		l, err := s.log.Lock(ctx, lock.name, lock.shared, tx.locks...)
		if err != nil {
			return err
		}
		tx.locks = append(tx.locks, l)
	}
	var err error
	if tx.append, err = s.log.Begin(ctx); err != nil {
		return err
	}
	seen := tx.append.View()
	tx.view, err = s.viewFrom(ctx, &seen, tx.key, false)
	if errors.Is(err, ErrNotFound) {
		tx.view, err = s.noView(ctx, tx.key)
	}
	if err != nil {
		return err
	}
	tx.next, tx.limit = tx.view.head.Length, blockmap.NoLimit
	tx.deltas = newDeltas(tx)
	tx.runs = runs.NewWriter(tx.options.Short, tx.options.Effort, tx.write)
	tx.span = spanBuilder{key: tx.key, first: tx.next}
	return nil
}

// coreLock is the name of a core's lock.
func coreLock(key keys.Key) string {
	const prefix = "core-"
	var name [len(prefix) + 2*len(key)]byte
	hex.Encode(name[copy(name[:], prefix):], key[:])
	return string(name[:])
}

// introduce writes a core record if the store does not know the core, or not its manifest.
func (tx *Tx) introduce(ctx context.Context) error {
	if tx.view.core != nil && (tx.options.Manifest == nil || tx.view.Manifest() != nil) {
		return nil
	}
	return tx.record(ctx, packlog.KindCore, records.EncodeCore(tx.key, tx.options.Manifest))
}

// noView returns the view of a core that the store does not have yet.
func (s *Store) noView(ctx context.Context, key keys.Key) (*View, error) {
	var st *state
	err := s.retry(ctx, func() (_ *state, err error) {
		st, _, err = s.current(ctx)
		return st, err
	})
	return &View{store: s, state: st, key: key}, err
}

// release unlocks the locks, the last one first.
func (tx *Tx) release() {
	for i := len(tx.locks) - 1; i >= 0; i-- {
		_ = tx.locks[i].Unlock() // nothing written under it depends on this
	}
	tx.locks = nil
	tx.done = true
}

// write writes a batch of records.
func (tx *Tx) write(ctx context.Context, records ...packlog.Record) error {
	positions, err := tx.append.Write(ctx, records...)
	tx.count(records)
	if err == nil {
		tx.wrote.Add(records, positions)
	}
	return err
}

func (tx *Tx) count(records []packlog.Record) {
	for _, r := range records {
		tx.bytes += len(r.Meta) + r.Length()
	}
}

// record writes one record, after all runs before it.
func (tx *Tx) record(ctx context.Context, kind packlog.Kind, meta []byte) error {
	return tx.runs.Flush(ctx, packlog.Record{Kind: kind, Meta: meta})
}

// failed keeps the first error.
func (tx *Tx) failed(what string, err error) error {
	if err != nil && tx.err == nil {
		tx.err = fmt.Errorf("%s core %v: %w", what, tx.key, err)
	}
	return tx.err
}

var errDone = errors.New("transaction has ended")

func (tx *Tx) check() error {
	if tx.done {
		return errDone
	}
	return tx.err
}

// View returns the core as it was when the transaction began.
func (tx *Tx) View() *View { return tx.view }

// Seen keeps a signed head of this core that conflicts with the stored one: SeenHeads lists it after the commit.
func (tx *Tx) Seen(ctx context.Context, head Head) error { return tx.seen(ctx, head, false) }

// Settle says that a seen head conflicts no longer: SeenHeads does not list it after the commit.
func (tx *Tx) Settle(ctx context.Context, head Head) error { return tx.seen(ctx, head, true) }

func (tx *Tx) seen(ctx context.Context, head Head, settled bool) error {
	if err := tx.check(); err != nil {
		return err
	}
	return tx.failed("keeping a head of", tx.record(ctx, packlog.KindSeen, records.EncodeSeen(tx.key, head, settled)))
}

// Truncate cuts the core back to length blocks, before anything else is done with the transaction. The blocks from
// there on and all nodes above them are forgotten, and Commit's head must be of that fork, which must be higher than
// the one before. merkle.ErrNodeMissing or merkle.ErrHint if the roots at that length are not known for certain.
func (tx *Tx) Truncate(ctx context.Context, fork, length uint64) error {
	if err := tx.check(); err != nil {
		return err
	}
	return tx.failed("truncating", tx.cut(ctx, fork, length))
}

func (tx *Tx) cut(ctx context.Context, fork, length uint64) error {
	switch {
	case length > tx.next:
		return fmt.Errorf("there are %d blocks, fewer than %d", tx.next, length)
	case fork <= tx.view.head.Fork:
		return fmt.Errorf("fork %d is not above %d", fork, tx.view.head.Fork)
	case tx.blocks > 0 || len(tx.nodes) > 0 || tx.limit != blockmap.NoLimit:
		return errors.New("something was added before: cut back first")
	}
	m := records.Truncate{Key: tx.key, Fork: fork, Length: length}
	for _, index := range merkle.FullRoots(length) {
		n, err := tx.view.Node(ctx, index)
		if err != nil {
			return err
		}
		if n.Hint {
			return fmt.Errorf("node %d: %w", index, merkle.ErrHint)
		}
		m.Roots = append(m.Roots, n)
	}
	tx.next, tx.span.first, tx.limit = length, length, length
	return tx.record(ctx, packlog.KindTruncate, m.Encode())
}

// Commit makes all of the transaction visible at once. It gets the head from head, which is called under the append
// lock, after the last check that nobody has recovered: sign there. If head is nil, the head of the View is repeated.
// After an error nothing is visible; ErrOvertaken: begin again.
func (tx *Tx) Commit(ctx context.Context, head func() (Head, error)) error {
	if err := tx.check(); err != nil {
		return err
	}
	err := tx.failed("committing", tx.commit(ctx, head))
	wrote := tx.wrote
	tx.Abort()
	if err != nil {
		return err
	}
	if tx.checkpoints() {
		tx.store.checkpointAfter(ctx, tx.blocks, &wrote)
	}
	return nil
}

// checkpoints reports whether a checkpoint is to follow the commit.
func (tx *Tx) checkpoints() bool { return tx.long && !tx.store.options.tuning.never }

func (tx *Tx) commit(ctx context.Context, head func() (Head, error)) error {
	if err := tx.settleAll(ctx); err != nil {
		return err
	}
	if err := tx.endSpan(ctx); err != nil {
		return err
	}
	if err := tx.endPuts(ctx); err != nil {
		return err
	}
	if err := tx.introduce(ctx); err != nil {
		return err
	}
	if head == nil {
		head = func() (Head, error) { return tx.view.head, nil }
	}
	var last packlog.Record
	record := func() (packlog.Record, error) {
		h, err := head()
		if err == nil && len(h.Signature) > records.MaxSignature {
			err = fmt.Errorf("signature of %d bytes, the limit is %d", len(h.Signature), records.MaxSignature)
		}
		last = packlog.Record{Kind: packlog.KindHead, Meta: records.EncodeHead(tx.key, h)}
		return last, err
	}
	return tx.runs.Finish(ctx, func(ctx context.Context, records ...packlog.Record) error {
		tx.count(records)
		tx.long = tx.store.longTail(tx)
		positions, err := tx.append.WriteCommit(ctx, records, record, tx.options.Durable || tx.long)
		if err == nil {
			tx.wrote.Add(append(records, last), positions)
			tx.wrote.ID = tx.append.ID()
			if !tx.checkpoints() { // else the checkpoint takes it in
				tx.store.learnOwn(ctx, &tx.wrote)
			}
		}
		return err
	})
}

// Abort ends the transaction without a trace. After Commit, or a second time, it does nothing.
func (tx *Tx) Abort() {
	if tx.done {
		return
	}
	tx.deltas.workers.Wait()
	tx.runs.Wait()
	tx.release()
	tx.own, tx.near, tx.wrote, tx.expected = dedup.Recent{}, dedup.Nearby{}, commits.Written{}, dedup.Expected{} // a checkpoint may follow while the caller holds the transaction
}
