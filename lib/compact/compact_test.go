package compact

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"testing"
)

type vector struct {
	Type    string
	Value   json.RawMessage
	Hex     string
	Decoded uint64
	Error   string
}

type vectors struct{ Encode, NonMinimalAccepted, DecodeErrors []vector }

func load(t testing.TB) (v vectors) {
	t.Helper()
	data, err := os.ReadFile("../../tests/vectors/primitives.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Encode) == 0 || len(v.NonMinimalAccepted) == 0 || len(v.DecodeErrors) == 0 {
		t.Fatal("primitives.json has no cases")
	}
	return v
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// recode encodes a vector's value, decodes the result, and encodes that again.
func recode(t *testing.T, v vector) (encoded, again []byte, d *Decoder) {
	t.Helper()
	d = NewDecoder(unhex(t, v.Hex))
	value := func(into any) {
		if err := json.Unmarshal(v.Value, into); err != nil {
			t.Fatal(err)
		}
	}
	var n uint64
	var s string
	switch v.Type {
	case "uint":
		value(&n)
		if got, want := UintSize(n), len(v.Hex)/2; got != want {
			t.Errorf("UintSize(%d) = %d, want %d", n, got, want)
		}
		return AppendUint(nil, n), AppendUint(nil, d.Uint()), d
	case "uint64":
		value(&n)
		return AppendUint64(nil, n), AppendUint64(nil, d.Uint64()), d
	case "buffer", "optionalBuffer":
		value(&s) // null leaves it empty
		return AppendBuffer(nil, unhex(t, s)), AppendBuffer(nil, d.Buffer(1<<20)), d
	case "string":
		value(&s)
		return AppendString(nil, s), AppendString(nil, d.String(1<<20)), d
	case "bool":
		var on bool
		value(&on)
		return AppendBool(nil, on), AppendBool(nil, d.Bool()), d
	case "fixed32":
		value(&s)
		x := d.Fixed32()
		return unhex(t, s), x[:], d
	case "fixed64":
		value(&s)
		x := d.Fixed64()
		return unhex(t, s), x[:], d
	case "array(uint)":
		var list []uint64
		value(&list)
		encoded = AppendUint(nil, uint64(len(list)))
		for _, n := range list {
			encoded = AppendUint(encoded, n)
		}
		count := d.ArrayLen(1, MaxArray)
		again = AppendUint(nil, uint64(count))
		for range count {
			again = AppendUint(again, d.Uint())
		}
		return encoded, again, d
	case "uint32array":
		var list []uint32
		value(&list)
		return AppendUint32s(nil, list), AppendUint32s(nil, d.Uint32s(MaxArray)), d
	case "raw":
		value(&s)
		return unhex(t, s), d.Rest(), d
	case "frame(string)":
		value(&s)
		inner := d.Frame(1 << 20)
		again = AppendBuffer(nil, AppendString(nil, inner.String(1<<20)))
		return AppendBuffer(nil, AppendString(nil, s)), again, d
	}
	t.Fatalf("vector of type %q", v.Type)
	return nil, nil, nil
}

func TestVectors(t *testing.T) {
	v := load(t)
	for _, c := range v.Encode {
		encoded, again, d := recode(t, c)
		if got := hex.EncodeToString(encoded); got != c.Hex {
			t.Errorf("%s %s encodes to %s, want %s", c.Type, c.Value, got, c.Hex)
		}
		if got := hex.EncodeToString(again); got != c.Hex {
			t.Errorf("%s %s encodes again to %s", c.Type, c.Hex, got)
		}
		if d.Err() != nil || d.Left() != 0 {
			t.Errorf("%s %s: error %v, %d bytes left", c.Type, c.Hex, d.Err(), d.Left())
		}
	}
	for _, c := range v.NonMinimalAccepted {
		d := NewDecoder(unhex(t, c.Hex))
		if got := d.Uint(); got != c.Decoded || d.Err() != nil {
			t.Errorf("uint %s = %d, %v, want %d", c.Hex, got, d.Err(), c.Decoded)
		}
	}
	for _, c := range v.DecodeErrors {
		d := NewDecoder(unhex(t, c.Hex))
		if got := d.Uint(); got != 0 || !errors.Is(d.Err(), ErrMalformed) {
			t.Errorf("uint %q = %d, %v, want ErrMalformed (stock: %s)", c.Hex, got, d.Err(), c.Error)
		}
	}
}

func TestLimits(t *testing.T) {
	tests := []struct {
		name string
		in   string
		read func(d *Decoder)
		want string
	}{
		{"buffer cut off", "05aabb", func(d *Decoder) { d.Buffer(100) }, "malformed message: byte 1: length 5, but 2 bytes are left"},
		{"buffer of 2^53-1", "ffffffffffffff1f00", func(d *Decoder) { d.Buffer(math.MaxInt) }, "malformed message: byte 9: length 9007199254740991, but 0 bytes are left"},
		{"buffer over its limit", "03aabbcc", func(d *Decoder) { d.Buffer(2) }, "malformed message: byte 1: length 3 is over the limit of 2"},
		{"array over stock's limit", "fe01001000", func(d *Decoder) { d.ArrayLen(1, math.MaxInt) }, "malformed message: byte 5: array of 1048577 is over the limit of 1048576"},
		{"array over the caller's limit", "03000000", func(d *Decoder) { d.ArrayLen(1, 2) }, "malformed message: byte 1: array of 3 is over the limit of 2"},
		{"array over what is there", "03000000", func(d *Decoder) { d.ArrayLen(2, 10) }, "malformed message: byte 1: array of 3, but 3 bytes are left"},
		{"words over what is there", "0201000000", func(d *Decoder) { d.Uint32s(10) }, "malformed message: byte 1: array of 2, but 4 bytes are left"},
		{"boolean 2", "02", func(d *Decoder) { d.Bool() }, "malformed message: byte 1: 0x02 is not a boolean"},
		{"fixed cut off", "0011", func(d *Decoder) { d.Fixed32() }, "malformed message: byte 0: 32 bytes needed, 2 left"},
	}
	for _, c := range tests {
		d := NewDecoder(unhex(t, c.in))
		c.read(d)
		if d.Err() == nil || d.Err().Error() != c.want {
			t.Errorf("%s: error %q, want %q", c.name, d.Err(), c.want)
		}
	}
}

func TestFirstErrorStays(t *testing.T) {
	d := NewDecoder([]byte{5, 1})
	if b := d.Buffer(10); b != nil {
		t.Errorf("Buffer = %x after an error", b)
	}
	first := d.Err()
	d.Fail("another")
	if d.Uint() != 0 || d.Rest() != nil || d.Left() != 0 || d.ArrayLen(1, 9) != 0 || d.Fixed64() != [64]byte{} {
		t.Error("a failed decoder gives something")
	}
	if d.Err() != first {
		t.Errorf("error became %v", d.Err())
	}
}

func TestBufferIsCapped(t *testing.T) {
	message := []byte{1, 7, 8}
	b := NewDecoder(message).Buffer(1)
	if got := append(b, 99); got[0] != 7 || message[2] != 8 {
		t.Error("appending to a buffer changes the message behind it")
	}
}

// FuzzDecoder lets the input choose how the rest of it is read.
func FuzzDecoder(f *testing.F) {
	v := load(f)
	for i, c := range append(v.Encode, v.DecodeErrors...) {
		f.Add([]byte{byte(i)}, unhex(f, c.Hex))
	}
	f.Fuzz(func(t *testing.T, script, message []byte) {
		d := NewDecoder(message)
		for _, op := range script {
			before := d.Left()
			switch op % 9 {
			case 0:
				n := d.Uint()
				if n > MaxUint {
					t.Fatalf("Uint = %d", n)
				}
				if e := NewDecoder(AppendUint(nil, n)); d.Err() == nil && (e.Uint() != n || e.Left() != 0 || len(AppendUint(nil, n)) != UintSize(n)) {
					t.Fatalf("%d does not encode", n)
				}
			case 1:
				if b := d.Buffer(100); len(b) > 100 {
					t.Fatalf("Buffer of %d", len(b))
				}
			case 2:
				if n := d.ArrayLen(3, 50); n > 50 || 3*n > d.Left() {
					t.Fatalf("ArrayLen = %d with %d left", n, d.Left())
				}
			case 3:
				d.Uint64()
			case 4:
				d.Fixed32()
			case 5:
				d.Bool()
			case 6:
				if w := d.Uint32s(MaxArray); 4*len(w) > len(message) {
					t.Fatalf("%d words", len(w))
				}
			case 7:
				d.Frame(100).String(10)
			case 8:
				d.Fixed64()
			}
			if d.Left() > before || d.Left() < 0 || d.Offset()+d.Left() != len(message) {
				t.Fatalf("%d bytes left, %d before", d.Left(), before)
			}
			if d.Err() != nil && (!errors.Is(d.Err(), ErrMalformed) || d.Left() != 0) {
				t.Fatalf("error %v with %d left", d.Err(), d.Left())
			}
		}
	})
}

func ExampleDecoder() {
	message := AppendString(AppendUint(nil, 1000), "hypercore/alpha")
	d := NewDecoder(message)
	n, name := d.Uint(), d.String(100)
	if err := d.Err(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(n, name)
	// Output: 1000 hypercore/alpha
}

func BenchmarkUint(b *testing.B) {
	message := bytes.Repeat(AppendUint(nil, 70000), 1000)
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		d := NewDecoder(message)
		for d.Left() > 0 {
			d.Uint()
		}
	}
}
