package table

import (
	"cmp"
	"context"
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
)

// A Batch is keys for which tables with filters are asked together, by [Table.Ask]. That is far cheaper than asking one
// by one: many blocks of a filter are fetched from memory, or read from the file, at a time. Its zero value is empty.
// Not for concurrent use.
type Batch struct {
	probes []probe // ascending by their keys, once sorted
	may    []byte  // by number: 1 if a table may have it
	order  order   // of probes
	spare  []probe // room for grouping them

	touched byte // so that touching memory is not optimized away
}

// order is how far probes have been sorted by their keys.
type order int

const (
	asTheyCame order = iota
	grouped          // by their first bits
	ascending
)

// probe is the part of a key that a filter uses.
type probe struct {
	key        uint64 // its first eight bytes
	mark, step uint32
	number     uint32 // in the order in which keys were added
}

// Reset makes the batch empty.
func (b *Batch) Reset() { b.probes, b.may, b.order = b.probes[:0], b.may[:0], asTheyCame }

// Add adds a key of at least 16 bytes. Keys are numbered from 0 in the order in which they are added.
func (b *Batch) Add(key []byte) {
	mark, step := marksOf(key)
	b.probes = append(b.probes, probe{binary.BigEndian.Uint64(key), mark, step, uint32(len(b.may))})
	b.may = append(b.may, 0)
	b.order = asTheyCame
}

// MayHave reports whether any table asked so far may have the key with that number. If not, none of them has it.
func (b *Batch) MayHave(number int) bool { return b.may[number] == 1 }

// Ask notes in the batch which of its keys the table may have. The table's keys must be at least 16 bytes long.
func (t *Table) Ask(ctx context.Context, b *Batch) error {
	switch {
	case t.header.rows == 0 || len(b.probes) == 0:
		return nil
	case t.header.filter == 0:
		for i := range b.may {
			b.may[i] = 1
		}
		return nil
	}
	held, err := t.holdFilter(ctx, len(b.probes))
	if err == nil && held != nil {
		b.askHeld(held, t.header.filter)
		return nil
	}
	if err == nil {
		err = t.askFile(ctx, b)
	}
	return t.failed(err)
}

// askHeld asks a filter that is in memory, roughly from beginning to end. It touches several blocks before it uses the
// first of them: touching is so little work that many blocks are on their way from memory at once.
func (b *Batch) askHeld(filter []byte, blocks uint64) {
	b.group()
	var at [touchedTogether]uint64 // where their blocks begin
	for probes := b.probes; len(probes) > 0; {
		some := probes[:min(len(probes), len(at))]
		probes = probes[len(some):]
		for i := range some {
			number, _ := bits.Mul64(some[i].key, blocks)
			at[i] = number * filterBlock
			b.touched |= filter[at[i]]
		}
		for i := range some {
			p := &some[i]
			b.may[p.number] |= hasMarks((*[filterBlock]byte)(filter[at[i]:]), p.mark, p.step)
		}
	}
}

const touchedTogether = 64 // blocks of a filter that are fetched from memory at a time

const (
	askedBlocks = 1024 // of a filter, read at once at most
	askedApart  = 32   // unwanted blocks between two wanted ones that are read along, rather than making a second read
)

var askedBuffers = sync.Pool{New: func() any { return new([askedBlocks * filterBlock]byte) }}

// askFile asks a filter that is in the file, from beginning to end.
func (t *Table) askFile(ctx context.Context, b *Batch) error {
	b.sort()
	buffer := askedBuffers.Get().(*[askedBlocks * filterBlock]byte)
	defer askedBuffers.Put(buffer)
	for probes := b.probes; len(probes) > 0; {
		first, count, n := t.together(probes)
		if err := t.askPart(ctx, b, probes[:n], first, buffer[:count*filterBlock]); err != nil {
			return err
		}
		probes = probes[n:]
	}
	return nil
}

func (b *Batch) sort() {
	if b.order < ascending {
		slices.SortFunc(b.probes, func(x, y probe) int { return cmp.Compare(x.key, y.key) })
		b.order = ascending
	}
}

const (
	groupBits = 11      // bits: probes with the same first bits form a group
	groupFrom = 1 << 10 // probes: fewer are not worth grouping
)

// group moves probes that ask neighbouring blocks next to one another, whatever the filter, in one pass: so what is
// fetched of a filter, and the pages it is in, are used while they are at hand.
func (b *Batch) group() {
	if b.order > asTheyCame || len(b.probes) < groupFrom {
		return
	}
	var next [1<<groupBits + 1]uint32 // where the next probe of a group goes
	for i := range b.probes {
		next[b.probes[i].key>>(64-groupBits)+1]++
	}
	for i := range len(next) - 1 {
		next[i+1] += next[i]
	}
	b.spare = slices.Grow(b.spare[:0], len(b.probes))[:len(b.probes)]
	for _, p := range b.probes {
		at := &next[p.key>>(64-groupBits)]
		b.spare[*at] = p
		*at++
	}
	b.probes, b.spare = b.spare, b.probes
	b.order = grouped
}

// together returns which blocks to read at once, for the first n probes.
func (t *Table) together(probes []probe) (first, count uint64, n int) {
	for _, p := range probes {
		number, _ := bits.Mul64(p.key, t.header.filter)
		if n == 0 {
			first = number
		} else if number >= first+count+askedApart || number-first >= askedBlocks {
			break
		}
		count = number - first + 1
		n++
	}
	return first, count, n
}

// askPart reads the blocks from first on and asks them; it checks the checksums only of blocks that it needs.
func (t *Table) askPart(ctx context.Context, b *Batch, probes []probe, first uint64, blocks []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := readFull(t.file, blocks, pageSize+int64(first)*filterBlock); err != nil {
		return err
	}
	compared := first
	for i, p := range probes {
		number, _ := bits.Mul64(p.key, t.header.filter)
		block := (*[filterBlock]byte)(blocks[(number-first)*filterBlock:])
		if i == 0 || number != compared {
			if !t.sealedFilter(block, number) {
				return badFilterBlock(number)
			}
			compared = number
		}
		b.may[p.number] |= hasMarks(block, p.mark, p.step)
	}
	return nil
}
