package drive

import (
	"context"
	"errors"
	"io"

	"hc/lib/hash"
	"hc/lib/hash/simd"
	"hc/lib/hypercore"
	"hc/lib/stream"
)

const (
	groupBytes  = 2 << 20  // hashed at a time: enough blocks, of many small files, to share among processors
	groupBlocks = 16 << 10 // likewise
	groupParts  = 4 << 10
)

// part is an item of the stream, or the next part of a file that is longer than a group.
type part struct {
	item   stream.Item
	blocks [][]byte
	leaves []hash.Digest // of the blocks
	first  bool          // the item starts here
	last   bool          // the item ends here
	bytes  uint64        // of the whole file, with last
	sha256 [32]byte      // likewise
}

// group is some parts, with all of their blocks.
type group struct {
	parts  []part
	buffer []byte
	blocks int
	err    error // what followed the parts; io.EOF: the stream is whole
}

func (g *group) full() bool {
	return len(g.buffer) >= groupBytes || g.blocks >= groupBlocks || len(g.parts) >= groupParts
}

// hash computes the leaf hashes of all blocks at once.
func (g *group) hash() {
	blocks := make([][]byte, 0, g.blocks)
	for _, p := range g.parts {
		blocks = append(blocks, p.blocks...)
	}
	leaves := make([]hash.Digest, len(blocks))
	hypercore.HashBlocks(leaves, blocks)
	for i := range g.parts {
		n := len(g.parts[i].blocks)
		g.parts[i].leaves, leaves = leaves[:n], leaves[n:]
	}
}

// feed reads a stream into groups. Only next blocks; the reading is done ahead, in a goroutine of its own.
type feed struct {
	reader *stream.FolderReader
	groups chan *group
	empty  chan *group
}

// begin starts reading. The goroutine ends with ctx, or with the stream. If the stream hangs for ever, nobody waits
// for it: the process is about to end.
func begin(ctx context.Context, from io.Reader) *feed {
	f := &feed{reader: stream.NewFolderReader(from), groups: make(chan *group), empty: make(chan *group, 2)}
	f.empty <- &group{}
	f.empty <- &group{}
	go f.run(ctx)
	return f
}

func (f *feed) run(ctx context.Context) {
	var open *openFile
	for {
		var g *group
		select {
		case g = <-f.empty:
		case <-ctx.Done():
			return
		}
		g.parts, g.buffer, g.blocks, g.err = g.parts[:0], g.buffer[:0], 0, nil
		open = f.fill(g, open)
		select {
		case f.groups <- g:
		case <-ctx.Done():
			return
		}
		if g.err != nil {
			return
		}
	}
}

// next returns the next group; give it back with done.
func (f *feed) next(ctx context.Context) (*group, error) {
	select {
	case g := <-f.groups:
		return g, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *feed) done(g *group) {
	clear(g.parts)
	if cap(g.buffer) > 2*groupBytes {
		g.buffer = nil
	}
	f.empty <- g
}

// openFile is a file that is longer than the current group.
type openFile struct {
	item stream.Item
	sum  interface {
		Sum([]byte) []byte
		io.Writer
	}
	bytes uint64
}

// fill reads parts until the group is full. It continues the file open, which is nil if there is none.
func (f *feed) fill(g *group, open *openFile) *openFile {
	for !g.full() {
		first := open == nil
		if first {
			item, err := f.reader.Next()
			if err != nil {
				g.err = err
				return nil
			}
			if item.Kind != stream.KindFile {
				g.parts = append(g.parts, part{item: item, first: true, last: true})
				continue
			}
			open = &openFile{item: item, sum: simd.NewSHA256()}
		}
		p := part{item: open.item, first: first}
		ended, err := f.fillFile(g, &p, open)
		if err != nil {
			g.err = err
			return nil
		}
		if ended {
			p.last, p.bytes = true, open.bytes
			open.sum.Sum(p.sha256[:0])
			open = nil
		}
		g.parts = append(g.parts, p)
	}
	return open
}

// fillFile reads blocks of the open file until it ends, or the group is full.
func (f *feed) fillFile(g *group, p *part, open *openFile) (ended bool, err error) {
	var batch [][]byte
	for !g.full() {
		batch, _, err = f.reader.NextBatch(batch[:0], groupBytes/4)
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		for _, block := range batch {
			open.sum.Write(block)
			open.bytes += uint64(len(block))
			if len(block) > 0 { // stock's readers skip empty blocks
				p.blocks = append(p.blocks, g.keep(block))
				g.blocks++
			}
		}
	}
	return false, nil
}

// keep copies a block. Blocks that were kept earlier stay where they are when the buffer grows.
func (g *group) keep(block []byte) []byte {
	if cap(g.buffer) == 0 {
		g.buffer = make([]byte, 0, groupBytes+groupBytes/4)
	}
	at := len(g.buffer)
	g.buffer = append(g.buffer, block...)
	return g.buffer[at:len(g.buffer):len(g.buffer)]
}
