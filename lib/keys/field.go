package keys

import (
	"hc/lib/compact"
	"hc/lib/hash"
)

// The signature field of a head, on the wire and in storage. For compat cores, and those of version 0 with one
// signer, it is just the 64 bytes of the signature. For all others:
//
//	version 1 up: array of { signer index, 64 byte signature, patch length }, array of nodes
//	version 0:    array of { flags (1 patch), signer index, 64 byte signature, by flag: start, length, array of
//	              positions in the nodes }, array of nodes
//	node:         index, size, 32 byte hash
//
// Source: hypercore, multisig; vectors: manifests.json.

// part is one signer's signature.
type part struct {
	signer    uint64
	signature [64]byte
	patch     uint64 // by how many blocks the signer's log was longer; 0: no patch
}

const (
	partMin = 1 + 64 + 1
	nodeMin = 1 + 1 + hash.Size
)

// appendField appends a field without patches, for version 1 and up.
func appendField(b []byte, parts ...part) []byte {
	b = compact.AppendUint(b, uint64(len(parts)))
	for _, p := range parts {
		b = compact.AppendUint(b, p.signer)
		b = append(b, p.signature[:]...)
		b = compact.AppendUint(b, 0)
	}
	return compact.AppendUint(b, 0)
}

// decodeField reads a field. Like stock it ignores bytes after it.
func decodeField(version uint64, field []byte) ([]part, error) {
	d := compact.NewDecoder(field)
	parts := make([]part, d.ArrayLen(partMin, compact.MaxArray))
	for i := range parts {
		if version == 0 {
			parts[i] = decodePart0(d)
		} else {
			parts[i] = part{signer: d.Uint(), signature: d.Fixed64(), patch: d.Uint()}
		}
	}
	for range d.ArrayLen(nodeMin, compact.MaxArray) {
		d.Uint()
		d.Uint()
		d.Fixed32()
	}
	return parts, d.Err()
}

func decodePart0(d *compact.Decoder) part {
	flags := d.Uint()
	p := part{signer: d.Uint(), signature: d.Fixed64()}
	if flags&1 != 0 {
		d.Uint()
		p.patch = d.Uint()
		for range d.ArrayLen(1, compact.MaxArray) {
			d.Uint()
		}
	}
	return p
}
