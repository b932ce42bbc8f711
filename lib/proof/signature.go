package proof

import (
	"bytes"
	"errors"
	"fmt"

	"hc/lib/compact"
	"hc/lib/keys"
)

// A signature field has many spellings that stock treats as equal: longer integers, parts beyond the quorum, bytes
// after the last part. A stream carries only the plain one, so that no bit of it is without meaning.

// errPlain says why a field cannot be in a stream.
var errPlain = errors.New("not a plain signature field")

// signer is a core's key and the form of its signature fields.
type signer struct {
	auth    *keys.Auth
	version uint64
	quorum  uint64
	bare    bool // a field is one signature and nothing more
}

// newSigner accepts the manifest only in the spelling whose hash is the key, and none for a compat core.
func newSigner(key keys.Key, manifest []byte) (*signer, error) {
	auth, err := keys.NewAuth(key, manifest)
	if err != nil {
		return nil, err
	}
	if manifest == nil {
		return &signer{auth: auth, bare: true}, nil
	}
	m, err := keys.DecodeManifest(manifest)
	if err != nil {
		return nil, err
	}
	if auth.Compat() || !bytes.Equal(m.Encode(), manifest) {
		return nil, fmt.Errorf("%w: the key is not its hash", keys.ErrManifest)
	}
	s := &signer{auth: auth, version: m.Version, quorum: m.Quorum}
	s.bare = m.Version == 0 && len(m.Signers) == 1 && m.Quorum == 1 && !m.AllowPatch
	return s, nil
}

// plain returns the plain spelling of a head's signature field: none within a prologue; the bare signature; or else
// as many parts as must sign, without patches, and no nodes. Nobody signs the fork of a prologue, so it is 0.
func (s *signer) plain(fork, length uint64, field []byte) ([]byte, error) {
	if p := s.auth.Prologue(); p != nil && length <= p.Length {
		if fork != 0 {
			return nil, fmt.Errorf("fork %d of a prologue, which has none", fork)
		}
		return nil, nil
	}
	if s.bare {
		return field, nil
	}
	d := compact.NewDecoder(field)
	count := uint64(d.ArrayLen(66, compact.MaxArray))
	if count < s.quorum {
		return nil, fmt.Errorf("%w: %d parts of the %d needed", errPlain, count, s.quorum)
	}
	b := compact.AppendUint(nil, s.quorum)
	for range s.quorum {
		if s.version == 0 && d.Uint() != 0 {
			return nil, fmt.Errorf("%w: it has a patch", errPlain)
		} else if s.version == 0 {
			b = compact.AppendUint(b, 0)
		}
		b = compact.AppendUint(b, d.Uint())
		signature := d.Fixed64()
		b = append(b, signature[:]...)
		if s.version > 0 && d.Uint() != 0 {
			return nil, fmt.Errorf("%w: it has a patch", errPlain)
		} else if s.version > 0 {
			b = compact.AppendUint(b, 0)
		}
	}
	return compact.AppendUint(b, 0), d.Err()
}

// verify checks that field is the plain signature field of a head.
func (s *signer) verify(h keys.Head, field []byte) error {
	plain, err := s.plain(h.Fork, h.Length, field)
	if err != nil {
		return err
	}
	if !bytes.Equal(plain, field) {
		return errPlain
	}
	return s.auth.Verify(h, field)
}
