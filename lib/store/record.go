package store

import (
	"errors"
	"fmt"

	"hc/lib/compact"
	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// Limits of records, see FORMAT.md.
const (
	maxBlock       = 15 << 20 // bytes, stock's limit
	maxRaw         = 16 << 20 // bytes of a run, not compressed
	maxRunBlocks   = 1 << 16
	maxSpanBlocks  = 1 << 16
	maxRecordNodes = 1 << 16
	maxManifest    = 64 << 10  // bytes
	maxSignature   = 256 << 10 // bytes
	maxWindow      = 8 << 20   // bytes, of a zstd frame
)

// errMeta is wrapped by all errors about a record's meta that breaks a rule of FORMAT.md.
var errMeta = errors.New("malformed record")

// spanMeta names blocks that a core gains.
type spanMeta struct {
	append bool // it begins where the core, or the span before it, ended
	key    keys.Key
	first  uint64
	parts  []spanPart // ascending
	roots  []merkle.Node
}

// noRun is lowestRun of a span that names none.
const noRun = 1 << 32

// lowestRun returns the lowest ordinal of the runs that the span names.
func (m *spanMeta) lowestRun() (lowest uint64) {
	lowest = noRun
	for _, p := range m.parts {
		if p.inRun() {
			lowest = min(lowest, uint64(p.run))
		}
	}
	return lowest
}

// spanPart is neighbouring blocks of a core.
type spanPart struct {
	first  uint64    // block
	count  uint64    // blocks
	run    uint32    // ordinal of the run in its append
	at     uint32    // number of the first block in the run
	byLeaf []leafRef // count of them; nil: in the run, or the passage

	passage  *passage // of count blocks; nil: in the run, or by leaf
	together bool     // while it is built: what is in byLeaf is a passage, if it is long enough
}

// inRun reports whether the part's blocks are in a run of the same append.
func (p *spanPart) inRun() bool { return p.byLeaf == nil && p.passage == nil }

// leafRef names a block that the store has.
type leafRef struct {
	size uint64 // bytes
	leaf hash.Digest
}

func (p spanPart) end() uint64 { return p.first + p.count }

const (
	spanAppend   = 1 // flag
	spanPassages = 2 // flag: some parts are passages
	seenSettled  = 1 // flag
	codecRaw     = 0
	codecZstd    = 1
	codecDelta   = 2
	minNodeBytes = 2 + hash.Size
)

func malformed(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", errMeta, what, err)
}

// finish returns the decoder's error, or one for bytes behind the end.
func finish(what string, d *compact.Decoder) error {
	if d.Err() == nil && d.Left() > 0 {
		d.Fail("%d bytes behind the end", d.Left())
	}
	if err := d.Err(); err != nil {
		return malformed(what, err)
	}
	return nil
}

// flags reads the flags; those that are not known are an error.
func flags(d *compact.Decoder, known byte) byte {
	b := u8(d)
	if b&^known != 0 {
		d.Fail("unknown flags %#02x", b)
	}
	return b
}

func u8(d *compact.Decoder) byte {
	v := d.Uint()
	if v >= 0xfd { // so that every such byte has one spelling, which is itself
		d.Fail("byte %#x is out of range", v)
		return 0
	}
	return byte(v)
}

func appendNode(b []byte, n merkle.Node) []byte {
	b = compact.AppendUint(b, n.Index)
	b = compact.AppendUint(b, n.Size)
	return append(b, n.Hash[:]...)
}

func readNodes(d *compact.Decoder, max int, hint bool) []merkle.Node {
	n := d.ArrayLen(minNodeBytes, max)
	nodes := make([]merkle.Node, 0, n)
	for range n {
		nodes = append(nodes, merkle.Node{Index: d.Uint(), Size: d.Uint(), Hash: d.Fixed32(), Hint: hint})
	}
	return nodes
}

// encodeNodes writes a nodes record: certain ones first.
func encodeNodes(key keys.Key, nodes []merkle.Node) []byte {
	b := append([]byte{0}, key[:]...)
	for _, hint := range []bool{false, true} {
		count := 0
		for _, n := range nodes {
			if n.Hint == hint {
				count++
			}
		}
		b = compact.AppendUint(b, uint64(count))
		for _, n := range nodes {
			if n.Hint == hint {
				b = appendNode(b, n)
			}
		}
	}
	return b
}

func decodeNodes(meta []byte) (keys.Key, []merkle.Node, error) {
	d := compact.NewDecoder(meta)
	flags(d, 0)
	key := keys.Key(d.Fixed32())
	nodes := readNodes(d, maxRecordNodes, false)
	nodes = append(nodes, readNodes(d, maxRecordNodes-len(nodes), true)...)
	return key, nodes, finish("nodes", d)
}

func appendHead(b []byte, h Head) []byte {
	b = compact.AppendUint(b, h.Fork)
	b = compact.AppendUint(b, h.Length)
	b = compact.AppendUint(b, h.ByteLength)
	b = append(b, h.TreeHash[:]...)
	return compact.AppendBuffer(b, h.Signature)
}

func readHead(d *compact.Decoder) Head {
	h := Head{Fork: d.Uint(), Length: d.Uint(), ByteLength: d.Uint(), TreeHash: d.Fixed32()}
	if h.Length > merkle.MaxLength {
		d.Fail("length %d is out of range", h.Length)
	}
	if signature := d.Buffer(maxSignature); len(signature) > 0 {
		h.Signature = append([]byte(nil), signature...)
	}
	return h
}

func encodeHead(key keys.Key, h Head) []byte {
	return appendHead(append([]byte{0}, key[:]...), h)
}

func decodeHead(meta []byte) (keys.Key, Head, error) {
	d := compact.NewDecoder(meta)
	flags(d, 0)
	key, h := keys.Key(d.Fixed32()), readHead(d)
	return key, h, finish("head", d)
}

func encodeCore(key keys.Key, manifest []byte) []byte {
	return compact.AppendBuffer(append([]byte{0}, key[:]...), manifest)
}

func decodeCore(meta []byte) (key keys.Key, manifest []byte, err error) {
	d := compact.NewDecoder(meta)
	flags(d, 0)
	key = d.Fixed32()
	if m := d.Buffer(maxManifest); len(m) > 0 {
		manifest = append([]byte(nil), m...)
	}
	return key, manifest, finish("core", d)
}

// truncateMeta cuts history back.
type truncateMeta struct {
	key          keys.Key
	fork, length uint64
	roots        []merkle.Node // full roots at length
}

func (m truncateMeta) encode() []byte {
	b := append([]byte{0}, m.key[:]...)
	b = compact.AppendUint(b, m.fork)
	b = compact.AppendUint(b, m.length)
	b = compact.AppendUint(b, uint64(len(m.roots)))
	for _, n := range m.roots {
		b = appendNode(b, n)
	}
	return b
}

func decodeTruncate(meta []byte) (*truncateMeta, error) {
	d := compact.NewDecoder(meta)
	flags(d, 0)
	m := &truncateMeta{key: d.Fixed32(), fork: d.Uint(), length: d.Uint()}
	m.roots = readNodes(d, 64, false)
	if err := finish("truncate", d); err != nil {
		return nil, err
	}
	if m.length > merkle.MaxLength {
		return nil, fmt.Errorf("%w: truncate: length %d is out of range", errMeta, m.length)
	}
	if _, err := merkle.NewRoots(m.length, m.roots); err != nil {
		return nil, malformed("truncate", err)
	}
	return m, nil
}

// clearMeta forgets blocks first … end-1.
type clearMeta struct {
	key        keys.Key
	first, end uint64
}

func (m clearMeta) encode() []byte {
	return compact.AppendUint(compact.AppendUint(append([]byte{0}, m.key[:]...), m.first), m.end)
}

func decodeClear(meta []byte) (clearMeta, error) {
	d := compact.NewDecoder(meta)
	flags(d, 0)
	m := clearMeta{key: d.Fixed32(), first: d.Uint(), end: d.Uint()}
	return m, finish("clear", d)
}

func encodeDrop(key keys.Key) []byte { return append([]byte{0}, key[:]...) }

func decodeDrop(meta []byte) (keys.Key, error) {
	d := compact.NewDecoder(meta)
	flags(d, 0)
	key := keys.Key(d.Fixed32())
	return key, finish("drop", d)
}

func encodeSeen(key keys.Key, h Head, settled bool) []byte {
	b := encodeHead(key, h)
	if settled {
		b[0] = seenSettled
	}
	return b
}

func decodeSeen(meta []byte) (key keys.Key, h Head, settled bool, err error) {
	d := compact.NewDecoder(meta)
	settled = flags(d, seenSettled) != 0
	key, h = d.Fixed32(), readHead(d)
	return key, h, settled, finish("seen", d)
}
