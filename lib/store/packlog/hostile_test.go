package packlog_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
)

// machineWith returns a machine whose disk has these files, all synced, and the store's folders.
func machineWith(t testing.TB, files map[string][]byte) *memfs.Machine {
	t.Helper()
	m := memfs.New(1)
	p := m.Process()
	for _, dir := range []string{"packs", "locks"} {
		if err := p.MkdirAll(path.Join(storeDir, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := p.OpenFile(path.Join(storeDir, name), os.O_RDWR|os.O_CREATE, 0o666)
		if err == nil {
			_, err = f.WriteAt(files[name], 0)
		}
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for dir := path.Join(storeDir, "packs"); ; dir = path.Dir(dir) {
		if err := p.SyncDir(dir); err != nil {
			t.Fatal(err)
		}
		if dir == "/" {
			return m
		}
	}
}

// smallStore returns the files of a store of four durable appends: two packs, one of them sealed.
func smallStore(t testing.TB) map[string][]byte {
	t.Helper()
	m := memfs.New(1)
	l, err := packlog.Open(context.Background(), storeDir, packlog.Options{FS: m.Process(), Create: true, PackSize: 1800})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		mustAppend(t, l, fmt.Sprint("n", i), strings.Repeat("x", 9*i), true)
	}
	l.Close()
	files := map[string][]byte{}
	for _, name := range []string{"format", "mark", "packs/1.0.pack", "packs/2.0.pack"} {
		if files[name] = m.Read(path.Join(storeDir, name)); files[name] == nil {
			t.Fatalf("the store has no %s", name)
		}
	}
	if m.Read(path.Join(storeDir, "packs/3.0.pack")) != nil {
		t.Fatal("the store has three packs")
	}
	return files
}

// examine opens a store and returns what counts in it, and how often damage was reported.
func examine(t testing.TB, m *memfs.Machine, readOnly bool) (names []string, damage []*packlog.DamageError, err error) {
	t.Helper()
	ctx := context.Background()
	p := m.Process()
	defer p.Kill()
	l, err := packlog.Open(ctx, storeDir, packlog.Options{FS: p, ReadOnly: readOnly, PackSize: 1800})
	if err != nil {
		return nil, nil, err
	}
	if !readOnly {
		if _, err := l.Begin(ctx); err != nil {
			return nil, nil, err
		}
	}
	view, err := l.View(ctx)
	if err != nil {
		return nil, nil, err
	}
	runs := map[packlog.AppendID]string{}
	err = l.Scan(ctx, view, packlog.Position{}, true, func(r packlog.Record) error {
		if !r.Commit {
			runs[r.Append] = string(r.Payload)
			return nil
		}
		var i int
		if n, _ := fmt.Sscanf(string(r.Meta), "n%d", &i); n == 0 || i < 0 || i > 9 {
			return nil
		}
		if payload, ok := runs[r.Append]; ok && payload == strings.Repeat("x", 9*i) {
			names = append(names, string(r.Meta))
		} else if ok {
			t.Errorf("append %s has payload %q", r.Meta, payload)
		}
		return nil
	})
	return names, l.Damage(), err
}

func TestEveryFlippedBit(t *testing.T) {
	files := smallStore(t)
	whole := []string{"n0", "n1", "n2", "n3"}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		m := machineWith(t, files)
		for i := 0; i < len(files[name]); i += stride {
			for bit := i / stride % stride; bit < 8; bit += stride {
				flip := func(b []byte) []byte { b[i] ^= 1 << bit; return b }
				m.Edit(path.Join(storeDir, name), flip)
				got, damage, err := examine(t, m, true)
				switch name {
				case "format":
					if err == nil {
						t.Errorf("%s: flipped bit %d of byte %d is not noticed", name, bit, i)
					}
				case "mark":
					if err != nil || len(damage) > 0 || !slices.Equal(got, whole) {
						t.Errorf("%s: bit %d of byte %d: %v, %v, %v", name, bit, i, got, damage, err)
					}
				default:
					if err != nil || len(damage) == 0 || len(got) < 2 {
						t.Errorf("%s: bit %d of byte %d: %v, %v, %v", name, bit, i, got, damage, err)
					}
				}
				m.Edit(path.Join(storeDir, name), flip)
			}
			if name == "format" || bytes.Equal(files[name][i:], make([]byte, len(files[name])-i)) {
				continue
			}
			// A writer's recovery must neither lose whole appends nor hide damage.
			flipped := maps.Clone(files)
			flipped[name] = slices.Clone(files[name])
			flipped[name][i] ^= 0x10
			for _, reboot := range []bool{false, true} {
				fresh := machineWith(t, flipped)
				if reboot {
					fresh.PowerLoss()
				}
				got, damage, err := examine(t, fresh, false)
				if err != nil || name == "mark" && (len(damage) > 0 || !slices.Equal(got, whole)) || name != "mark" && len(damage) == 0 {
					t.Errorf("%s: byte %d, recovered (reboot %v): %v, %v, %v", name, i, reboot, got, damage, err)
				}
			}
		}
	}
}

func TestEveryTruncation(t *testing.T) {
	files := smallStore(t)
	for _, name := range []string{"packs/1.0.pack", "packs/2.0.pack", "mark"} {
		for length := 0; length < len(files[name]); length += stride {
			cut := maps.Clone(files)
			cut[name] = files[name][:length]
			for _, mark := range []bool{true, false} {
				if !mark {
					cut["mark"] = nil
				}
				for _, readOnly := range []bool{true, false} {
					got, damage, err := examine(t, machineWith(t, cut), readOnly)
					if err != nil {
						t.Fatalf("%s cut to %d (mark %v): %v", name, length, mark, err)
					}
					lost := len(got) < 4
					switch {
					case name == "mark" && (len(damage) > 0 || lost),
						name != "mark" && mark && len(damage) == 0,
						name == "packs/1.0.pack" && len(damage) == 0:
						t.Errorf("%s cut to %d (mark %v, read-only %v): %v, %v", name, length, mark, readOnly, got, damage)
					}
				}
			}
		}
	}
}

// handMade examines a store of packs made by hand; its mark is not valid, so what counts is what a recovery finds.
func handMade(t *testing.T, packs map[string][]byte) ([]string, []*packlog.DamageError) {
	t.Helper()
	files := map[string][]byte{"format": []byte("hc-store 1\n"), "mark": nil}
	for name, b := range packs {
		files["packs/"+name] = b
	}
	var before []string
	for _, readOnly := range []bool{true, false} {
		got, damage, err := examine(t, machineWith(t, files), readOnly)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) < len(before) || !slices.Equal(got[:len(before)], before) {
			t.Errorf("read-only %v: %v, before: %v", readOnly, got, before)
		}
		if before = got; !readOnly {
			return got, damage
		}
	}
	return nil, nil
}

