package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"hc/lib/checksum"
	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

// putBlock is a block on its way into a span.
type putBlock struct {
	block   uint64
	byLeaf  bool
	ref     records.LeafRef
	run, at uint32
}

// Put adds a verified block, at most 15 MiB, anywhere. If data is nil, a block with that leaf hash must be in the store
// already (ErrBlockMissing if not); an empty block is not nil. data is not kept after the return. A block that is put
// again replaces the one that was there, which may be damaged.
func (tx *Tx) Put(ctx context.Context, block uint64, leaf hash.Digest, data []byte) error {
	if err := tx.check(); err != nil {
		return err
	}
	return tx.failed("storing a block of", tx.put(ctx, block, leaf, data))
}

// PutStaying is Put for data that does not change before the transaction has ended. A block that is stored as it came
// is written directly from data.
func (tx *Tx) PutStaying(ctx context.Context, block uint64, leaf hash.Digest, data []byte) error {
	if err := tx.check(); err != nil {
		return err
	}
	return tx.failed("storing a block of", tx.putBy(ctx, block, leaf, data, tx.runs.Lend))
}

func (tx *Tx) put(ctx context.Context, block uint64, leaf hash.Digest, data []byte) error {
	return tx.putBy(ctx, block, leaf, data, tx.runs.Add)
}

// addToRun adds a block to the current run: runs.Writer.Add, or Lend.
type addToRun func(ctx context.Context, leaf hash.Digest, data []byte, sum checksum.Sum) (run, at uint32, err error)

func (tx *Tx) putBy(ctx context.Context, block uint64, leaf hash.Digest, data []byte, add addToRun) error {
	if block >= merkle.MaxLength || len(data) > records.MaxBlock {
		return fmt.Errorf("block %d of %d bytes is over the limit of %d blocks of %d bytes", block, len(data), uint64(merkle.MaxLength), records.MaxBlock)
	}
	p := putBlock{block: block, ref: records.LeafRef{Size: uint64(len(data)), Leaf: leaf}}
	var err error
	if p.byLeaf, err = tx.knows(ctx, &p, data == nil); err != nil {
		return err
	}
	if !p.byLeaf {
		if p.run, p.at, err = add(ctx, leaf, data, checksum.Sum{}); err != nil {
			return err
		}
		if !tx.options.Short {
			tx.own.Add(leaf, len(data))
		}
	}
	return tx.putInto(ctx, p)
}

// putInto notes where a block is, for a span.
func (tx *Tx) putInto(ctx context.Context, p putBlock) error {
	tx.puts = append(tx.puts, p)
	tx.blocks++
	if uint64(len(tx.puts)) >= tx.store.options.tuning.spanBlocks {
		return tx.endPuts(ctx)
	}
	return nil
}

// knows reports whether a block is in the store, in a readable place, and fills in its size if that is not known.
func (tx *Tx) knows(ctx context.Context, p *putBlock, must bool) (bool, error) {
	if tx.options.Short && !must {
		return false, nil
	}
	if size, ok := tx.own.Get(p.ref.Leaf); ok {
		p.ref.Size = uint64(size)
		return true, nil
	}
	at, ok, err := tx.lookUp(ctx, p.ref.Leaf)
	if err != nil {
		return false, err
	}
	if !ok {
		if !must {
			return false, nil
		}
		return false, fmt.Errorf("block %d: %w", p.block, ErrBlockMissing)
	}
	// The block is read, and its record so checked against its checksums: a block must not be taken for stored because
	// of a run that the disk has lost since.
	var n merkle.Node
	block, err := tx.store.reader.Lend(ctx, at.place)
	if err == nil {
		block.Memory.Release()
		n, err = tx.store.reader.Leaf(ctx, at.place, p.block)
	}
	if err == nil && n.Hash != p.ref.Leaf {
		err = fmt.Errorf("%w: it has another leaf hash", ErrDamaged)
	}
	if err != nil && must {
		return false, fmt.Errorf("block %d: %w: the one at %v: %w", p.block, ErrBlockMissing, at.Run, err)
	}
	if err != nil {
		return false, nil
	}
	p.ref.Size = n.Size
	return true, nil
}

// Nodes adds verified tree nodes that do not follow from blocks that are held. Nodes that do follow may be among them,
// and are left out.
func (tx *Tx) Nodes(ctx context.Context, nodes []merkle.Node) error {
	if err := tx.check(); err != nil {
		return err
	}
	return tx.failed("storing tree nodes of", tx.addNodes(ctx, nodes))
}

