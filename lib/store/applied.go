package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"hc/lib/compact"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

const (
	appliedName  = "applied"
	appliedMagic = "hc-applied 1\n"
	coreMagic    = "hc-core 1\n"

	inlineRanges = 1024 // so many ranges stand in the .core file
	maxSeen      = 16   // conflicting heads that are kept
)

// errDerived is wrapped by errors about derived files that are not what they should be: they are built again.
var errDerived = errors.New("derived file is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// applied is the small file that names all that is derived, and says up to where.
type applied struct {
	position packlog.Position
	next     uint64 // lowest number that no file has
	open     []openAppend
	packs    []packlog.Position // of one record each
	index    []tableRef         // newest first
	cores    []coreRef          // ascending keys
	hidden   []packlog.Position // damaged places before position where heads may have been lost
	stale    bool               // nothing else is set but next, for packs that it spoke of are not there; not in the file
}

// openAppend is an append with records before the applied position and no head there.
type openAppend struct {
	id    packlog.AppendID
	first packlog.Position
}

// tableRef is a table file. Rows with keys ≥ limit do not count.
type tableRef struct {
	level, number uint64
	limit         uint64 // of trees and runs
	rows          uint64 // of the index
}

// coreRef is where the derived state of a core is.
type coreRef struct {
	key    keys.Key
	number uint64
}

func (a *applied) encode() []byte {
	var b []byte
	b = compact.AppendUint(b, a.next)
	b = compact.AppendUint(b, uint64(len(a.open)))
	for _, o := range a.open {
		b = append(b, o.id[:]...)
		b = packlog.AppendPosition(b, o.first)
	}
	b = compact.AppendUint(b, uint64(len(a.packs)))
	for _, p := range a.packs {
		b = packlog.AppendPosition(b, p)
	}
	b = compact.AppendUint(b, uint64(len(a.index)))
	for _, t := range a.index {
		b = compact.AppendUint(b, t.level)
		b = compact.AppendUint(b, t.number)
		b = compact.AppendUint(b, t.rows)
	}
	b = compact.AppendUint(b, uint64(len(a.cores)))
	for _, c := range a.cores {
		b = append(b, c.key[:]...)
		b = compact.AppendUint(b, c.number)
	}
	if len(a.hidden) > 0 {
		b = compact.AppendUint(b, uint64(len(a.hidden)))
		for _, p := range a.hidden {
			b = packlog.AppendPosition(b, p)
		}
	}
	out := []byte(appliedMagic)
	out = packlog.AppendPosition(out, a.position)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(b)))
	return seal(append(out, b...))
}

func decodeApplied(raw []byte) (*applied, error) {
	body, err := unseal(appliedMagic, raw)
	if err != nil {
		return nil, err
	}
	const head = packlog.PositionSize + 8
	if len(body) < head || binary.LittleEndian.Uint64(body[packlog.PositionSize:]) != uint64(len(body)-head) {
		return nil, fmt.Errorf("%w: %d bytes are not its length", errDerived, len(body))
	}
	a := &applied{position: packlog.DecodePosition(body)}
	d := compact.NewDecoder(body[head:])
	a.next = d.Uint()
	a.open = make([]openAppend, d.ArrayLen(16+packlog.PositionSize, compact.MaxArray))
	for i := range a.open {
		a.open[i] = openAppend{id: readAppendID(d), first: readPosition(d)}
	}
	a.packs = make([]packlog.Position, d.ArrayLen(packlog.PositionSize, compact.MaxArray))
	for i := range a.packs {
		a.packs[i] = readPosition(d)
	}
	a.index = make([]tableRef, d.ArrayLen(3, compact.MaxArray))
	for i := range a.index {
		a.index[i] = tableRef{level: d.Uint(), number: d.Uint(), rows: d.Uint(), limit: blockmap.NoLimit}
	}
	a.cores = make([]coreRef, d.ArrayLen(33, compact.MaxArray))
	for i := range a.cores {
		a.cores[i] = coreRef{key: d.Fixed32(), number: d.Uint()}
	}
	if d.Left() > 0 {
		a.hidden = make([]packlog.Position, d.ArrayLen(packlog.PositionSize, packlog.MaxDamage))
		if len(a.hidden) == 0 {
			d.Fail("no hidden place, and room for them")
		}
		for i := range a.hidden {
			a.hidden[i] = readPosition(d)
		}
	}
	if err := ended(d); err != nil {
		return nil, err
	}
	return a, nil
}