func pair(i int) []packlog.Record {
	id := packlog.AppendID{byte(i + 1)}
	return []packlog.Record{
		{Kind: packlog.KindRun, Append: id, Payload: []byte(strings.Repeat("x", 9*i))},
		{Kind: packlog.KindHead, Append: id, Commit: true, Meta: fmt.Append(nil, "n", i)},
	}
}

func TestGenerations(t *testing.T) {
	at := func(pack, id uint64, b []byte) packlog.Position {
		return packlog.Position{Pack: pack, Offset: uint64(len(b)), ID: id}
	}
	pack := func(info packlog.PackInfo, sealed bool, records ...packlog.Record) []byte {
		if info.Through == 0 {
			info.Through = info.Sequence
		}
		return packlog.EncodePack(info, packlog.Position{}, sealed, records...)
	}
	start := func(sequence, id uint64) packlog.Position {
		return packlog.Position{Pack: sequence, Offset: 1024, ID: id}
	}
	first := pack(packlog.PackInfo{ID: 11, Sequence: 1}, true, slices.Concat(pair(0), pair(1))...)
	half := at(1, 11, pack(packlog.PackInfo{ID: 11, Sequence: 1}, false, pair(0)...))
	second := pack(packlog.PackInfo{ID: 12, Sequence: 2, Synced: start(2, 12)}, true, pair(2)...)
	closing := func(sequence, id uint64, where packlog.Position, records ...packlog.Record) []byte {
		b := pack(packlog.PackInfo{ID: id, Sequence: sequence}, false, records...)
		return pack(packlog.PackInfo{ID: id, Sequence: sequence, Closer: sequence, Close: where, Synced: at(sequence, id, b)}, false, records...)
	}
	for _, test := range []struct {
		name   string
		packs  map[string][]byte
		want   string
		damage int
	}{
		{"plain", map[string][]byte{"1.0.pack": first, "2.0.pack": second, "3.0.pack": closing(3, 13, at(2, 12, second), pair(3)...)}, "n0 n1 n2 n3", 0},
		{"newest generation", map[string][]byte{
			"1.0.pack": first, "1.1.pack": pack(packlog.PackInfo{ID: 21, Sequence: 1, Generation: 1}, true, pair(1)...),
			"2.0.pack": second, "3.0.pack": closing(3, 13, at(2, 12, second)),
		}, "n1 n2", 0},
		{"joined", map[string][]byte{
			"1.0.pack": first, "1.10.pack": pack(packlog.PackInfo{ID: 21, Sequence: 1, Generation: 10, Through: 2}, true, slices.Concat(pair(0), pair(2))...),
			"2.0.pack": second, "3.0.pack": closing(3, 13, at(2, 12, second)),
		}, "n0 n2", 0},
		{"close inside a pack", map[string][]byte{"1.0.pack": first, "2.0.pack": closing(2, 12, half, pair(2)...)}, "n0 n2", 0},
		{"close voids packs between", map[string][]byte{"1.0.pack": first, "2.0.pack": second, "3.0.pack": closing(3, 13, half, pair(3)...)}, "n0 n3", 0},
		{"two closes", map[string][]byte{
			"1.0.pack": first, "2.0.pack": closing(2, 12, half, pair(2)...), "3.0.pack": closing(3, 13, start(2, 12), pair(3)...),
		}, "n0 n3", 0},
		{"close of a pack that was rewritten since", map[string][]byte{
			"1.1.pack": pack(packlog.PackInfo{ID: 21, Sequence: 1, Generation: 1}, true, slices.Concat(pair(0), pair(1))...),
			"2.0.pack": second, "3.0.pack": closing(3, 13, half, pair(3)...),
		}, "n0 n1 n3", 0},
		{"missing pack", map[string][]byte{"1.0.pack": first, "3.0.pack": closing(3, 13, at(2, 12, second), pair(3)...)}, "n0 n1 n3", 1},
		{"missing first pack", map[string][]byte{"2.0.pack": second, "3.0.pack": closing(3, 13, at(2, 12, second), pair(3)...)}, "n2 n3", 1},
		{"no seal", map[string][]byte{"1.0.pack": first[:half.Offset], "2.0.pack": pack(packlog.PackInfo{ID: 12, Sequence: 2}, false)}, "n0", 1},
		{"bytes behind the seal", map[string][]byte{"1.0.pack": append(slices.Clone(first), first[1024:]...), "2.0.pack": second, "3.0.pack": closing(3, 13, at(2, 12, second), pair(3)...)}, "n0 n1 n2 n3", 1},
		{"nothing named as synced", map[string][]byte{"1.0.pack": first[:half.Offset]}, "n0", 0},
		{"wrong name", map[string][]byte{"1.0.pack": first, "2.1.pack": second, "3.0.pack": closing(3, 13, half)}, "n0", 0},
		{"other files", map[string][]byte{"1.0.pack": first, "01.0.pack": second, "2.0.pack.tmp": second, "x.pack": second, "2.0.pack": closing(2, 12, at(1, 11, first))}, "n0 n1", 0},
		{"archived pack", map[string][]byte{
			"1.0.pack": packlog.EncodePack(packlog.PackInfo{ID: 11, Sequence: 1, Through: 1}, packlog.Position{}, true, packlog.Record{Kind: packlog.KindRun, Append: packlog.AppendID{9}, Payload: first}),
			"2.0.pack": closing(2, 12, start(1, 11)),
		}, "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, damage := handMade(t, test.packs)
			if strings.Join(got, " ") != test.want || len(damage) != test.damage {
				t.Errorf("got %v, damage %v, want %q and %d", got, damage, test.want, test.damage)
			}
		})
	}
}

