package keys

import (
	"bytes"
	"fmt"

	"hc/lib/compact"
	"hc/lib/hash"
)

// Constants of the protocol that manifests and signatures use. Source: hypercore, caps; vectors: crypto.json.
var (
	treeNamespace     = hash.Namespace("hypercore", 0)
	manifestNamespace = hash.Namespace("hypercore", 3)
	defaultNamespace  = hash.Namespace("hypercore", 4)
)

// maxManifestVersion is the newest version whose layout is known.
const maxManifestVersion = 3

// Manifest says who signs for a core. Its hash is the core's key. Numbers in its encoding are compact uints:
//
//	version 0:   0, hash type 0, type
//	             type 0: static hash      type 1: signer      type 2: flags (1 patch), quorum, array of signers
//	version 1-3: version, flags (1 patch, 2 prologue, 4 linked, 8 user data), hash type 0, quorum, array of signers,
//	             then by flag: tree hash, length · array of 32 byte keys · buffer (the last two from version 2 on)
//	signer:      signature type 0 (Ed25519), namespace, public key
//
// Source: hypercore, messages; vectors: manifests.json.
type Manifest struct {
	Version    uint64       // 0 to 3
	Static     *hash.Digest // version 0 only: a static hash and no signers
	AllowPatch bool
	Quorum     uint64 // how many signers must sign
	Signers    []Signer
	Prologue   *Prologue // version 1 and up
	Linked     []Key     // version 2 and up; nil: absent
	UserData   []byte    // version 2 and up; nil: absent
}

// Signer is a key that may sign, in a namespace.
type Signer struct {
	Namespace hash.Digest // distinguishes the cores of one key
	PublicKey Key         // Ed25519
}

// Prologue is a start of a log that the manifest fixes and nobody signs.
type Prologue struct {
	TreeHash hash.Digest
	Length   uint64 // blocks
}

const (
	flagPatch = 1 << iota
	flagPrologue
	flagLinked
	flagUserData
)

// Types of version 0.
const (
	typeStatic = iota
	typeSigner
	typeSigners
)

// DefaultManifest returns the usual manifest: version 1, one signer with the default namespace.
func DefaultManifest(public Key) Manifest {
	return Manifest{Version: 1, Quorum: 1, Signers: []Signer{{Namespace: defaultNamespace, PublicKey: public}}}
}

// ManifestOf returns the encoded manifest of the core key if key and its signer's public key determine it: the usual
// one, or nil for a compat core. Else the error wraps [ErrKey].
func ManifestOf(key, signer Key) ([]byte, error) {
	if key == signer {
		return nil, nil
	}
	m := DefaultManifest(signer)
	if m.Key() != key {
		return nil, fmt.Errorf("%w: core %s has another signer than %s, or an unusual manifest", ErrKey, key.Short(), signer.Short())
	}
	return m.Encode(), nil
}

// Encode returns the only encoding of the manifest. Fields that its version does not have are left out.
func (m Manifest) Encode() []byte {
	b := compact.AppendUint(nil, m.Version)
	if m.Version == 0 {
		return m.appendVersion0(b)
	}
	flags := uint64(0)
	set := func(on bool, flag uint64) {
		if on {
			flags |= flag
		}
	}
	set(m.AllowPatch, flagPatch)
	set(m.Prologue != nil, flagPrologue)
	set(m.Linked != nil && m.Version >= 2, flagLinked)
	set(m.UserData != nil && m.Version >= 2, flagUserData)
	b = append(compact.AppendUint(b, flags), 0)
	b = m.appendSigners(b)
	if m.Prologue != nil {
		b = compact.AppendUint(append(b, m.Prologue.TreeHash[:]...), m.Prologue.Length)
	}
	if flags&flagLinked != 0 {
		b = compact.AppendUint(b, uint64(len(m.Linked)))
		for _, k := range m.Linked {
			b = append(b, k[:]...)
		}
	}
	if flags&flagUserData != 0 {
		b = compact.AppendBuffer(b, m.UserData)
	}
	return b
}

