package keys

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"hc/lib/compact"
	"hc/lib/hash"
)

type manifestVector struct {
	Version    uint64
	AllowPatch bool
	Quorum     uint64
	Signers    []struct{ Namespace, PublicKey string }
	Prologue   *struct {
		Hash   string
		Length uint64
	}
	Linked   []string
	UserData *string
}

func (v manifestVector) manifest(t testing.TB) Manifest {
	m := Manifest{Version: v.Version, AllowPatch: v.AllowPatch, Quorum: v.Quorum}
	for _, s := range v.Signers {
		m.Signers = append(m.Signers, Signer{Namespace: hash.Digest(unhex(t, s.Namespace)), PublicKey: Key(unhex(t, s.PublicKey))})
	}
	if p := v.Prologue; p != nil {
		h := hash.Digest(unhex(t, p.Hash))
		if v.Version == 0 {
			m.Static = &h
		} else {
			m.Prologue = &Prologue{TreeHash: h, Length: p.Length}
		}
	}
	for _, k := range v.Linked {
		m.Linked = append(m.Linked, Key(unhex(t, k)))
	}
	if v.UserData != nil {
		m.UserData = unhex(t, *v.UserData)
	}
	return m
}

type manifestVectors struct {
	Manifests []struct {
		Name                        string
		Manifest                    manifestVector
		Encoded, Hash, DiscoveryKey string
	}
	SignatureFields []struct{ Name, Encoded string }
	Verify          struct {
		Length, Fork uint64
		TreeHash     string
		Multisig     verifyVector
		Prologue     verifyVector
	}
}

type verifyVector struct {
	Manifest, Key, Signable string
	Cases                   []struct {
		What, SignatureField string
		Accepted             bool
	}
}

func loadManifests(t testing.TB) (v manifestVectors) {
	t.Helper()
	load(t, "manifests.json", &v)
	if len(v.Manifests) == 0 || len(v.SignatureFields) == 0 || len(v.Verify.Multisig.Cases) == 0 || len(v.Verify.Prologue.Cases) == 0 {
		t.Fatal("manifests.json has no cases")
	}
	return v
}

func TestManifestVectors(t *testing.T) {
	for _, c := range loadManifests(t).Manifests {
		want := c.Manifest.manifest(t)
		if got := hex.EncodeToString(want.Encode()); got != c.Encoded {
			t.Errorf("%s: encoded %s, want %s", c.Name, got, c.Encoded)
		}
		got, err := DecodeManifest(unhex(t, c.Encoded))
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if len(got.Signers) == 0 {
			got.Signers = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: decoded %+v, want %+v", c.Name, got, want)
		}
		if got.Key().String() != c.Hash {
			t.Errorf("%s: key %v, want %s", c.Name, got.Key(), c.Hash)
		}
		if d := DiscoveryKey(got.Key()); d.String() != c.DiscoveryKey {
			t.Errorf("%s: discovery key %v, want %s", c.Name, d, c.DiscoveryKey)
		}
		auth, err := NewAuth(got.Key(), unhex(t, c.Encoded))
		if err != nil || auth.Compat() || !bytes.Equal(auth.Manifest(), want.Encode()) {
			t.Errorf("%s: NewAuth: %+v, %v", c.Name, auth, err)
		}
		if _, err := NewAuth(Key{1}, unhex(t, c.Encoded)); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: NewAuth for another key: %v, want ErrManifest", c.Name, err)
		}
	}
}

func TestDecodeManifestRefuses(t *testing.T) {
	one := hex.EncodeToString(DefaultManifest(Key{}).Encode())
	signer := strings.Repeat("00", signerSize)
	tests := []struct{ name, in, want string }{
		{"nothing", "", "invalid manifest: malformed message: byte 0: 1 bytes needed, 0 left"},
		{"version 4", "04" + one[2:], "invalid manifest: version 4: not supported"},
		{"cut off", one[:len(one)-2], "invalid manifest: malformed message: byte 5: array of 1, but 64 bytes are left"},
		{"bytes behind", one + "00", "invalid manifest: not in its shortest form"},
		{"unknown flag", "0110" + one[4:], "invalid manifest: not in its shortest form"},
		{"longer number", "fd0100" + one[2:], "invalid manifest: not in its shortest form"},
		{"user data in version 1", "0108" + one[4:] + "00", "invalid manifest: not in its shortest form"},
		{"unknown hash", "010001" + one[6:], "invalid manifest: malformed message: byte 3: unknown hash type 1"},
		{"unknown type", "000003", "invalid manifest: malformed message: byte 3: unknown type 3"},
		{"one signer as several", "0000020001" + "01" + signer, "invalid manifest: not in its shortest form"},
		{"a million signers", "01000001fe00001000", "invalid manifest: malformed message: byte 9: array of 1048576, but 0 bytes are left"},
	}
	for _, c := range tests {
		if _, err := DecodeManifest(unhex(t, c.in)); !errors.Is(err, ErrManifest) || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if _, err := DecodeManifest([]byte{4}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("version 4: %v, want ErrUnsupported", err)
	}
}

func FuzzDecodeManifest(f *testing.F) {
	for _, c := range loadManifests(f).Manifests {
		f.Add(unhex(f, c.Encoded))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeManifest(b)
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Fatalf("error %v, want ErrManifest", err)
			}
			return
		}
		if !bytes.Equal(m.Encode(), b) {
			t.Fatalf("%x encodes to %x", b, m.Encode())
		}
		if len(m.Signers)*signerSize > len(b) || len(m.Linked)*Size > len(b) || len(m.UserData) > len(b) {
			t.Fatalf("%d bytes hold %d signers, %d keys", len(b), len(m.Signers), len(m.Linked))
		}
		a, err := NewAuth(m.Key(), b)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Verify(Head{Length: 1}, []byte{1, 0}); err == nil && m.Prologue == nil {
			t.Fatal("a signature of 2 bytes verifies")
		}
	})
}

