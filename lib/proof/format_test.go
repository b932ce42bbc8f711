package proof

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"hc/lib/keys"
)

// exampleLog is the log in FORMAT.md, signed with the key whose seed is 32 bytes of 01.
func exampleLog(t testing.TB) *testLog {
	var seed [32]byte
	copy(seed[:], bytes.Repeat([]byte{1}, 32))
	secret := keys.SecretFromSeed(seed)
	m := keys.DefaultManifest(secret.Public())
	return newLogOf(t, secret, m.Key(), m.Encode(),
		[]byte("apples,3\n"), []byte("pears,7\n"), []byte("plums,2\n"), []byte("figs,40\n"), []byte("nuts,9\n"))
}

// escape writes bytes that are not printable ASCII as \xNN, and a backslash twice.
func escape(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		switch {
		case c == '\\':
			s.WriteString(`\\`)
		case c == '\n' || 0x20 <= c && c < 0x7f:
			s.WriteByte(c)
		default:
			fmt.Fprintf(&s, `\x%02x`, c)
		}
	}
	return s.String()
}

func unescapeExample(t testing.TB, s string) []byte {
	t.Helper()
	return regexp.MustCompile(`\\(\\|x[0-9a-f]{2})`).ReplaceAllFunc([]byte(s), func(m []byte) []byte {
		if m[1] == '\\' {
			return m[1:]
		}
		c, err := strconv.ParseUint(string(m[2:]), 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		return []byte{byte(c)}
	})
}

// The example in FORMAT.md is what Write writes, and it verifies.
func TestFormatExample(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```hc-proof\n(.*?)```").FindAllSubmatch(text, -1)
	if len(examples) != 3 {
		t.Fatalf("%d examples in FORMAT.md, want 3", len(examples))
	}
	l := exampleLog(t)
	c := Claim{Kind: KindBlocks, From: 2, To: 3}
	for i, opt := range []WriteOptions{{Claim: c}, {Live: true}} {
		if opt.Live {
			l.heads = []uint64{3, 5}
		}
		if want := l.stream(t, opt, nil); string(examples[i][1]) != escape(want) {
			t.Errorf("example %d in FORMAT.md is not what Write writes, which is:\n%s", i, escape(want))
		}
		out, _ := l.verify(t, unescapeExample(t, string(examples[i][1])), Options{AnyClaim: true}, nil)
		want := "plums,2\nfigs,40\n"
		if opt.Live {
			want = "apples,3\npears,7\nplums,2\nfigs,40\nnuts,9\n"
		}
		if string(out) != want {
			t.Errorf("example %d proves %q, want %q", i, out, want)
		}
	}
	d, c := exampleDrive(t), pathOf("/hello.txt")
	if want := d.write(c, nil); string(examples[2][1]) != escape(want) {
		t.Errorf("the last example in FORMAT.md is not what Write writes, which is:\n%s", escape(want))
	}
	g, _, _ := d.read(unescapeExample(t, string(examples[2][1])), Options{Claim: &c}, nil)
	if g.whole["/hello.txt"] != "Hello, drive\n" {
		t.Errorf("the last example proves %q", g.whole)
	}
}

// exampleDrive is the drive in FORMAT.md, of the same key.
func exampleDrive(t testing.TB) *testDrive {
	l := exampleLog(t)
	d := newDriveOf(t, newLogOf(t, l.secret, l.Key(), l.Manifest()))
	d.stock("/hello.txt", "Hello, drive\n")
	return d
}

// The limits that FORMAT.md names are those of the code.
func TestFormatLimits(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| a block | 15,728,640 bytes", "| the blocks of one group, if it has several | 1,048,576 bytes together, and 4,096 blocks |",
		"| the blocks of one frame, if it has several | 65,536 bytes together", "| a header line, its LF included | 32,768 bytes |",
		"| the nodes of one group | 256 |", "| a manifest, a signature field | 65,536 bytes each |",
	} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("FORMAT.md does not say %q", want)
		}
	}
	if maxBlock != 15728640 || maxGroup != 1048576 || maxCount != 4096 || maxRun != 65536 || maxLine != 32768 ||
		maxNodes != 256 || maxManifest != 65536 || maxSignature != 65536 {
		t.Error("limits are not those of FORMAT.md")
	}
}
