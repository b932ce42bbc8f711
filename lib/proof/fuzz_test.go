package proof

import (
	"bytes"
	"errors"
	"testing"
)

// Whatever is changed in a stream, the output is a beginning of what the key signed, and all of it only if the stream
// verifies; and a stream that verifies is the one that Write writes.
func FuzzVerify(f *testing.F) {
	list := samples(f)
	if len(list) == 0 {
		f.Fatal("no samples")
	}
	for i, s := range list {
		f.Add(uint8(i), s.stream)
	}
	f.Fuzz(func(t *testing.T, i uint8, stream []byte) {
		s := list[int(i)%len(list)]
		var out bytes.Buffer
		sink := &sinkLog{t: t, log: s.log}
		opt := Options{Claim: &s.claim, Key: ptr(s.log.Key()), Out: &out}
		_, err := Verify(t.Context(), bytes.NewReader(stream), opt, sink)
		if err != nil && !errors.Is(err, ErrUnverified) && !errors.Is(err, ErrPartial) && !errors.Is(err, ErrConflict) {
			t.Errorf("%v is of no kind", err)
		}
		if !bytes.HasPrefix(s.out, out.Bytes()) {
			t.Errorf("%q came out, want a beginning of %q", out.Bytes(), s.out)
		}
		if err != nil {
			return
		}
		for _, h := range sink.heads {
			s.log.heads = append(s.log.heads, h.Length)
		}
		var same bytes.Buffer
		if err := Write(t.Context(), &same, s.log, WriteOptions{Claim: s.claim, Live: true}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(stream, same.Bytes()) {
			t.Errorf("a second spelling verifies: %q, want %q", stream, same.Bytes())
		}
	})
}

// With a key of its own, a stream may prove anything; it must not crash.
func FuzzVerifyAny(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.stream)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		var out bytes.Buffer
		sum, err := Verify(t.Context(), bytes.NewReader(stream), Options{AnyClaim: true, Out: &out}, nil)
		if err == nil && (sum.Heads == 0 || sum.Bytes != uint64(out.Len())) {
			t.Errorf("verified with %d heads, %d of %d bytes", sum.Heads, out.Len(), sum.Bytes)
		}
		if out.Len() > len(stream) {
			t.Errorf("%d bytes came out of %d", out.Len(), len(stream))
		}
	})
}

// FuzzVerifyFolder is FuzzVerify of paths and trees: of a drive at a head there is one stream for each.
func FuzzVerifyFolder(f *testing.F) {
	list := folderSamples(f)
	for i, s := range list {
		f.Add(uint8(i), s.stream)
	}
	f.Fuzz(func(t *testing.T, i uint8, stream []byte) {
		s := list[int(i)%len(list)]
		if bytes.Equal(stream, s.stream) {
			return
		}
		if err := s.refuse(t, "fuzzed", stream); err == nil {
			t.Errorf("a second spelling verifies: %q", stream)
		}
	})
}
