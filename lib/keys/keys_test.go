package keys

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"hc/lib/hash"
)

func load(t testing.TB, file string, into any) {
	t.Helper()
	data, err := os.ReadFile("../../tests/vectors/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	hexKey  = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
	zKey    = "tkrq8zmwb8a3m9k15csu3q17qmfgqnp9dskbrg9uq1rydpyxp7qy"
	hexTree = "d8c3a0597903b28d751c6e0b7107775e388ec5a3cf669bdd1e7ec41b8b8f6e72"
	zTree   = "5db4ysm3yq3e47ehpafznb5zmahe7tpd37ujzze6x5nbznhxp33y"
)

func TestParseKey(t *testing.T) {
	var v struct {
		Keys []struct{ Hex, Z32 string }
	}
	load(t, "identifiers.json", &v)
	if len(v.Keys) == 0 {
		t.Fatal("identifiers.json has no cases")
	}
	for _, c := range v.Keys {
		for _, s := range []string{c.Hex, strings.ToUpper(c.Hex), c.Z32, "hc://" + c.Hex, "pear://" + c.Z32} {
			if k, err := ParseKey(s); err != nil || k.String() != c.Hex {
				t.Errorf("ParseKey(%q) = %v, %v, want %s", s, k, err, c.Hex)
			}
		}
	}
	k, err := ParseKey(hexKey)
	if err != nil || k.Short() != "8a88e3dd" {
		t.Errorf("Short() = %s, %v", k.Short(), err)
	}
}

func TestParseKeyRefuses(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", `invalid key: "": 0 characters, expected 64 (hex) or 52 (z-base-32)`},
		{hexKey[1:], `invalid key: "` + hexKey[1:] + `": 63 characters, expected 64 (hex) or 52 (z-base-32)`},
		{"x" + hexKey[1:], `invalid key: "x` + hexKey[1:] + `": not all characters are hex digits`},
		{zKey[:51] + "l", `invalid key: "` + zKey[:51] + `l": character 52 is not a digit of z-base-32`},
		{strings.ToUpper(zKey), `invalid key: "` + strings.ToUpper(zKey) + `": character 1 is not a digit of z-base-32`},
		{zKey[:51] + "b", `invalid key: "` + zKey[:51] + `b": 32 bytes cannot end with the last character`},
		{"hc://" + zKey + "/a/b", `invalid key: "hc://` + zKey + `/a/b" has "/a/b" after the key: give a path separately from the key`},
		{"http://" + zKey, `invalid key: "http://` + zKey + `": 59 characters, expected 64 (hex) or 52 (z-base-32)`},
	}
	for _, c := range tests {
		if _, err := ParseKey(c.in); !errors.Is(err, ErrKey) || err.Error() != c.want {
			t.Errorf("ParseKey(%q): %v, want %s", c.in, err, c.want)
		}
	}
}

func TestParseRef(t *testing.T) {
	tests := []struct{ in, want string }{
		{hexKey, hexKey},
		{"hc://" + zKey, hexKey},
		{"0.5." + hexKey, "0.5." + hexKey},
		{"pear://12.9007199254740991." + zKey, "12.9007199254740991." + hexKey},
		{"hc://1.2." + zKey + "." + zTree, "1.2." + hexKey + "." + hexTree},
		{"1.2." + strings.ToUpper(hexKey) + "." + hexTree, "1.2." + hexKey + "." + hexTree},
	}
	for _, c := range tests {
		r, err := ParseRef(c.in)
		if err != nil || r.String() != c.want {
			t.Errorf("ParseRef(%q) = %v, %v, want %s", c.in, r, err, c.want)
		}
	}
	for _, s := range []string{"", ".", "1." + hexKey, "1.2.", "1.2." + hexKey + ".", "01.2." + hexKey, "+1.2." + hexKey, "1.-2." + hexKey,
		"1.9007199254740992." + hexKey, "1.2." + hexKey + "." + hexTree + ".3", " 1.2." + hexKey, "1.2." + hexKey + "/x", "hc://1.2." + hexKey + "/x", ".2." + hexKey} {
		if r, err := ParseRef(s); !errors.Is(err, ErrKey) {
			t.Errorf("ParseRef(%q) = %v, %v, want ErrKey", s, r, err)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{hexKey, "hc://" + zKey, "0.5." + hexKey, "pear://1.2." + zKey + "." + zTree, "1.2.3.4.5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			if !errors.Is(err, ErrKey) {
				t.Fatalf("error %v, want ErrKey", err)
			}
			return
		}
		again, err := ParseRef(r.String())
		if err != nil || again.String() != r.String() || again.Key != r.Key || again.Pinned != r.Pinned {
			t.Fatalf("%q reads as %v, and that as %v, %v", s, r, again, err)
		}
	})
}

