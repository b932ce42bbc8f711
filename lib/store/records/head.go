package records

import (
	"hc/lib/compact"
	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// Head is what a core's owner signed.
type Head struct {
	Fork, Length, ByteLength uint64
	TreeHash                 hash.Digest
	Signature                []byte // the signature field as it travels (lib/keys); empty for an unsigned empty core
}

// AppendHead appends a head as encoded in a head record and a .core file.
func AppendHead(b []byte, h Head) []byte {
	b = compact.AppendUint(b, h.Fork)
	b = compact.AppendUint(b, h.Length)
	b = compact.AppendUint(b, h.ByteLength)
	b = append(b, h.TreeHash[:]...)
	return compact.AppendBuffer(b, h.Signature)
}

// ReadHead decodes what AppendHead wrote.
func ReadHead(d *compact.Decoder) Head {
	h := Head{Fork: d.Uint(), Length: d.Uint(), ByteLength: d.Uint(), TreeHash: d.Fixed32()}
	if h.Length > merkle.MaxLength {
		d.Fail("length %d is out of range", h.Length)
	}
	if signature := d.Buffer(MaxSignature); len(signature) > 0 {
		h.Signature = append([]byte(nil), signature...)
	}
	return h
}

// EncodeHead encodes a head record's meta.
func EncodeHead(key keys.Key, h Head) []byte {
	return AppendHead(append([]byte{0}, key[:]...), h)
}

// DecodeHead decodes a head record's meta.
func DecodeHead(meta []byte) (keys.Key, Head, error) {
	d := compact.NewDecoder(meta)
	flags(d, 0)
	key, h := keys.Key(d.Fixed32()), ReadHead(d)
	return key, h, finish("head", d)
}

const seenSettled = 1 // flag

// EncodeSeen encodes the meta of a seen record, about a head that conflicts with the stored one.
func EncodeSeen(key keys.Key, h Head, settled bool) []byte {
	b := EncodeHead(key, h)
	if settled {
		b[0] = seenSettled
	}
	return b
}

func decodeSeen(meta []byte) (key keys.Key, h Head, settled bool, err error) {
	d := compact.NewDecoder(meta)
	settled = flags(d, seenSettled) != 0
	key, h = d.Fixed32(), ReadHead(d)
	return key, h, settled, finish("seen", d)
}
