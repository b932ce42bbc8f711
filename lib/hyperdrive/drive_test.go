package hyperdrive

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"hc/lib/hyperbee"
	"hc/lib/keys"
)

// TestListsAsStock: List has all names but those that stock's own list does not show either, with their content.
func TestListsAsStock(t *testing.T) {
	contents := 0
	for name, v := range drives(t) {
		names, blobs := v.cores(t)
		drive := Open(names, v.Metadata.Length)
		var items []Item
		if err := drive.List(t.Context(), "/", func(item Item) error {
			items = append(items, item)
			return nil
		}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var want []listedVector
		for _, listed := range v.Listing {
			if strings.HasPrefix(listed.Key, "/") {
				want = append(want, listed)
			}
		}
		if len(items) != len(want) {
			t.Fatalf("%s: %d items, want %d", name, len(items), len(want))
		}
		for i, item := range items {
			if item.Name != want[i].Key || item.Seq != want[i].Seq || !bytes.Equal(item.Entry.Encode(), stockEntry(t, want[i].Value)) {
				t.Errorf("%s: item %d is %+v, want %+v", name, i, item, want[i])
			}
			if item.Err == nil && item.Entry.Link == nil {
				checkContent(t, name, drive, blobs, item, want[i])
				contents++
			}
		}
	}
	if contents < 500 {
		t.Errorf("only %d contents were compared", contents)
	}
}

func checkContent(t *testing.T, drive string, names *Drive, blobs Blobs, item Item, want listedVector) {
	t.Helper()
	got, err := names.Get(t.Context(), item.Name)
	if err != nil || !reflect.DeepEqual(got, item) {
		t.Errorf("%s: Get(%q) = %+v, %v, listed as %+v", drive, item.Name, got, err, item)
	}
	var out bytes.Buffer
	if err := Content(t.Context(), blobs, item, &out); err != nil {
		t.Errorf("%s: %v", drive, err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(out.Bytes())); sum != want.SHA256 {
		t.Errorf("%s: content of %q has sha256 %s, want %s", drive, item.Name, sum, want.SHA256)
	}
	if size, ok := item.Entry.Size(); ok && size != want.Size || uint64(out.Len()) != want.Size {
		t.Errorf("%s: %q has %d bytes, its entry says %d, want %d", drive, item.Name, out.Len(), size, want.Size)
	}
}

func TestCheckoutsAndDiffsAsStock(t *testing.T) {
	checkouts := 0
	for name, v := range drives(t) {
		names, _ := v.cores(t)
		latest := Open(names, v.Metadata.Length)
		for _, c := range v.Checkouts {
			checkouts++
			old := Open(names, c.Version)
			if old.Version() != c.Version {
				t.Errorf("%s: Version() = %d, want %d", name, old.Version(), c.Version)
			}
			var lines []string
			if err := old.List(t.Context(), "/", func(item Item) error {
				lines = append(lines, fmt.Sprintf("%d %s", item.Seq, item.Name))
				return nil
			}); err != nil {
				t.Fatalf("%s at %d: %v", name, c.Version, err)
			}
			hidden := 0 // names that no list shows
			for _, listed := range v.Listing {
				if !strings.HasPrefix(listed.Key, "/") && listed.Seq < c.Version {
					hidden++
				}
			}
			if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(lines, "\n")))); len(lines) != c.Count-hidden || hidden == 0 && sum != c.SHA256 {
				t.Errorf("%s at %d: %d names, sha256 %s, want %d, %s", name, c.Version, len(lines), sum, c.Count, c.SHA256)
			}
			var diff [][2]*uint64
			if err := latest.Diff(t.Context(), old, "/", func(old, new *Item) error {
				if new == nil || new.Name != "/" { // a hostile one, which sorts before the range of stock's diff
					diff = append(diff, [2]*uint64{seqOf(new), seqOf(old)})
				}
				return nil
			}); err != nil {
				t.Fatalf("%s from %d: %v", name, c.Version, err)
			}
			if got, want := fmt.Sprint(numbers(diff)), fmt.Sprint(numbers(c.DiffToLatest)); got != want {
				t.Errorf("%s from %d: diff %s, want %s", name, c.Version, got, want)
			}
		}
	}
	if checkouts < 20 {
		t.Errorf("only %d checkouts were compared", checkouts)
	}
}

