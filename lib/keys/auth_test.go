package keys

import (
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"hc/lib/hash"
)

type headVector struct {
	Length, Fork                                  uint64
	TreeHash, Signable, Signature, SignatureField string
}

type coreVector struct {
	Kind, Seed, Key, ManifestEncoded string
	Heads                            []headVector
	AfterTruncateTo3Fork1            *headVector
	AfterThatAppendNew               *headVector
}

// auth returns the core's Auth for a reader who has what stock sends.
func (v coreVector) auth(t *testing.T) *Auth {
	t.Helper()
	manifest := unhex(t, v.ManifestEncoded)
	if v.Kind == "compat" {
		manifest = nil
	}
	a, err := NewAuth(Key(unhex(t, v.Key)), manifest)
	if err != nil {
		t.Fatal(err)
	}
	if a.Compat() != (v.Kind == "compat") || a.Key().String() != v.Key {
		t.Errorf("%s: Compat() = %v, Key() = %v", v.Kind, a.Compat(), a.Key())
	}
	return a
}

// TestHeadVectors makes stock's signatures byte for byte, and verifies them.
func TestHeadVectors(t *testing.T) {
	var v struct{ Cores []coreVector }
	load(t, "cores.json", &v)
	signed := 0
	for _, core := range v.Cores {
		a := core.auth(t)
		secret := SecretFromSeed([32]byte(unhex(t, core.Seed)))
		heads := core.Heads
		for _, h := range []*headVector{core.AfterTruncateTo3Fork1, core.AfterThatAppendNew} {
			if h != nil {
				heads = append(heads, *h)
			}
		}
		for _, c := range heads {
			if c.Signature == "" {
				continue // stock never signs length 0
			}
			signed++
			h := Head{Fork: c.Fork, Length: c.Length, TreeHash: hash.Digest(unhex(t, c.TreeHash))}
			if got := hex.EncodeToString(a.signable(0, h)); got != c.Signable {
				t.Errorf("%s, length %d: signable %s, want %s", core.Kind, c.Length, got, c.Signable)
			}
			if s := secret.Sign(a.signable(0, h)); hex.EncodeToString(s[:]) != c.Signature {
				t.Errorf("%s, length %d: signature %x, want %s", core.Kind, c.Length, s, c.Signature)
			}
			field, err := a.Sign(secret, h)
			if err != nil || hex.EncodeToString(field) != c.SignatureField {
				t.Errorf("%s, length %d: field %x, %v, want %s", core.Kind, c.Length, field, err, c.SignatureField)
			}
			if err := a.Verify(h, field); err != nil {
				t.Errorf("%s, length %d: %v", core.Kind, c.Length, err)
			}
			refuses(t, a, h, field)
		}
	}
	if signed == 0 {
		t.Fatal("cores.json has no signed heads")
	}
}

// refuses changes every part of head and field.
func refuses(t *testing.T, a *Auth, h Head, field []byte) {
	t.Helper()
	for _, change := range []func(h *Head, field *[]byte){
		func(h *Head, _ *[]byte) { h.Length++ },
		func(h *Head, _ *[]byte) { h.Fork++ },
		func(h *Head, _ *[]byte) { h.TreeHash[31] ^= 1 },
		func(_ *Head, f *[]byte) { (*f)[20] ^= 1 },
		func(_ *Head, f *[]byte) { *f = (*f)[1:] },
		func(_ *Head, f *[]byte) { *f = nil },
	} {
		h, field := h, slices.Clone(field)
		change(&h, &field)
		if err := a.Verify(h, field); !errors.Is(err, ErrSignature) {
			t.Errorf("changed to %+v, %x: %v, want ErrSignature", h, field, err)
		}
	}
}