func readPosition(d *compact.Decoder) packlog.Position {
	return packlog.Position{Pack: d.Uint64(), ID: d.Uint64(), Offset: d.Uint64()}
}

func readAppendID(d *compact.Decoder) (id packlog.AppendID) {
	binary.LittleEndian.PutUint64(id[:], d.Uint64())
	binary.LittleEndian.PutUint64(id[8:], d.Uint64())
	return id
}

// coreFile is the derived state of a core at the applied position.
type coreFile struct {
	key        keys.Key
	manifest   []byte
	known      bool // head is one
	head       Head
	tree, runs []tableRef // newest first
	ranges     []blockmap.Range
	rangesFile uint64 // their table where there are many; else 0
	seen       []Head
}

func (c *coreFile) encode() []byte {
	b := append([]byte(coreMagic), c.key[:]...)
	b = compact.AppendBuffer(b, c.manifest)
	b = compact.AppendBool(b, c.known)
	if c.known {
		b = records.AppendHead(b, c.head)
	}
	for _, tables := range [][]tableRef{c.tree, c.runs} {
		b = compact.AppendUint(b, uint64(len(tables)))
		for _, t := range tables {
			b = compact.AppendUint(b, t.level)
			b = compact.AppendUint(b, t.number)
			b = compact.AppendUint(b, t.limit)
		}
	}
	b = compact.AppendUint(b, uint64(len(c.ranges)))
	for _, r := range c.ranges {
		b = compact.AppendUint(b, r.First)
		b = compact.AppendUint(b, r.End-r.First)
	}
	b = compact.AppendUint(b, c.rangesFile)
	b = compact.AppendUint(b, uint64(len(c.seen)))
	for _, h := range c.seen {
		b = records.AppendHead(b, h)
	}
	return seal(b)
}

func decodeCoreFile(raw []byte) (*coreFile, error) {
	body, err := unseal(coreMagic, raw)
	if err != nil {
		return nil, err
	}
	d := compact.NewDecoder(body)
	c := &coreFile{key: d.Fixed32()}
	if m := d.Buffer(records.MaxManifest); len(m) > 0 {
		c.manifest = append([]byte(nil), m...)
	}
	if c.known = d.Bool(); c.known {
		c.head = records.ReadHead(d)
	}
	for _, tables := range []*[]tableRef{&c.tree, &c.runs} {
		*tables = make([]tableRef, d.ArrayLen(3, compact.MaxArray))
		for i := range *tables {
			(*tables)[i] = tableRef{level: d.Uint(), number: d.Uint(), limit: d.Uint()}
		}
	}
	c.ranges = make([]blockmap.Range, d.ArrayLen(2, inlineRanges))
	next := uint64(0)
	for i := range c.ranges {
		first, count := d.Uint(), d.Uint()
		if count == 0 || first < next || first+count > merkle.MaxLength {
			d.Fail("range of %d blocks from %d", count, first)
		}
		next = first + count
		c.ranges[i] = blockmap.Range{First: first, End: next}
	}
	c.rangesFile = d.Uint()
	c.seen = make([]Head, d.ArrayLen(36, maxSeen))
	for i := range c.seen {
		c.seen[i] = records.ReadHead(d)
	}
	if err := ended(d); err != nil {
		return nil, err
	}
	return c, nil
}

// ended returns the decoder's error, or one for bytes behind the end.
func ended(d *compact.Decoder) error {
	if d.Err() == nil && d.Left() > 0 {
		d.Fail("%d bytes behind the end", d.Left())
	}
	if err := d.Err(); err != nil {
		return fmt.Errorf("%w: %w", errDerived, err)
	}
	return nil
}

// seal appends the checksum of a small file.
func seal(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// unseal checks magic and checksum and returns what is between them.
func unseal(magic string, raw []byte) ([]byte, error) {
	if len(raw) < len(magic)+4 || string(raw[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: it does not begin with %q", errDerived, magic)
	}
	body := raw[:len(raw)-4]
	if binary.LittleEndian.Uint32(raw[len(body):]) != crc32.Checksum(body, castagnoli) {
		return nil, fmt.Errorf("%w: checksum does not match", errDerived)
	}
	return body[len(magic):], nil
}
