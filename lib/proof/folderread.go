package proof

import (
	"bytes"
	"context"
	"errors"
	"math"

	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// folderReader is the verifier's side of a walk.
type folderReader struct {
	v       *verifier // of the names
	key     *keys.Key // of the blobs; nil: it cannot be known
	names   *logReader
	blobs   *logReader // nil: not open yet
	last    *logReader // whose groups came last
	sinkErr error      // from the receiver of the content
}

// readFolder reads the frames after the manifest in a stream of a path or a tree.
func (v *verifier) readFolder() error {
	word, err := v.in.peek()
	if err != nil {
		return err
	}
	if string(word) == wordEnd {
		return v.readEnd()
	}
	if err := v.readHeadOf("the drive"); err != nil {
		return err
	}
	f := &folderReader{v: v, names: newLogReader(v)}
	f.last = f.names
	outcome, err := f.walk()
	f.count()
	if err != nil {
		return f.judge(err)
	}
	if word, err = v.in.peek(); err != nil {
		return err
	}
	if string(word) != wordEnd {
		return v.in.fail("%s instead of the end", spell(word))
	}
	if err := v.readEnd(); err != nil {
		return err
	}
	return outcome
}

// readHeadOf reads a head frame, which has to come.
func (v *verifier) readHeadOf(what string) error {
	word, err := v.in.peek()
	if err != nil {
		return err
	}
	if string(word) != wordHead {
		return v.in.fail("%s instead of the head of %s", spell(word), what)
	}
	return v.readHeadFrame()
}

// walk reads the groups.
func (f *folderReader) walk() (outcome, err error) {
	claim := f.v.sum.Claim
	version := claim.limit(f.v.head.Length)
	if version == 0 { // no block belongs to it
		if _, err := f.names.group(&layout{length: f.v.head.Length, split: f.names.split}); err != nil {
			return nil, err
		}
		if claim.missing(f.v.head.Length, 0) != nil {
			return nil, nil // the end will say so
		}
	}
	w := walk{claim: claim, version: version, side: f}
	if outcome, err = w.run(f.v.ctx); err == nil {
		f.v.started, f.v.next = version > 0, version // its last block has come, so the sizes of its roots are certain
	}
	return outcome, err
}

// count adds the blobs' counts to the summary.
func (f *folderReader) count() {
	if f.blobs == nil {
		return
	}
	f.v.sum.Nodes += f.blobs.v.sum.Nodes
	f.v.sum.Blocks += f.blobs.v.sum.Blocks
	f.v.total += f.blobs.v.total
}

// judge turns a signed drive that is invalid into an error of the stream.
func (f *folderReader) judge(err error) error {
	var frame *FrameError
	switch {
	case f.sinkErr != nil || errors.As(err, &frame):
		return err
	case isMalformed(err):
		return f.v.in.fail("%w", err)
	case errors.Is(err, hyperdrive.ErrBehind):
		return f.v.in.failAs(ErrPartial, "%w", err)
	}
	return err
}

// Block reads a block of the names.
func (f *folderReader) Block(_ context.Context, seq uint64) (block []byte, err error) {
	err = f.step(f.names, seq, 1, func(_, _ uint64, data []byte) error {
		block = bytes.Clone(data)
		return nil
	})
	return block, err
}

func (f *folderReader) header(block []byte) (err error) {
	f.key, err = blobsKey(f.v.sum.Key, f.v.sum.Manifest, block)
	return err
}

// openBlobs reads the manifest and the head of the blobs when the first content needs them.
func (f *folderReader) openBlobs() error {
	if f.blobs != nil {
		return nil
	}
	if f.key == nil {
		return errNoBlobs(f.v.sum.Key)
	}
	if err := f.v.readCore(*f.key); err != nil {
		return err
	}
	v := &verifier{ctx: f.v.ctx, in: f.v.in, hasher: f.v.hasher, sink: f.v.sink, groups: f.v.groups}
	v.sum.Key = *f.key
	if err := v.readManifest(); err != nil {
		return err
	}
	if err := v.readHeadOf("the blobs"); err != nil {
		return err
	}
	f.blobs = newLogReader(v)
	f.last = f.blobs
	return nil
}

// step reads neighbouring blocks of one log.
func (f *folderReader) step(log *logReader, first, count uint64, each func(index, offset uint64, data []byte) error) error {
	if f.last != log {
		if err := f.v.readCore(log.v.sum.Key); err != nil {
			return err
		}
		if err := log.again(); err != nil {
			return err
		}
		f.last = log
	}
	return log.step(first, first+count, each)
}

// readCore reads the frame that says that the groups that follow are of this log.
func (v *verifier) readCore(key keys.Key) error {
	word, err := v.in.peek()
	if err != nil {
		return err
	}
	if string(word) != wordCore {
		return v.in.fail("%s instead of blocks of %v", spell(word), key)
	}
	w := v.in.words()
	if got := keys.Key(w.hex32()); !w.ok() || got != key {
		return v.in.fail("blocks of a core other than %v", key)
	}
	v.in.take()
	return nil
}

// logReader is one of the two logs, with the known part of its tree.
type logReader struct {
	v     *verifier
	at    position
	split uint64
	nodes map[uint64]placed
}

// placed is a node with the number of bytes of the log before it.
type placed struct {
	merkle.Node
	offset uint64
}

// newLogReader returns the reader of a log whose head frame has come.
func newLogReader(v *verifier) *logReader {
	log := &logReader{v: v, at: newPosition(v.head.Length), split: math.MaxUint64, nodes: map[uint64]placed{}}
	if v.sum.Claim.At != nil {
		log.split = *v.sum.Claim.At
	}
	return log
}

// again tells the sink that blocks of this log follow again.
func (log *logReader) again() error {
	if log.v.sink == nil {
		return nil
	}
	return log.v.sink.Core(log.v.sum.Key, log.v.sum.Manifest)
}

func (log *logReader) step(first, end uint64, each func(index, offset uint64, data []byte) error) error {
	v := log.v
	l := layout{length: v.head.Length, split: log.split, first: first, end: end}
	for l.first < l.end {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		e, err := log.group(&l)
		if err != nil {
			return err
		}
		offset := v.group.Offset
		for i, b := range v.group.Blocks {
			if err := each(l.first+uint64(i), offset, b); err != nil {
				return err
			}
			offset += uint64(len(b))
		}
		l.first = e
	}
	return v.endRange()
}

// group reads a group, verifies it, and keeps the nodes that the next one may be hashed up to.
func (log *logReader) group(l *layout) (e uint64, err error) {
	v := log.v
	l.known = log.at.known(l.first)
	if err := v.readNodes(); err != nil {
		return 0, err
	}
	e, larger, err := v.groupEnd(l)
	if err != nil {
		return 0, err
	}
	if err := v.checkNodes(l, e); err != nil {
		return 0, err
	}
	if err := v.readBlocks(l.first, e); err != nil {
		return 0, err
	}
	if err := log.climb(l, e); err != nil {
		return 0, err
	}
	if err := v.canonical(l, e, larger); err != nil {
		return 0, err
	}
	v.next = e
	v.total += uint64(v.bytes)
	v.sum.Nodes += uint64(len(v.group.Received))
	v.sum.Blocks += uint64(len(v.group.Blocks))
	v.group.From, v.group.To = 0, uint64(v.bytes)
	return e, v.feed()
}

// climb hashes a group up to a known node.
func (log *logReader) climb(l *layout, e uint64) error {
	v := log.v
	v.below = 0
	if l.known != crown {
		known := log.nodes[l.known]
		v.stack = append(v.stack[:0], known.Node)
		v.below = known.offset
	}
	v.met = func(n merkle.Node, offset uint64) {
		log.nodes[n.Index] = placed{n, offset}
		if merkle.FirstBlock(n.Index) == l.first {
			v.group.Offset = offset
		}
	}
	roots, err := v.climb(l, e)
	if err != nil {
		return err
	}
	log.at = log.at.moved(l.first, e)
	for index := range log.nodes {
		if !log.at.holds(index) {
			delete(log.nodes, index)
		}
	}
	if l.known == crown {
		return v.handOnHead(roots)
	}
	return nil
}
