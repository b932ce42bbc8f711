package derived

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sort"

	"hc/lib/compact"
	"hc/lib/keys"
	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/smallfile"
)

// AppliedName is the name, in a store's folder, of the file that names all other derived files.
const AppliedName = "applied"

const (
	appliedMagic   = "hc-applied 1\n"
	maxAppliedFile = 256 << 20 // bytes; a million cores take a sixth
)

// Applied is the small file that names all derived files, and the position that they have reached.
type Applied struct {
	Position packlog.Position
	Next     uint64 // lowest number that no file has
	Open     []OpenAppend
	Packs    []packlog.Position // one record's in each pack
	Index    []TableRef         // newest first
	Cores    []CoreRef          // ascending keys
	Hidden   []packlog.Position // damaged places before Position where heads may have been lost
	Stale    bool               // only Next is set, since packs that it referred to are gone; not in the file
}

// OpenAppend is an append with records before the applied position, but no head there.
type OpenAppend struct {
	ID    packlog.AppendID
	First packlog.Position
}

// TableRef is a table file.
type TableRef struct {
	Level, Number uint64
	Limit         uint64 // rows with keys from here on do not count; only of trees and runs
	Rows          uint64 // of tables of the index only
}

// CoreRef says where the derived state of a core is.
type CoreRef struct {
	Key    keys.Key
	Number uint64
}

// LoadApplied reads the file in a store's folder. The error wraps fs.ErrNotExist if there is none, and
// smallfile.ErrTooLong or ErrDamaged if it is not valid.
func LoadApplied(fsys packlog.FS, dir string) (*Applied, error) {
	raw, err := smallfile.Read(fsys, filepath.Join(dir, AppliedName), maxAppliedFile)
	if err != nil {
		return nil, err
	}
	return decodeApplied(raw)
}

// Replace durably replaces the file in a store's folder by a.
func (a *Applied) Replace(fsys packlog.FS, dir string) error {
	return smallfile.Replace(fsys, filepath.Join(dir, AppliedName), a.Encode(), 0o644)
}

// Core returns where the derived state of a core is, if there is any.
func (a *Applied) Core(key keys.Key) (CoreRef, bool) {
	i := sort.Search(len(a.Cores), func(i int) bool { return string(a.Cores[i].Key[:]) >= string(key[:]) })
	if i == len(a.Cores) || a.Cores[i].Key != key {
		return CoreRef{}, false
	}
	return a.Cores[i], true
}

// Encode returns the bytes of the file.
func (a *Applied) Encode() []byte {
	var b []byte
	b = compact.AppendUint(b, a.Next)
	b = compact.AppendUint(b, uint64(len(a.Open)))
	for _, o := range a.Open {
		b = append(b, o.ID[:]...)
		b = packlog.AppendPosition(b, o.First)
	}
	b = compact.AppendUint(b, uint64(len(a.Packs)))
	for _, p := range a.Packs {
		b = packlog.AppendPosition(b, p)
	}
	b = compact.AppendUint(b, uint64(len(a.Index)))
	for _, t := range a.Index {
		b = compact.AppendUint(b, t.Level)
		b = compact.AppendUint(b, t.Number)
		b = compact.AppendUint(b, t.Rows)
	}
	b = compact.AppendUint(b, uint64(len(a.Cores)))
	for _, c := range a.Cores {
		b = append(b, c.Key[:]...)
		b = compact.AppendUint(b, c.Number)
	}
	if len(a.Hidden) > 0 {
		b = compact.AppendUint(b, uint64(len(a.Hidden)))
		for _, p := range a.Hidden {
			b = packlog.AppendPosition(b, p)
		}
	}
	out := []byte(appliedMagic)
	out = packlog.AppendPosition(out, a.Position)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(b)))
	return seal(append(out, b...))
}

func decodeApplied(raw []byte) (*Applied, error) {
	body, err := unseal(appliedMagic, raw)
	if err != nil {
		return nil, err
	}
	const head = packlog.PositionSize + 8
	if len(body) < head || binary.LittleEndian.Uint64(body[packlog.PositionSize:]) != uint64(len(body)-head) {
		return nil, fmt.Errorf("%w: it is %d bytes long and says otherwise", ErrDamaged, len(body))
	}
	a := &Applied{Position: packlog.DecodePosition(body)}
	d := compact.NewDecoder(body[head:])
	a.Next = d.Uint()
	a.Open = make([]OpenAppend, d.ArrayLen(16+packlog.PositionSize, compact.MaxArray))
	for i := range a.Open {
		a.Open[i] = OpenAppend{ID: readAppendID(d), First: readPosition(d)}
	}
	a.Packs = make([]packlog.Position, d.ArrayLen(packlog.PositionSize, compact.MaxArray))
	for i := range a.Packs {
		a.Packs[i] = readPosition(d)
	}
	a.Index = make([]TableRef, d.ArrayLen(3, compact.MaxArray))
	for i := range a.Index {
		a.Index[i] = TableRef{Level: d.Uint(), Number: d.Uint(), Rows: d.Uint(), Limit: blockmap.NoLimit}
	}
	a.Cores = make([]CoreRef, d.ArrayLen(33, compact.MaxArray))
	for i := range a.Cores {
		a.Cores[i] = CoreRef{Key: d.Fixed32(), Number: d.Uint()}
	}
	if d.Left() > 0 {
		a.Hidden = make([]packlog.Position, d.ArrayLen(packlog.PositionSize, packlog.MaxDamage))
		if len(a.Hidden) == 0 {
			d.Fail("empty list of hidden places")
		}
		for i := range a.Hidden {
			a.Hidden[i] = readPosition(d)
		}
	}
	if err := ended(d); err != nil {
		return nil, err
	}
	return a, nil
}

func readPosition(d *compact.Decoder) packlog.Position {
	return packlog.Position{Pack: d.Uint64(), ID: d.Uint64(), Offset: d.Uint64()}
}

func readAppendID(d *compact.Decoder) (id packlog.AppendID) {
	binary.LittleEndian.PutUint64(id[:], d.Uint64())
	binary.LittleEndian.PutUint64(id[8:], d.Uint64())
	return id
}