func TestSignatureFieldVectors(t *testing.T) {
	five := func(c byte) (s [64]byte) { copy(s[:], bytes.Repeat([]byte{c}, 64)); return s }
	want := map[string]struct {
		version uint64
		parts   []part
	}{
		"v1+, one signer":              {1, []part{{signature: five(0x5a)}}},
		"v1+, two signers":             {1, []part{{signature: five(0x5a)}, {signer: 2, signature: five(0x5b)}}},
		"v1+, patch of 1 for signer 1": {1, []part{{signature: five(0x5a)}, {signer: 1, signature: five(0x5b), patch: 1}}},
		"v0 multi, two signers":        {0, []part{{signature: five(0x5a)}, {signer: 1, signature: five(0x5b)}}},
	}
	for _, c := range loadManifests(t).SignatureFields {
		w, ok := want[c.Name]
		if !ok {
			t.Errorf("vector %q is not tested", c.Name)
			continue
		}
		got, err := decodeField(w.version, unhex(t, c.Encoded))
		if err != nil || !reflect.DeepEqual(got, w.parts) {
			t.Errorf("%s: %v, %v, want %v", c.Name, got, err, w.parts)
		}
		if w.version > 0 && !strings.Contains(c.Name, "patch") {
			if got := hex.EncodeToString(appendField(nil, w.parts...)); got != c.Encoded {
				t.Errorf("%s: encoded %s, want %s", c.Name, got, c.Encoded)
			}
		}
	}
}

func FuzzVerifyField(f *testing.F) {
	v := loadManifests(f)
	multi, err := NewAuth(Key(unhex(f, v.Verify.Multisig.Key)), unhex(f, v.Verify.Multisig.Manifest))
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range v.Verify.Multisig.Cases {
		f.Add(uint64(1), unhex(f, c.SignatureField))
	}
	for _, c := range v.SignatureFields {
		f.Add(uint64(0), unhex(f, c.Encoded))
	}
	f.Fuzz(func(t *testing.T, version uint64, field []byte) {
		parts, err := decodeField(version, field)
		if err != nil && !errors.Is(err, compact.ErrMalformed) || len(parts)*partMin > len(field) {
			t.Fatalf("%d parts of %d bytes, %v", len(parts), len(field), err)
		}
		// No signature is over this head.
		if err := multi.Verify(Head{Length: 99}, field); !errors.Is(err, ErrSignature) {
			t.Fatalf("error %v, want ErrSignature", err)
		}
	})
}

// Stock's cores of kinds v1 and compat are those whose manifest follows from their signer's public key.
func TestManifestOf(t *testing.T) {
	var vectors struct {
		Cores []struct{ Kind, Seed, Key string }
	}
	load(t, "cores.json", &vectors)
	found := map[string]int{}
	for _, c := range vectors.Cores {
		secret := SecretFromSeed([32]byte(unhex(t, c.Seed)))
		key := Key(unhex(t, c.Key))
		found[c.Kind]++
		encoded, err := ManifestOf(key, secret.Public())
		switch c.Kind {
		case "v1", "compat":
			if err != nil || (encoded == nil) != (c.Kind == "compat") {
				t.Fatalf("ManifestOf a core of kind %s = %x, %v", c.Kind, encoded, err)
			}
			auth, err := NewAuth(key, encoded)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := auth.Sign(secret, Head{}); err != nil {
				t.Error(err)
			}
		default:
			if !errors.Is(err, ErrKey) {
				t.Errorf("ManifestOf a core of kind %s = %x, %v", c.Kind, encoded, err)
			}
		}
	}
	if found["v1"] == 0 || found["compat"] == 0 || found["v0"] == 0 {
		t.Errorf("cores in the vectors: %v", found)
	}
}
