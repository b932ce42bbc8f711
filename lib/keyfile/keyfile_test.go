package keyfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hc/lib/keys"
)

var (
	seed      = [32]byte(bytes.Repeat([]byte{1}, 32))
	secret    = keys.SecretFromSeed(seed)
	key       = keys.DefaultManifest(secret.Public()).Key()
	seedHex   = keys.Key(seed).String()
	publicHex = secret.Public().String()
)

// format returns the examples of FORMAT.md: the plain one and the locked one.
func format(t testing.TB) (plain, locked []byte) {
	t.Helper()
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)(^    .*\n)+`).FindAll(text, -1)
	if len(found) != 2 {
		t.Fatalf("FORMAT.md has %d examples, want 2", len(found))
	}
	unindent := func(b []byte) []byte { return regexp.MustCompile(`(?m)^    `).ReplaceAll(b, nil) }
	return unindent(found[0]), unindent(found[1])
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/locked", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The examples in FORMAT.md are of the core that stock makes of their seed.
func TestFormat(t *testing.T) {
	plain, locked := format(t)
	text, err := os.ReadFile("../../tests/vectors/cores.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cores []struct{ Kind, Seed, Key string }
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors.Cores) == 0 {
		t.Fatalf("no cores: %v", err)
	}
	stock := vectors.Cores[0]
	if stock.Kind != "v1" || stock.Seed != seedHex || stock.Key != key.String() {
		t.Fatalf("the first core of the vectors is %+v", stock)
	}
	if got := New(key, secret).Encode(); !bytes.Equal(got, plain) {
		t.Errorf("Encode() = %q, FORMAT.md has %q", got, plain)
	}
	for _, example := range [][]byte{plain, locked} {
		f, err := Decode(example)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Encode(); !bytes.Equal(got, example) {
			t.Errorf("Decode and Encode make %q of %q", got, example)
		}
		if got, ok := f.Key(); !ok || got != key {
			t.Errorf("Key() = %v, %v", got, ok)
		}
		if got, err := f.Secret(); f.Locked() != errors.Is(err, ErrLocked) || err == nil && got.Seed() != seed {
			t.Errorf("Secret() = another one, %v", err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	plain, locked := format(t)
	resealed := func(line string) string { return fmt.Sprintf("%s %08x\n", line, checksum(line)) }
	body := string(locked[bytes.IndexByte(locked, '\n'):])
	relocked := func(head, body string) string { return fmt.Sprintf("%s %08x%s", head, checksum(head+body), body) }
	for _, test := range []struct{ name, text string }{
		{"nothing", ""},
		{"no LF", strings.TrimSuffix(string(plain), "\n")},
		{"two LF", string(plain) + "\n"},
		{"CR LF", strings.TrimSuffix(string(plain), "\n") + "\r\n"},
		{"space before", " " + string(plain)},
		{"hex", seedHex},
		{"version 0", resealed("hc-secret 0 " + seedHex)},
		{"version 3", resealed("hc-secret 3 " + key.String() + " " + seedHex)},
		{"version 2 without a key", resealed("hc-secret 2 " + seedHex)},
		{"version 2 with key zero", resealed("hc-secret 2 " + keys.Key{}.String() + " " + seedHex)},
		{"version 1 with a key", resealed("hc-secret 1 " + key.String() + " " + seedHex)},
		{"upper case", resealed("hc-secret 1 " + strings.Repeat("AB", 32))},
		{"two spaces", resealed("hc-secret 2 " + key.String() + "  " + seedHex)},
		{"short", resealed("hc-secret 1 " + seedHex[1:])},
		{"wrong sum", strings.Replace(string(plain), seedHex, publicHex, 1)},
		{"locked, wrong version", relocked("hc-locked-secret 2 "+key.String(), body)},
		{"locked, no key", relocked("hc-locked-secret 1", body)},
		{"locked, key zero", relocked("hc-locked-secret 1 "+keys.Key{}.String(), body)},
		{"locked, nothing in it", relocked("hc-locked-secret 1 "+key.String(), "")},
		{"locked, cut off", relocked("hc-locked-secret 1 "+key.String(), body[:len(body)-1])},
		{"locked, a line more", relocked("hc-locked-secret 1 "+key.String(), body+"\n")},
		{"locked, a line before", relocked("hc-locked-secret 1 "+key.String(), "\n"+body)},
		{"locked, CR LF", relocked("hc-locked-secret 1 "+key.String(), strings.ReplaceAll(body, "\n", "\r\n"))},
		{"too large", relocked("hc-locked-secret 1 "+key.String(), strings.Repeat("\nx", MaxSize))},
	} {
		f, err := Decode([]byte(test.text))
		if !errors.Is(err, ErrFormat) || f.Encode() == nil {
			t.Errorf("%s: Decode = %v, %v", test.name, f, err)
		}
		untold(t, test.name, err)
	}
	for _, whole := range [][]byte{plain, locked} {
		for i := range len(whole) * 8 {
			flipped := bytes.Clone(whole)
			flipped[i/8] ^= 1 << (i % 8)
			if _, err := Decode(flipped); !errors.Is(err, ErrFormat) {
				t.Fatalf("bit %d flipped in %q: %v", i, whole, err)
			}
		}
	}
}

// untold fails if an error contains a part of the secret.
func untold(t testing.TB, name string, err error) {
	t.Helper()
	if err != nil && (strings.Contains(err.Error(), seedHex[:8]) || strings.Contains(err.Error(), "abab")) {
		t.Errorf("%s: the error has the secret in it: %v", name, err)
	}
}

func TestParse(t *testing.T) {
	plain, locked := format(t)
	for _, test := range []struct {
		name, text string
		ok, keyed  bool
	}{
		{"seed", seedHex, true, false},
		{"as stock has it", " " + seedHex + publicHex + "\r\n", true, false},
		{"upper case", strings.ToUpper(seedHex), true, false},
		{"version 1", "hc-secret 1 " + seedHex + " 567f719c\n", true, false},
		{"version 2", string(plain), true, true},
		{"without its LF", string(plain[:len(plain)-1]), true, true},
		{"space around", "\n " + string(plain) + "\n\n", true, true},
		{"locked", string(locked), true, true},
		{"locked, from a form", strings.ReplaceAll(string(locked), "\n", "\r\n"), true, true},
		{"nothing", "", false, false},
		{"a digit less", seedHex[1:], false, false},
		{"no digits", strings.Repeat("zz", 32), false, false},
		{"halves of two", seedHex + seedHex, false, false},
		{"two lines", string(plain) + string(plain), false, false},
		{"a word", "hc-", false, false},
	} {
		f, err := Parse([]byte(test.text))
		if (err == nil) != test.ok || err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%s: Parse = %v", test.name, err)
			continue
		}
		untold(t, test.name, err)
		if _, keyed := f.Key(); keyed != test.keyed {
			t.Errorf("%s: Parse = a file whose key is known: %v", test.name, keyed)
		}
		if s, err := f.Secret(); test.ok && !f.Locked() && (err != nil || s.Seed() != seed) {
			t.Errorf("%s: another secret, %v", test.name, err)
		}
	}
}

func TestFor(t *testing.T) {
	f, err := Parse([]byte(seedHex))
	if err != nil {
		t.Fatal(err)
	}
	if f, err = f.For(key); err != nil || !bytes.HasPrefix(f.Encode(), []byte(magic2+key.String())) {
		t.Errorf("For = %q, %v", f.Encode(), err)
	}
	if _, err := f.For(key); err != nil {
		t.Error(err)
	}
	if _, err := f.For(secret.Public()); !errors.Is(err, ErrFormat) {
		t.Errorf("For another core = %v", err)
	}
}

// A file shows its secret with no verb, and neither does a struct that contains it.
func TestFileIsUntold(t *testing.T) {
	plain, locked := format(t)
	for _, text := range [][]byte{plain, locked} {
		f, err := Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			for _, value := range []any{f, &f, []File{f}} {
				got := fmt.Sprintf(verb, value)
				if strings.Contains(got, seedHex[:8]) || strings.Contains(got, "AGE") || strings.Contains(got, "1, 1, 1") || strings.Contains(got, "\\x01") {
					t.Errorf("%s of %T prints %s", verb, value, got)
				}
			}
		}
		text, err := json.Marshal(f)
		if want := `"[secret key of core d8c3a059]"`; err != nil || string(text) != want {
			t.Errorf("as JSON %s, %v, want %s", text, err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	plain, locked := format(f)
	f.Add(plain)
	f.Add(locked)
	f.Add([]byte("hc-secret 1 " + seedHex + " 567f719c\n"))
	f.Add([]byte(seedHex + publicHex))
	for _, name := range []string{"good", "otherkey", "noise", "version1", "xrecipient", "work19"} {
		f.Add(sample(f, name))
		_, armored, _ := bytes.Cut(sample(f, name), []byte("\n"))
		f.Add(armored)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Decode(text)
		if err == nil && !bytes.Equal(file.Encode(), text) {
			t.Errorf("Decode and Encode make %q of %q", file.Encode(), text)
		}
		if locked, err := NewLocked(key, string(text)); err == nil { // the checksum would keep the fuzzer out
			again, err := Decode(locked.Encode())
			if err != nil || again.Armored() != locked.Armored() || again.key != key {
				t.Errorf("Decode and Encode make %v, %v of %v", again, err, locked)
			}
		}
		parsed, parseErr := Parse(text)
		if err == nil && (parseErr != nil || !bytes.Equal(parsed.Encode(), text)) {
			t.Errorf("Parse does not take what Decode does: %v", parseErr)
		}
		if parseErr != nil {
			return
		}
		again, err := Decode(parsed.Encode())
		if err != nil || !bytes.Equal(again.Encode(), parsed.Encode()) {
			t.Errorf("what Parse takes is not decoded: %v", err)
		}
	})
}
