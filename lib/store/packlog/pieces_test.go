package packlog_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"hc/lib/checksum"
	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
)

// A record whose payload is in pieces, with or without its sum, equals the record that has it in one.
func TestPieces(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	payload := make([]byte, 3<<20)
	_, _ = random.Read(payload) // never fails
	pieces := func(first int, sizes ...int) packlog.Record {
		r := packlog.Record{Kind: packlog.KindRun, Meta: []byte("pieces"), Payload: payload[:first]}
		at := first
		for _, n := range sizes {
			r.Pieces = append(r.Pieces, payload[at:at+n])
			at += n
		}
		return r
	}
	small := make([]int, 900) // some are copied, some are not
	for i := range small {
		if small[i] = 1 + i%2000; i%3 == 0 {
			small[i] = 5000
		}
	}
	records := map[string]packlog.Record{
		"none": pieces(10), "small": pieces(3, 1, 0, 5), "only pieces": pieces(0, 100_000, 70_001), "both": pieces(99_999, 7, 200_000, 3),
		"many": pieces(0, small...), "more than the system takes at once": {Kind: packlog.KindRun},
	}
	for i := range 1200 {
		r := records["more than the system takes at once"]
		r.Pieces = append(r.Pieces, payload[i*500:][:4100-i%3])
		records["more than the system takes at once"] = r
	}

	for _, summed := range []bool{false, true} {
		for name, r := range records {
			want := append(bytes.Clone(r.Payload), bytes.Join(r.Pieces, nil)...)
			if summed {
				r.Sum = checksum.Of(want)
			}
			l := open(t, t.TempDir(), packlog.Options{Create: true})
			a, err := l.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			at, err := a.Write(t.Context(), run("before", "x"), r, run("behind", "y"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.Commit(t.Context(), head("head"), true); err != nil {
				t.Fatal(err)
			}
			for i, want := range [][]byte{[]byte("x"), want, []byte("y")} {
				got, err := l.ReadPayload(t.Context(), at[i])
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s, sum known %v: record %d: %d bytes, want %d, %v", name, summed, i, len(got), len(want), err)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A sum that is not the payload's makes a checksum that no reader accepts.
func TestWrongSum(t *testing.T) {
	l := open(t, t.TempDir(), packlog.Options{Create: true})
	defer l.Close()
	r := run("wrong", "payload")
	r.Sum = checksum.Of([]byte("another"))
	a, err := l.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at, err := a.Write(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := l.ReadPayload(t.Context(), at[0]); err == nil {
		t.Errorf("it reads as %q", got)
	}
}

// TestFailingPieces fails each call of an append whose payload is in pieces: that is reported, and the same append,
// made again, is whole. So is one that was acknowledged, even after a power loss.
func TestFailingPieces(t *testing.T) {
	random := rand.NewChaCha8([32]byte{2})
	payload := make([]byte, 60_000)
	_, _ = random.Read(payload) // never fails
	record := packlog.Record{Kind: packlog.KindRun, Meta: []byte("pieces"), Payload: payload[:5000], Sum: checksum.Of(payload)}
	record.Pieces = [][]byte{payload[5000:25_000], payload[25_000:25_010], payload[25_010:]}
	for n := 1; ; n++ {
		machine := memfs.New(uint64(n))
		options := packlog.Options{FS: machine.Process(), Create: true}
		l := open(t, "/store", options)
		mustAppend(t, l, "before", "x", true)
		from, failed := machine.Calls(), false
		machine.Fault = func(call memfs.Call) (out memfs.Outcome) {
			if call.N == from+n {
				failed, out.Err = true, errors.New("no space left on device")
			}
			return out
		}
		appendPieces := func() (at []packlog.Position, err error) {
			a, err := l.Begin(t.Context())
			if err != nil {
				return nil, err
			}
			return a.WriteCommit(t.Context(), []packlog.Record{record}, head("pieces"), true)
		}
		at, err := appendPieces()
		machine.Fault = nil
		if err == nil == failed {
			t.Fatalf("call %d failed: %v, told %v", n, failed, err)
		}
		if failed {
			if at, err = appendPieces(); err != nil {
				t.Fatalf("call %d, again: %v", n, err)
			}
		}
		machine.PowerLoss()
		options.FS = machine.Process()
		l = open(t, "/store", options)
		if got, err := l.ReadPayload(t.Context(), at[0]); err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("call %d: %d bytes, %v", n, len(got), err)
		}
		if !failed {
			if n < 6 {
				t.Fatalf("it makes %d calls", n-1)
			}
			return
		}
	}
}