func FuzzRecord(f *testing.F) {
	at := packlog.Position{Pack: 1, ID: 7}
	f.Add(packlog.EncodeRecord(packlog.Record{Kind: packlog.KindRun, Meta: []byte("m"), Payload: []byte("payload")}, at))
	f.Add(packlog.EncodeRecord(packlog.Record{Kind: packlog.KindHead, Commit: true, Append: packlog.AppendID{1}, Meta: make([]byte, 300)}, at))
	huge := packlog.EncodeRecord(packlog.Record{Kind: packlog.KindRun}, at)
	binary.LittleEndian.PutUint32(huge[12:], 1<<31)
	f.Add(huge)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, size, err := packlog.DecodeRecord(b, at)
		if err != nil {
			return
		}
		if got := packlog.EncodeRecord(r, at); r.Kind != packlog.KindSeal && bytes.Equal(b[32:56], make([]byte, 24)) && !bytes.Equal(got, b[:size]) {
			t.Errorf("decoded and encoded again: %x, was %x", got, b[:size])
		}
	})
}

// A record is whole, whatever is cut off after it while it is read: an append that is taken back, or zeros.
func TestReadWhileCutBack(t *testing.T) {
	at := packlog.Position{Pack: 1, ID: 7}
	for _, size := range []int{10, 3000, 9000} {
		b := packlog.EncodeRecord(packlog.Record{Kind: packlog.KindRun, Meta: []byte("m"), Payload: make([]byte, size)}, at)
		for _, behind := range []uint64{0, 8, 4096, 1 << 20} {
			r, _, err := packlog.DecodeRecordIn(b, at, uint64(len(b))+behind)
			if err != nil || len(r.Payload) != size {
				t.Errorf("a record of %d bytes, %d behind it: %v", size, behind, err)
			}
			if _, _, err := packlog.DecodeRecordIn(b[:len(b)-8], at, uint64(len(b))+behind); err == nil {
				t.Errorf("a record of %d bytes is read without its end", size)
			}
			if _, _, err := packlog.DecodeRecordIn(b[:8], at, uint64(len(b))+behind); err == nil {
				t.Errorf("a record of %d bytes is read of its first 8", size)
			}
		}
	}
}

func FuzzPack(f *testing.F) {
	for name, b := range smallStore(f) {
		if strings.HasPrefix(name, "packs/") {
			f.Add(b)
		}
	}
	f.Add(examples(f)["packs/2.0.pack"])
	f.Fuzz(func(t *testing.T, b []byte) {
		info, _, err := packlog.DecodePack(b)
		if err == nil && !bytes.Equal(packlog.EncodePack(info, packlog.Position{}, false), b[:1024]) {
			t.Errorf("header decoded and encoded again differs: %+v", info)
		}
		files := map[string][]byte{"format": []byte("hc-store 1\n"), "mark": nil, "packs/1.0.pack": b, "packs/2.0.pack": b}
		if _, _, err := examine(t, machineWith(t, files), false); err != nil {
			t.Errorf("a hostile pack: %v", err)
		}
	})
}

func FuzzMark(f *testing.F) {
	f.Add(examples(f)["mark"])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := packlog.DecodeMark(b)
		if err == nil && !bytes.Equal(packlog.EncodeMark(m), b) {
			t.Errorf("decoded and encoded again differs: %+v", m)
		}
	})
}
