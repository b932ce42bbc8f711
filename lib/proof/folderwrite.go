package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"hc/lib/hyperbee"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
)

// folderWriter is the writer's side of a walk.
type folderWriter struct {
	open  func(ctx context.Context, key keys.Key) (Source, error)
	key   *keys.Key // of the blobs; nil: it cannot be known
	names *logWriter
	blobs *logWriter // nil: not open yet
	last  *logWriter // whose groups came last
}

// logWriter is one of the two logs.
type logWriter struct {
	p     *writer
	at    position
	split uint64
}

func newLogWriter(p *writer, head Head) *logWriter {
	p.head = head
	p.heads++
	log := &logWriter{p: p, at: newPosition(head.Length), split: math.MaxUint64}
	if p.claim.At != nil {
		log.split = *p.claim.At
	}
	return log
}

// writeFolder writes a stream of a path or a tree.
func (p *writer) writeFolder(open func(context.Context, keys.Key) (Source, error)) error {
	if err := p.intro(); err != nil {
		return err
	}
	head, err := p.src.Head(p.ctx)
	if err != nil {
		return err
	}
	if !signed(head) {
		return p.end(head)
	}
	if err := p.headFrame(head); err != nil {
		return err
	}
	names := newLogWriter(p, head)
	f := &folderWriter{open: open, names: names, last: names}
	outcome, err := f.walk()
	if err != nil {
		return malformed(err)
	}
	blocks, size := p.blocks, p.bytes
	if f.blobs != nil {
		blocks, size = blocks+f.blobs.p.blocks, size+f.blobs.p.bytes
	}
	p.frame(wordEnd, blocks, size)
	return outcome
}

// walk writes the groups.
func (f *folderWriter) walk() (outcome, err error) {
	p := f.names.p
	version := p.claim.limit(p.head.Length)
	if version == 0 { // no block belongs to it
		l := layout{length: p.head.Length, split: f.names.split, known: crown}
		if err := p.nodes(&l, 0); err != nil {
			return nil, err
		}
		if err := p.claim.missing(p.head.Length, 0); err != nil {
			return err, nil
		}
	}
	w := walk{claim: p.claim, version: version, side: f}
	return w.run(p.ctx)
}

// Block writes a block of the names.
func (f *folderWriter) Block(_ context.Context, seq uint64) (block []byte, err error) {
	err = f.step(f.names, seq, 1, func(_, _ uint64, data []byte) error {
		block = data
		return nil
	})
	return block, err
}

// Expect implements hyperbee.Expecter, if the source of the names does.
func (f *folderWriter) Expect(seqs []uint64) {
	if expecter, ok := f.names.p.src.(hyperbee.Expecter); ok {
		expecter.Expect(seqs)
	}
}

func (f *folderWriter) header(block []byte) (err error) {
	f.key, err = blobsKey(f.names.p.src.Key(), f.names.p.src.Manifest(), block)
	return err
}

// file writes a file's content. Whether that matches its record is for the reader to check.
func (f *folderWriter) file(ctx context.Context, item hyperdrive.Item) error {
	blob := *item.Entry.Blob
	if blob.Empty() {
		return nil
	}
	if err := f.openBlobs(ctx); err != nil {
		return fmt.Errorf("%.300q: %w", item.Name, err)
	}
	from := &runBlobs{length: f.blobs.p.head.Length, blob: blob}
	from.run = func(first, count uint64, each func(index, offset uint64, data []byte) error) error {
		return f.step(f.blobs, first, count, each)
	}
	item.Err, item.Entry.Metadata = nil, nil
	if err := hyperdrive.Content(ctx, from, item, io.Discard); err != nil {
		return err
	}
	return f.names.p.out.Flush()
}

func (f *folderWriter) other(hyperdrive.Item) error { return nil }

func (f *folderWriter) name(hyperdrive.Item) error { return nil }

// blobsHead writes the head of the blobs, with the nodes needed to verify it. It writes nothing if the key of the
// blobs cannot be known, or no head of theirs is signed yet.
func (f *folderWriter) blobsHead(ctx context.Context) error {
	if f.key == nil {
		return nil
	}
	if err := f.openBlobs(ctx); errors.Is(err, errUnsigned) {
		return nil
	} else if err != nil {
		return err
	}
	f.last = f.blobs
	if err := f.blobs.begin(); err != nil {
		return err
	}
	l := layout{length: f.blobs.p.head.Length, split: f.blobs.split, known: crown}
	return f.blobs.p.nodes(&l, 0)
}

var errUnsigned = errors.New("no signed head")

// openBlobs opens the blobs when the first content needs them.
func (f *folderWriter) openBlobs(ctx context.Context) error {
	if f.blobs != nil {
		return nil
	}
	if f.key == nil {
		return errNoBlobs(f.names.p.src.Key())
	}
	if f.open == nil {
		return errors.New("a source of the blobs is needed")
	}
	src, err := f.open(ctx, *f.key)
	if err != nil {
		return err
	}
	if src.Key() != *f.key {
		return fmt.Errorf("the blobs are those of %v, not of %v", src.Key(), *f.key)
	}
	head, err := src.Head(ctx)
	if err != nil {
		return err
	}
	if !signed(head) {
		return fmt.Errorf("%w: the blobs %v have %w", ErrPartial, *f.key, errUnsigned)
	}
	p := f.names.p
	f.blobs = newLogWriter(&writer{ctx: p.ctx, out: p.out, src: src}, head)
	return nil
}

// step writes neighbouring blocks of one log.
func (f *folderWriter) step(log *logWriter, first, count uint64, each func(index, offset uint64, data []byte) error) error {
	if f.last != log {
		f.last = log
		if err := log.begin(); err != nil {
			return err
		}
	}
	return log.step(first, first+count, each)
}

// begin writes that the groups that follow are of this log.
func (log *logWriter) begin() error {
	p := log.p
	p.frame(wordCore, p.src.Key())
	if p.signer != nil {
		return nil
	}
	if err := p.manifestFrame(); err != nil {
		return err
	}
	return p.headFrame(p.head)
}

func (log *logWriter) step(first, end uint64, each func(index, offset uint64, data []byte) error) error {
	p := log.p
	l := layout{length: p.head.Length, split: log.split, first: first, end: end}
	ahead := readAhead(p.ctx, p.src, first, end)
	defer ahead.close()
	last := p.claim.limit(p.head.Length) - 1
	for l.first < l.end {
		l.known = log.at.known(l.first)
		blocks, err := p.group(&l, ahead, last)
		if err != nil {
			return err
		}
		for i, b := range blocks {
			if err := each(l.first+uint64(i), 0, b); err != nil {
				return err
			}
		}
		e := l.first + uint64(len(blocks))
		clear(blocks) // nothing holds them any longer
		log.at = log.at.moved(l.first, e)
		l.first = e
	}
	return nil
}