func (tx *Tx) addNodes(ctx context.Context, nodes []merkle.Node) error {
	for _, n := range nodes {
		if n.Index >= 2*merkle.MaxLength || n.Size > merkle.MaxBytes {
			return fmt.Errorf("node %d of %d bytes is over the limit", n.Index, n.Size)
		}
		known, ok, err := tx.knownNode(ctx, n.Index)
		if err != nil {
			return err
		}
		if !ok || known.Hint && !n.Hint || !merkle.Same(known, n) {
			if tx.nodes == nil {
				tx.nodes = make(map[uint64]merkle.Node)
			}
			tx.nodes[n.Index] = n
		}
		if len(tx.nodes) >= nodesFlush {
			if err := tx.endPuts(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// knownNode returns a node that the view holds, or that came in this transaction and is not written yet.
func (tx *Tx) knownNode(ctx context.Context, index uint64) (merkle.Node, bool, error) {
	if n, ok := tx.nodes[index]; ok {
		return n, true, nil
	}
	if tx.view.core == nil || merkle.LastBlock(index) >= tx.limit {
		return merkle.Node{}, false, nil
	}
	return tx.view.known(ctx, index)
}

// endPuts writes the blocks of Put and the nodes of Nodes that were added since the last time.
func (tx *Tx) endPuts(ctx context.Context) error {
	slices.SortStableFunc(tx.puts, func(a, b putBlock) int {
		switch {
		case a.block < b.block:
			return -1
		case a.block > b.block:
			return 1
		}
		return 0
	})
	tx.puts = lastOfEach(tx.puts)
	records, err := tx.nodeRecords(ctx)
	if err != nil {
		return err
	}
	for _, span := range tx.putSpans() {
		records = append(records, packlog.Record{Kind: packlog.KindSpan, Meta: span.Encode()})
	}
	tx.puts = tx.puts[:0]
	if len(records) == 0 {
		return nil
	}
	return tx.runs.Flush(ctx, records...)
}

// lastOfEach keeps only the last put of each block.
func lastOfEach(puts []putBlock) []putBlock {
	kept := puts[:0]
	for i, p := range puts {
		if i+1 < len(puts) && puts[i+1].block == p.block {
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

// putSpans returns spans of all puts. A reader forgets a run once a span begins after it, so spans that name older runs
// come first, whatever their blocks.
func (tx *Tx) putSpans() (spans []*records.Span) {
	for puts := tx.puts; len(puts) > 0; {
		span, n := tx.putSpan(puts)
		spans = append(spans, span)
		puts = puts[n:]
	}
	slices.SortStableFunc(spans, func(a, b *records.Span) int { return cmp.Compare(a.LowestRun(), b.LowestRun()) })
	return spans
}

// putSpan returns a span of the first n puts.
func (tx *Tx) putSpan(puts []putBlock) (m *records.Span, n int) {
	m = &records.Span{Key: tx.key, First: puts[0].block}
	var roots merkle.Cover
	bytes := 0
	for n = 0; n < len(puts) && bytes < spanBytes; n++ {
		p := puts[n]
		if tx.options.Short { // the run has no leaf hashes
			roots.Add(merkle.LeafNodeHash(p.block, p.ref.Size, p.ref.Leaf))
			bytes += 48
		}
		last := len(m.Parts) - 1
		follows := last >= 0 && m.Parts[last].End() == p.block && (m.Parts[last].ByLeaf != nil) == p.byLeaf
		switch {
		case p.byLeaf && follows:
			m.Parts[last].ByLeaf = append(m.Parts[last].ByLeaf, p.ref)
			m.Parts[last].Count++
			bytes += 38
		case p.byLeaf:
			m.Parts = append(m.Parts, records.Part{First: p.block, Count: 1, ByLeaf: []records.LeafRef{p.ref}})
			bytes += 52
		case follows && m.Parts[last].Run == p.run && uint64(m.Parts[last].At)+m.Parts[last].Count == uint64(p.at):
			m.Parts[last].Count++
		default:
			m.Parts = append(m.Parts, records.Part{First: p.block, Count: 1, Run: p.run, At: p.at})
			bytes += 24
		}
	}
	m.Roots = roots.Nodes()
	return m, n
}

// following returns which of the new nodes follow from the new blocks and from known nodes. It goes up level by level,
// where siblings are next to each other: only a sibling that is not there is looked up.
func (tx *Tx) following(ctx context.Context) (follow []uint64, err error) {
	level := make([]uint64, len(tx.puts))
	for i, p := range tx.puts {
		level[i] = 2 * p.block
	}
	for len(level) > 0 {
		above := level[:0] // is written behind the read position
		for i := 0; i < len(level); {
			index, both := level[i], i+1 < len(level) && level[i+1] == merkle.Sibling(level[i])
			i++
			if both {
				i++
			}
			for _, n := range []uint64{index, merkle.Sibling(index)} {
				if _, came := tx.nodes[n]; came && (both || n == index) {
					follow = append(follow, n)
				}
			}
			if !both {
				sibling, ok, err := tx.knownNode(ctx, merkle.Sibling(index))
				if err != nil {
					return nil, err
				}
				if !ok || sibling.Hint {
					continue
				}
			}
			above = append(above, merkle.Parent(index))
		}
		level = above
	}
	return follow, nil
}

// nodeRecords returns records of the new nodes, except those that follow from the new blocks and from known nodes.
func (tx *Tx) nodeRecords(ctx context.Context) ([]packlog.Record, error) {
	follow, err := tx.following(ctx)
	if err != nil {
		return nil, err
	}
	for _, index := range follow {
		delete(tx.nodes, index)
	}
	nodes := slices.Collect(maps.Values(tx.nodes))
	clear(tx.nodes)
	slices.SortFunc(nodes, func(a, b merkle.Node) int {
		if a.Index < b.Index {
			return -1
		}
		return 1
	})
	if len(nodes) == 0 {
		return nil, nil
	}
	return []packlog.Record{{Kind: packlog.KindNodes, Meta: records.EncodeNodes(tx.key, nodes)}}, nil
}