func TestSignableVectors(t *testing.T) {
	var v struct {
		Signable struct {
			TreeHash, ManifestHash, Signable, SignableCompat string
			Length, Fork                                     uint64
		}
	}
	load(t, "crypto.json", &v)
	c := v.Signable
	h := Head{Fork: c.Fork, Length: c.Length, TreeHash: hash.Digest(unhex(t, c.TreeHash))}
	compat := &Auth{}
	if got := hex.EncodeToString(compat.signable(0, h)); got != c.SignableCompat {
		t.Errorf("signable = %s, want %s", got, c.SignableCompat)
	}
	a := &Auth{key: Key(unhex(t, c.ManifestHash)), manifest: Manifest{Version: 1}, encoded: []byte{1}}
	if got := hex.EncodeToString(a.signable(0, h)); got != c.Signable {
		t.Errorf("signable = %s, want %s", got, c.Signable)
	}
}

func TestVerifyVectors(t *testing.T) {
	v := loadManifests(t).Verify
	h := Head{Fork: v.Fork, Length: v.Length, TreeHash: hash.Digest(unhex(t, v.TreeHash))}
	a, err := NewAuth(Key(unhex(t, v.Multisig.Key)), unhex(t, v.Multisig.Manifest))
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(a.signable(0, h)); got != v.Multisig.Signable {
		t.Errorf("signable %s, want %s", got, v.Multisig.Signable)
	}
	for _, c := range v.Multisig.Cases {
		if err := a.Verify(h, unhex(t, c.SignatureField)); (err == nil) != c.Accepted || err != nil && !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v, want accepted: %v", c.What, err, c.Accepted)
		}
	}
	// The signers of that core are the seeds 01, 02, 03 × 32; two of them make what stock made.
	parts := make([]part, 2)
	for i := range parts {
		var seed [32]byte
		for j := range seed {
			seed[j] = byte(i + 1)
		}
		parts[i] = part{signer: uint64(i), signature: SecretFromSeed(seed).Sign(a.signable(i, h))}
	}
	if got := hex.EncodeToString(appendField(nil, parts...)); got != v.Multisig.Cases[0].SignatureField {
		t.Errorf("field of two signers %s, want %s", got, v.Multisig.Cases[0].SignatureField)
	}

	if a, err = NewAuth(Key(unhex(t, v.Prologue.Key)), unhex(t, v.Prologue.Manifest)); err != nil {
		t.Fatal(err)
	}
	heads := map[string]Head{
		"length and hash of the prologue, no signature": h,
		"shorter than the prologue":                     {Length: h.Length - 1, TreeHash: h.TreeHash},
		"longer, no signature":                          {Length: h.Length + 1, TreeHash: h.TreeHash},
	}
	for _, c := range v.Prologue.Cases {
		head, ok := heads[c.What]
		if !ok {
			t.Errorf("vector %q is not tested", c.What)
		}
		if err := a.Verify(head, nil); (err == nil) != c.Accepted || err != nil && !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v, want accepted: %v", c.What, err, c.Accepted)
		}
	}
}

func TestNewAuth(t *testing.T) {
	secret := SecretFromSeed([32]byte{7})
	m := DefaultManifest(secret.Public())
	// A manifest whose one signer has the core key as public key makes a compat core, whatever it hashes to.
	a, err := NewAuth(secret.Public(), m.Encode())
	if err != nil || !a.Compat() || a.Manifest() != nil {
		t.Errorf("NewAuth of a signer's own key: %+v, %v", a, err)
	}
	h := Head{Length: 1}
	field, err := a.Sign(secret, h)
	if err != nil || len(field) != 64 || a.Verify(h, field) != nil {
		t.Errorf("compat signature %x, %v", field, err)
	}
	if a, err = NewAuth(m.Key(), nil); err != nil || !a.Compat() {
		t.Errorf("NewAuth without a manifest: %+v, %v", a, err)
	}
	if _, err := a.Sign(secret, h); !errors.Is(err, ErrKey) {
		t.Errorf("Sign with a secret that does not fit: %v, want ErrKey", err)
	}
	_, err = NewAuth(Key{1}, m.Encode())
	want := "invalid manifest: it is that of core " + m.Key().String() + ", not of 0100000000000000000000000000000000000000000000000000000000000000"
	if !errors.Is(err, ErrManifest) || err.Error() != want {
		t.Errorf("NewAuth of another core: %v, want %s", err, want)
	}
	if _, err := NewAuth(Key{1}, []byte{}); !errors.Is(err, ErrManifest) {
		t.Errorf("NewAuth of an empty manifest: %v, want ErrManifest", err)
	}
}