func TestSecretVectors(t *testing.T) {
	var v struct {
		KeyPairs []struct{ Seed, PublicKey, DiscoveryKeyOfPublicKey string }
	}
	load(t, "crypto.json", &v)
	if len(v.KeyPairs) == 0 {
		t.Fatal("crypto.json has no cases")
	}
	for _, c := range v.KeyPairs {
		s := SecretFromSeed([32]byte(unhex(t, c.Seed)))
		if s.Public().String() != c.PublicKey {
			t.Errorf("Public() of seed %s = %v, want %s", c.Seed, s.Public(), c.PublicKey)
		}
		if seed := s.Seed(); hex.EncodeToString(seed[:]) != c.Seed {
			t.Errorf("Seed() = %x, want %s", seed, c.Seed)
		}
		if d := DiscoveryKey(s.Public()); d.String() != c.DiscoveryKeyOfPublicKey {
			t.Errorf("DiscoveryKey(%v) = %v, want %s", s.Public(), d, c.DiscoveryKeyOfPublicKey)
		}
		fromReader, err := NewSecret(strings.NewReader(string(unhex(t, c.Seed)) + "more"))
		if err != nil || fromReader.Public() != s.Public() {
			t.Errorf("NewSecret = %v, %v", fromReader.Public(), err)
		}
	}
	if _, err := NewSecret(strings.NewReader("short")); err == nil {
		t.Error("NewSecret of 5 bytes succeeds")
	}
}

// TestSecretNeverPrints tries all the ways in which a struct ends up in a log.
func TestSecretNeverPrints(t *testing.T) {
	s := SecretFromSeed([32]byte{1, 2, 3, 0xab, 0xcd})
	for _, x := range []any{s, &s, []Secret{s}, map[string]Secret{"k": s}, struct{ S Secret }{s}, struct{ S *Secret }{&s}, struct{ s Secret }{s}, &struct{ s []Secret }{[]Secret{s}}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "% x"} {
			got := fmt.Sprintf(verb, x)
			if strings.Contains(got, "abcd") || strings.Contains(got, "ABCD") || strings.Contains(got, "171 205") || strings.Contains(got, "0xab, 0xcd") {
				t.Errorf("%s of %T shows the key: %s", verb, x, got)
			}
		}
		if got := fmt.Sprint(x); !strings.Contains(got, redacted) && !strings.Contains(got, "0x") {
			t.Errorf("Sprint of %T = %s", x, got)
		}
		b, err := json.Marshal(x)
		if err != nil || !strings.Contains(string(b), redacted) && string(b) != "{}" {
			t.Errorf("JSON of %T = %s, %v", x, b, err)
		}
	}
	var none Secret
	if none.Public() != (Key{}) || none.Seed() != [32]byte{} {
		t.Error("the zero Secret has a key")
	}
	if b, err := s.MarshalText(); err != nil || string(b) != redacted {
		t.Errorf("MarshalText = %s, %v", b, err)
	}
	if s.String() != redacted || s.GoString() != redacted {
		t.Errorf("String, GoString = %s, %s", s.String(), s.GoString())
	}
}

func TestKeyText(t *testing.T) {
	var v struct{ K Key }
	if err := json.Unmarshal([]byte(`{"K": "hc://`+zKey+`"}`), &v); err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(v); err != nil || string(b) != `{"K":"`+hexKey+`"}` {
		t.Errorf("JSON = %s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`{"K": "x"}`), &v); !errors.Is(err, ErrKey) {
		t.Errorf("JSON of no key: %v", err)
	}
}

func ExampleAuth() {
	secret := SecretFromSeed([32]byte{1})
	manifest := DefaultManifest(secret.Public())
	auth, err := NewAuth(manifest.Key(), manifest.Encode())
	if err != nil {
		fmt.Println(err)
		return
	}
	head := Head{Length: 3, TreeHash: hash.Sum([]byte("roots"))}
	field, err := auth.Sign(secret, head)
	fmt.Println(len(field), err, auth.Verify(head, field))
	head.Length = 4
	fmt.Println(errors.Is(auth.Verify(head, field), ErrSignature))
	// Output:
	// 68 <nil> <nil>
	// true
}
