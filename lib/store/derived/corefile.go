package derived

import (
	"hc/lib/compact"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/blockmap"
	"hc/lib/store/records"
)

const (
	coreMagic   = "hc-core 1\n"
	maxCoreFile = 32 << 20 // bytes
)

// Limits of a core's file.
const (
	MostInline = 1024 // ranges; more are in a table
	MostSeen   = 16   // conflicting heads
)

// CoreFile is the file that describes the derived state of a core at the applied position.
type CoreFile struct {
	Key        keys.Key
	Manifest   []byte
	Known      bool // Head is set
	Head       records.Head
	Tree, Runs []TableRef       // newest first
	Ranges     []blockmap.Range // ascending, apart from one another; none if they are in a table
	RangesFile uint64           // the table's number; 0: there is none
	Seen       []records.Head   // conflicting ones, oldest first
}

// Encode returns the bytes of the file.
func (c *CoreFile) Encode() []byte {
	b := append([]byte(coreMagic), c.Key[:]...)
	b = compact.AppendBuffer(b, c.Manifest)
	b = compact.AppendBool(b, c.Known)
	if c.Known {
		b = records.AppendHead(b, c.Head)
	}
	for _, tables := range [][]TableRef{c.Tree, c.Runs} {
		b = compact.AppendUint(b, uint64(len(tables)))
		for _, t := range tables {
			b = compact.AppendUint(b, t.Level)
			b = compact.AppendUint(b, t.Number)
			b = compact.AppendUint(b, t.Limit)
		}
	}
	b = compact.AppendUint(b, uint64(len(c.Ranges)))
	for _, r := range c.Ranges {
		b = compact.AppendUint(b, r.First)
		b = compact.AppendUint(b, r.End-r.First)
	}
	b = compact.AppendUint(b, c.RangesFile)
	b = compact.AppendUint(b, uint64(len(c.Seen)))
	for _, h := range c.Seen {
		b = records.AppendHead(b, h)
	}
	return seal(b)
}

func decodeCoreFile(raw []byte) (*CoreFile, error) {
	body, err := unseal(coreMagic, raw)
	if err != nil {
		return nil, err
	}
	d := compact.NewDecoder(body)
	c := &CoreFile{Key: d.Fixed32()}
	if m := d.Buffer(records.MaxManifest); len(m) > 0 {
		c.Manifest = append([]byte(nil), m...)
	}
	if c.Known = d.Bool(); c.Known {
		c.Head = records.ReadHead(d)
	}
	for _, tables := range []*[]TableRef{&c.Tree, &c.Runs} {
		*tables = make([]TableRef, d.ArrayLen(3, compact.MaxArray))
		for i := range *tables {
			(*tables)[i] = TableRef{Level: d.Uint(), Number: d.Uint(), Limit: d.Uint()}
		}
	}
	c.Ranges = make([]blockmap.Range, d.ArrayLen(2, MostInline))
	next := uint64(0)
	for i := range c.Ranges {
		first, count := d.Uint(), d.Uint()
		if count == 0 || first < next || first+count > merkle.MaxLength {
			d.Fail("range of %d blocks from %d", count, first)
		}
		next = first + count
		c.Ranges[i] = blockmap.Range{First: first, End: next}
	}
	c.RangesFile = d.Uint()
	c.Seen = make([]records.Head, d.ArrayLen(36, MostSeen))
	for i := range c.Seen {
		c.Seen[i] = records.ReadHead(d)
	}
	if err := ended(d); err != nil {
		return nil, err
	}
	return c, nil
}