func TestUnsupported(t *testing.T) {
	secret := SecretFromSeed([32]byte{7})
	signer := Signer{Namespace: defaultNamespace, PublicKey: secret.Public()}
	other := Signer{Namespace: defaultNamespace, PublicKey: Key{9}}
	h := Head{Length: 1}
	for _, c := range []struct {
		name    string
		m       Manifest
		wantErr error
	}{
		{"one of two", Manifest{Version: 1, Quorum: 1, Signers: []Signer{other, signer}}, nil},
		{"patch allowed", Manifest{Version: 1, Quorum: 1, AllowPatch: true, Signers: []Signer{signer}}, nil},
		{"version 3", Manifest{Version: 3, Quorum: 1, Signers: []Signer{signer}, UserData: []byte{}}, nil},
		{"two of two", Manifest{Version: 1, Quorum: 2, Signers: []Signer{other, signer}}, ErrUnsupported},
		{"two of two, version 0", Manifest{Version: 0, Quorum: 1, Signers: []Signer{other, signer}}, ErrUnsupported},
		{"not a signer", Manifest{Version: 1, Quorum: 1, Signers: []Signer{other}}, ErrKey},
		{"nobody", Manifest{Version: 1, Quorum: 0}, ErrKey},
	} {
		a, err := NewAuth(c.m.Key(), c.m.Encode())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		field, err := a.Sign(secret, h)
		if !errors.Is(err, c.wantErr) {
			t.Errorf("%s: Sign: %v, want %v", c.name, err, c.wantErr)
		}
		if err == nil {
			if err := a.Verify(h, field); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		} else if a.Verify(h, appendField(nil, part{})) == nil {
			t.Errorf("%s: verified", c.name)
		}
	}

	m := Manifest{Version: 1, Quorum: 1, AllowPatch: true, Signers: []Signer{signer}}
	a, err := NewAuth(m.Key(), m.Encode())
	if err != nil {
		t.Fatal(err)
	}
	patched := appendField(nil, part{signature: secret.Sign(a.signable(0, h))})
	patched[1+1+64] = 1 // blocks of patch
	err = a.Verify(h, patched)
	if !errors.Is(err, ErrUnsupported) || !errors.Is(err, ErrSignature) {
		t.Errorf("patched signature: %v, want ErrUnsupported", err)
	}
	if want := "invalid signature: not supported: signer 0 signed a longer log and patches that"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

// TestVersion0Quorum verifies what this package does not sign: several signers of version 0, each bound to a
// namespace of its own.
func TestVersion0Quorum(t *testing.T) {
	h := Head{Length: 5}
	var m Manifest
	var secrets []Secret
	for i := range byte(3) {
		secrets = append(secrets, SecretFromSeed([32]byte{i}))
		m.Signers = append(m.Signers, Signer{Namespace: hash.Digest{i}, PublicKey: secrets[i].Public()})
	}
	m.Quorum = 2
	a, err := NewAuth(m.Key(), m.Encode())
	if err != nil {
		t.Fatal(err)
	}
	field := []byte{2}
	for _, i := range []int{2, 0} {
		s := secrets[i].Sign(a.signable(i, h))
		field = append(append(field, 0, byte(i)), s[:]...)
	}
	field = append(field, 0)
	if err := a.Verify(h, field); err != nil {
		t.Error(err)
	}
	field[2] = 1 // another signer's
	if err := a.Verify(h, field); !errors.Is(err, ErrSignature) {
		t.Errorf("signature of another signer: %v", err)
	}
}

func BenchmarkVerifyHead(b *testing.B) {
	secret := SecretFromSeed([32]byte{1})
	m := DefaultManifest(secret.Public())
	a, err := NewAuth(m.Key(), m.Encode())
	if err != nil {
		b.Fatal(err)
	}
	h := Head{Length: 1}
	field, err := a.Sign(secret, h)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := a.Verify(h, field); err != nil {
			b.Fatal(err)
		}
	}
}
