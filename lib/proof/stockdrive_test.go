package proof

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"hc/lib/hyperdrive"
)

// stockDrive is a vector file's description of a drive that stock wrote.
type stockDrive struct {
	Name     string
	Metadata struct{ Blocks []string }
	Blobs    struct {
		Blocks []struct {
			Length int
			Hex    *string
		}
	}
	Listing []struct {
		Key, SHA256 string
		Size        *uint64
	}
}

// load makes the drive again, under a key of this test. ok is false if the vectors do not have all of its bytes, or
// if its header names the blobs, whose key nobody has.
func (s stockDrive) load(t *testing.T) (d *testDrive, ok bool) {
	d = newDrive(t)
	d.names = newLog(t) // without a header of ours
	for _, h := range s.Metadata.Blocks {
		b, err := hex.DecodeString(h)
		if err != nil {
			t.Fatal(err)
		}
		d.names.append(b)
	}
	for _, b := range s.Blobs.Blocks {
		if b.Hex == nil {
			return nil, false
		}
		data, err := hex.DecodeString(*b.Hex)
		if err != nil {
			t.Fatal(err)
		}
		d.blobs.append(data)
	}
	return d, s.Name != "compat" && len(s.Metadata.Blocks) > 0
}

// TestStockDrives proves each file of the drives that stock wrote, and each drive as a whole.
func TestStockDrives(t *testing.T) {
	files, err := filepath.Glob("../../tests/vectors/drive-*.json")
	if err != nil {
		t.Fatal(err)
	}
	drives, contents := 0, 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s stockDrive
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		d, ok := s.load(t)
		if !ok {
			continue
		}
		drives++
		c := treeOf("/")
		g, _, _ := d.read(d.write(c, nil), Options{Claim: &c}, nil)
		want := map[string]string{}
		for _, e := range s.Listing {
			if e.Size != nil && hyperdrive.CheckName(e.Key) == nil {
				want[e.Key] = e.SHA256
			}
		}
		for name, sum := range want {
			contents++
			if got := fmt.Sprintf("%x", sha256.Sum256([]byte(g.whole[name]))); got != sum {
				t.Errorf("%s: %s is %q, of sha256 %s, want %s", s.Name, name, g.whole[name], got, sum)
			}
			p := pathOf(name)
			one, _, _ := d.read(d.write(p, nil), Options{Claim: &p}, nil)
			if one.whole[name] != g.whole[name] {
				t.Errorf("%s: %s alone is %q", s.Name, name, one.whole[name])
			}
		}
		if len(g.whole) != len(want) {
			t.Errorf("%s: %d files, want %d", s.Name, len(g.whole), len(want))
		}
		p := pathOf("/file-00000")
		if _, _, err := d.read(d.write(p, ErrAbsent), Options{Claim: &p}, ErrAbsent); !errors.Is(err, ErrAbsent) {
			t.Error(err)
		}
	}
	if drives < 12 || contents < 500 {
		t.Errorf("only %d drives with %d files", drives, contents)
	}
	t.Logf("%d drives, %d files", drives, contents)
}