func seqOf(item *Item) *uint64 {
	if item == nil {
		return nil
	}
	return &item.Seq
}

func numbers(diff [][2]*uint64) (lines []string) {
	for _, pair := range diff {
		line := ""
		for _, seq := range pair {
			if seq == nil {
				line += " -"
			} else {
				line += fmt.Sprintf(" %d", *seq)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func TestFolders(t *testing.T) {
	v := drives(t)["kinds"]
	names, _ := v.cores(t)
	drive := Open(names, v.Metadata.Length)
	for folder, want := range map[string]string{
		"/": "/abs /bin /bin/alias /bin/run /meta", "": "/abs /bin /bin/alias /bin/run /meta",
		"/bin": "/bin/alias /bin/run", "/bin/": "/bin/alias /bin/run", "/bi": "", "/meta": "", "/missing": "",
	} {
		var got []string
		err := drive.List(t.Context(), folder, func(item Item) error {
			got = append(got, item.Name)
			return item.Err
		})
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("List(%q) = %q, %v, want %q", folder, got, err, want)
		}
		if is, err := drive.IsFolder(t.Context(), folder); is != (want != "") || err != nil {
			t.Errorf("IsFolder(%q) = %v, %v", folder, is, err)
		}
	}
	stop := errors.New("enough")
	if err := drive.List(t.Context(), "/", func(Item) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("List returned %v, not the error of its caller", err)
	}
}

func TestGetRefuses(t *testing.T) {
	v := drives(t)["hostile"]
	names, _ := v.cores(t)
	drive := Open(names, v.Metadata.Length)
	if _, err := drive.Get(t.Context(), "/missing"); !errors.Is(err, hyperbee.ErrNotFound) || !strings.Contains(err.Error(), `"/missing"`) {
		t.Errorf("a missing name: %v", err)
	}
	if _, err := drive.Get(t.Context(), `/a\b`); !errors.Is(err, ErrEntry) {
		t.Errorf("an entry that is neither file nor link: %v", err)
	}
	if err := drive.List(t.Context(), "/", func(item Item) error {
		if (item.Err == nil) != (item.Name == "/good") {
			t.Errorf("%q is listed with error %v", item.Name, item.Err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if _, err := Open(blocks{[]byte("log"), []byte("log")}, 2).Get(t.Context(), "/a"); !errors.Is(err, hyperbee.ErrCorrupt) {
		t.Errorf("a core that is no bee: %v", err)
	}
	for _, version := range []uint64{0, 1} {
		if _, err := Open(names, version).Get(t.Context(), "/good"); !errors.Is(err, hyperbee.ErrNotFound) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

func TestBlobsCore(t *testing.T) {
	for name, v := range drives(t) {
		if v.Metadata.Length == 0 {
			continue
		}
		drive, err := keys.ParseKey(v.Metadata.Key)
		if err != nil {
			t.Fatal(err)
		}
		key, manifest, err := BlobsCore(drive, unhex(t, v.Metadata.Manifest), unhex(t, v.Metadata.Blocks[0]))
		if err != nil || key.String() != v.Blobs.Key {
			t.Errorf("%s: %v, %v, want %s", name, key, err, v.Blobs.Key)
		}
		if name == "compat" != (manifest == nil) {
			t.Errorf("%s: manifest %x", name, manifest)
		}
	}
	if _, _, err := BlobsCore(keys.Key{}, nil, []byte("log")); !errors.Is(err, ErrNotDrive) || errors.Is(err, hyperbee.ErrCorrupt) {
		t.Errorf("a core that is no bee: %v", err)
	}
}
