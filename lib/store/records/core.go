package records

import (
	"fmt"

	"hc/lib/compact"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// EncodeCore encodes a core record's meta. Without a manifest, the key is the signer's own.
func EncodeCore(key keys.Key, manifest []byte) []byte {
	return compact.AppendBuffer(append([]byte{0}, key[:]...), manifest)
}

func decodeCore(meta []byte) (key keys.Key, manifest []byte, err error) {
	d := compact.NewDecoder(meta)
	flags(d, 0)
	key = d.Fixed32()
	if m := d.Buffer(MaxManifest); len(m) > 0 {
		manifest = append([]byte(nil), m...)
	}
	return key, manifest, finish("core", d)
}

// Truncate cuts history back.
type Truncate struct {
	Key          keys.Key
	Fork, Length uint64
	Roots        []merkle.Node // full roots at Length
}

// Encode returns the meta.
func (m Truncate) Encode() []byte {
	b := append([]byte{0}, m.Key[:]...)
	b = compact.AppendUint(b, m.Fork)
	b = compact.AppendUint(b, m.Length)
	b = compact.AppendUint(b, uint64(len(m.Roots)))
	for _, n := range m.Roots {
		b = appendNode(b, n)
	}
	return b
}

// DecodeTruncate decodes a truncate record's meta.
func DecodeTruncate(meta []byte) (*Truncate, error) {
	d := compact.NewDecoder(meta)
	flags(d, 0)
	m := &Truncate{Key: d.Fixed32(), Fork: d.Uint(), Length: d.Uint()}
	m.Roots = readNodes(d, 64, false)
	if err := finish("truncate", d); err != nil {
		return nil, err
	}
	if m.Length > merkle.MaxLength {
		return nil, fmt.Errorf("%w: truncate: length %d is out of range", ErrMalformed, m.Length)
	}
	if _, err := merkle.NewRoots(m.Length, m.Roots); err != nil {
		return nil, malformed("truncate", err)
	}
	return m, nil
}

// Clear forgets blocks First … End-1.
type Clear struct {
	Key        keys.Key
	First, End uint64
}

// Encode returns the meta.
func (m Clear) Encode() []byte {
	return compact.AppendUint(compact.AppendUint(append([]byte{0}, m.Key[:]...), m.First), m.End)
}

func decodeClear(meta []byte) (Clear, error) {
	d := compact.NewDecoder(meta)
	flags(d, 0)
	m := Clear{Key: d.Fixed32(), First: d.Uint(), End: d.Uint()}
	return m, finish("clear", d)
}

// EncodeDrop encodes a drop record's meta.
func EncodeDrop(key keys.Key) []byte { return append([]byte{0}, key[:]...) }

func decodeDrop(meta []byte) (keys.Key, error) {
	d := compact.NewDecoder(meta)
	flags(d, 0)
	key := keys.Key(d.Fixed32())
	return key, finish("drop", d)
}