func (m Manifest) appendVersion0(b []byte) []byte {
	b = append(b, 0)
	switch {
	case m.Static != nil && len(m.Signers) == 0:
		return append(append(b, typeStatic), m.Static[:]...)
	case m.Quorum == 1 && len(m.Signers) == 1 && !m.AllowPatch:
		return m.Signers[0].append(append(b, typeSigner))
	}
	b = compact.AppendBool(append(b, typeSigners), m.AllowPatch)
	return m.appendSigners(b)
}

func (m Manifest) appendSigners(b []byte) []byte {
	b = compact.AppendUint(b, m.Quorum)
	b = compact.AppendUint(b, uint64(len(m.Signers)))
	for _, s := range m.Signers {
		b = s.append(b)
	}
	return b
}

// signerSize is the length of an encoded signer in bytes.
const signerSize = 1 + hash.Size + Size

func (s Signer) append(b []byte) []byte {
	b = append(b, 0)
	b = append(b, s.Namespace[:]...)
	return append(b, s.PublicKey[:]...)
}

// DecodeManifest reads a manifest. It accepts only the encoding that the result would encode to. It keeps nothing of
// b. The error wraps [ErrManifest], and also [ErrUnsupported] for an unknown version.
func DecodeManifest(b []byte) (Manifest, error) {
	d := compact.NewDecoder(b)
	m := Manifest{Version: d.Uint()}
	switch {
	case d.Err() != nil:
	case m.Version > maxManifestVersion:
		return Manifest{}, fmt.Errorf("%w: version %d: %w", ErrManifest, m.Version, ErrUnsupported)
	case m.Version == 0:
		m.decodeVersion0(d)
	default:
		m.decode(d)
	}
	if err := d.Err(); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if !bytes.Equal(m.Encode(), b) {
		return Manifest{}, fmt.Errorf("%w: not in its shortest form", ErrManifest)
	}
	return m, nil
}

func (m *Manifest) decodeVersion0(d *compact.Decoder) {
	decodeZero(d, "hash type")
	switch t := d.Uint(); t {
	case typeStatic:
		h := hash.Digest(d.Fixed32())
		m.Static = &h
	case typeSigner:
		m.Quorum, m.Signers = 1, []Signer{decodeSigner(d)}
	case typeSigners:
		m.AllowPatch = d.Uint()&flagPatch != 0
		m.decodeSigners(d)
	default:
		d.Fail("unknown type %d", t)
	}
}

func (m *Manifest) decode(d *compact.Decoder) {
	flags := d.Uint()
	m.AllowPatch = flags&flagPatch != 0
	decodeZero(d, "hash type")
	m.decodeSigners(d)
	if flags&flagPrologue != 0 {
		m.Prologue = &Prologue{TreeHash: d.Fixed32(), Length: d.Uint()}
	}
	if flags&flagLinked != 0 && m.Version >= 2 {
		m.Linked = make([]Key, d.ArrayLen(Size, compact.MaxArray))
		for i := range m.Linked {
			m.Linked[i] = d.Fixed32()
		}
	}
	if flags&flagUserData != 0 && m.Version >= 2 {
		m.UserData = append([]byte{}, d.Buffer(d.Left())...)
	}
}

func (m *Manifest) decodeSigners(d *compact.Decoder) {
	m.Quorum = d.Uint()
	m.Signers = make([]Signer, d.ArrayLen(signerSize, compact.MaxArray))
	for i := range m.Signers {
		m.Signers[i] = decodeSigner(d)
	}
}

func decodeSigner(d *compact.Decoder) Signer {
	decodeZero(d, "signature type")
	return Signer{Namespace: d.Fixed32(), PublicKey: d.Fixed32()}
}

// decodeZero reads a number for which 0 is the only known value.
func decodeZero(d *compact.Decoder, what string) {
	if n := d.Uint(); n != 0 {
		d.Fail("unknown %s %d", what, n)
	}
}

// Key returns the key of the core: BLAKE2b-256(namespace ‖ encoded manifest).
func (m Manifest) Key() Key {
	return Key(hash.Sum(manifestNamespace[:], m.Encode()))
}
