package table

import (
	"cmp"
	"context"
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
)

// A Batch is keys that tables with filters are asked for together, by [Table.Ask], which is far cheaper than one by one: what brings a block of
// a filter from memory, or from the file, is done for many at a time. Its zero value is empty. Not for concurrent use.
type Batch struct {
	probes []probe // ascending by their keys, once sorted
	may    []byte  // by number: 1 if a table may have it
	order  order   // of probes
	spare  []probe // room to group them in

	touched byte // so that what is touched is read
}

// order is how far probes are in the order of their keys.
type order int

const (
	asTheyCame order = iota
	grouped          // by their first bits
	ascending
)

// probe is as much of a key as a filter looks at.
type probe struct {
	key        uint64 // its first eight bytes
	mark, step uint32
	number     uint32 // in the order in which keys came
}

// Reset makes the batch empty.
func (b *Batch) Reset() { b.probes, b.may, b.order = b.probes[:0], b.may[:0], asTheyCame }

// Add adds a key of at least 16 bytes. Keys are numbered from 0 in the order in which they come.
func (b *Batch) Add(key []byte) {
	mark, step := marksOf(key)
	b.probes = append(b.probes, probe{binary.BigEndian.Uint64(key), mark, step, uint32(len(b.may))})
	b.may = append(b.may, 0)
	b.order = asTheyCame
}

// MayHave reports whether a table that was asked may have the key with that number. If not, none of them has it.
func (b *Batch) MayHave(number int) bool { return b.may[number] == 1 }

// Ask notes in the batch which of its keys the table may have. Its keys must be at least 16 bytes long.
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

// askHeld asks a filter that is in memory, about from its begin to its end. Some blocks are touched before the first of them is looked at: as that
// is next to nothing to do, many of them are on their way from memory at a time.
func (b *Batch) askHeld(filter []byte, blocks uint64) {
	b.group()
	var at [touchedTogether]uint64 // where their blocks are
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

const touchedTogether = 64 // blocks of a filter that are brought from memory at a time

const (
	askedBlocks = 1024 // of a filter, that are read at once at most
	askedApart  = 32   // blocks between two that are wanted which are read along: sooner than a second read is made
)

var askedBuffers = sync.Pool{New: func() any { return new([askedBlocks * filterBlock]byte) }}

// askFile asks a filter that is in the file, from its begin to its end.
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
	groupBits = 11      // groups of probes have keys whose first bits are the same
	groupFrom = 1 << 10 // probes that are worth it
)

// group puts probes next to one another that ask neighbouring blocks, whichever the filter, in one pass: so what of a filter is brought from
// memory, and the pages that it lies in, are used while they are at hand.
func (b *Batch) group() {
	if b.order > asTheyCame || len(b.probes) < groupFrom {
		return
	}
	var next [1<<groupBits + 1]uint32 // where the next one of a group goes
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

// together returns which blocks are read at once, for the first n probes.
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

// askPart asks the blocks from first on, which it reads; only those that are asked are compared with their checksums.
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
