package packlog_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"hc/lib/store/packlog"
)

// examples returns the hex dumps of FORMAT.md, by the file that their title names. testdata/example.py made them.
func examples(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(text, []byte("## Example\n"))
	found := map[string][]byte{}
	name := ""
	for line := range strings.Lines(string(text)) {
		row, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "    ")
		if !ok {
			if title, ok := strings.CutPrefix(line, "`"); ok {
				name, _, _ = strings.Cut(title, "`")
			}
			continue
		}
		if row == "*" {
			continue // the next row's offset says how many
		}
		at, err := strconv.ParseUint(row[:8], 16, 31)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		b := found[name]
		b = append(b, make([]byte, int(at)-len(b))...)
		if len(row) > 8 {
			more, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(row[8:10+47]), " ", ""))
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			b = append(b, more...)
		}
		found[name] = b
	}
	if len(found) != 2 {
		t.Fatalf("FORMAT.md has %d examples", len(found))
	}
	return found
}

const (
	exampleID = 0x1122334455667788
	otherID   = 0x99AABBCCDDEEFF01
)

func exampleRecords() (packlog.PackInfo, packlog.Position, []packlog.Record) {
	id := packlog.AppendID{0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf}
	synced := packlog.Position{Pack: 2, Offset: 1024, ID: exampleID}
	info := packlog.PackInfo{
		ID: exampleID, Sequence: 2, Through: 2, Closer: 2, Synced: synced,
		Close: packlog.Position{Pack: 1, Offset: 1096, ID: otherID},
	}
	return info, synced, []packlog.Record{
		{Kind: packlog.KindRun, Append: id, Meta: []byte("meta"), Payload: []byte("some blocks")},
		{Kind: packlog.KindHead, Append: id, Commit: true, Meta: []byte("a head!!")},
	}
}

func TestExampleOfFormat(t *testing.T) {
	found := examples(t)
	info, synced, records := exampleRecords()
	pack := found["packs/2.0.pack"]
	if got := packlog.EncodePack(info, synced, false, records...); !bytes.Equal(got, pack) {
		t.Errorf("pack is\n%s, want\n%s", hex.Dump(got), hex.Dump(pack))
	}
	gotInfo, got, err := packlog.DecodePack(pack)
	if err != nil || gotInfo != info || len(got) != 2 {
		t.Fatalf("DecodePack = %+v, %d records, %v", gotInfo, len(got), err)
	}
	for i, r := range got {
		want := records[i]
		if r.Kind != want.Kind || r.Append != want.Append || r.Commit != want.Commit || !bytes.Equal(r.Meta, want.Meta) || !bytes.Equal(r.Payload, want.Payload) {
			t.Errorf("record %d = %+v, want %+v", i, r, want)
		}
	}
	end := packlog.Position{Pack: 2, Offset: uint64(len(pack)), ID: exampleID}
	mark := packlog.Mark{Synced: end, Readable: end, End: end, Folder: 0x0102030405060708}
	for i := range mark.Boot {
		mark.Boot[i] = byte(0x10 + i)
	}
	if got := packlog.EncodeMark(mark); !bytes.Equal(got, found["mark"]) {
		t.Errorf("mark is\n%s, want\n%s", hex.Dump(got), hex.Dump(found["mark"]))
	}
	if got, err := packlog.DecodeMark(found["mark"]); err != nil || got != mark {
		t.Errorf("DecodeMark = %+v, %v", got, err)
	}
}
