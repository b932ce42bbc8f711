package publish

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/replicate/messages"
)

func TestPublishMessages(t *testing.T) {
	a := keys.Head{Fork: 300, Length: 1 << 40, TreeHash: hash.Digest{1, 2}}
	b := keys.Head{Length: 7, TreeHash: hash.Digest{3}}
	want := Reserve{Base: a, Next: b, Signature: [64]byte{63: 4}, Manifest: []byte{5, 6}}
	got, err := DecodeReserve(want.Append(nil))
	if err != nil || got.Base != a || got.Next != b || got.Signature != want.Signature || !bytes.Equal(got.Manifest, want.Manifest) {
		t.Errorf("reserve: %+v, %v", got, err)
	}
	if head, err := DecodeState(AppendState(nil, a)); err != nil || head != a {
		t.Errorf("state: %+v, %v", head, err)
	}
	if code, head, err := DecodeAnswer(AppendAnswer(nil, Moved, b)); err != nil || code != Moved || head != b {
		t.Errorf("answer: %d %+v, %v", code, head, err)
	}
	for n := range len(want.Append(nil)) {
		if _, err := DecodeReserve(want.Append(nil)[:n]); err == nil {
			t.Errorf("reserve of %d bytes was taken", n)
		}
	}
	if _, err := DecodeReserve(append(want.Append(nil), 0)); err == nil {
		t.Error("reserve with a byte behind it was taken")
	}
	large := want
	large.Manifest = make([]byte, messages.MaxManifest+1)
	if _, err := DecodeReserve(large.Append(nil)); err == nil {
		t.Error("a manifest over the limit was taken")
	}
}

// The example in FORMAT.md is what is sent.
func TestPublishExample(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	tree := hash.Digest(bytes.Repeat([]byte{0x22}, hash.Size))
	want := AppendAnswer(nil, Taken, keys.Head{Length: 3, TreeHash: tree})
	digits := strings.ReplaceAll(string(text), " ", "")
	if !strings.Contains(digits, "\n"+hex.EncodeToString(want)+"\n") {
		t.Errorf("FORMAT.md does not show %x", want)
	}
}

func FuzzPublish(f *testing.F) {
	h := keys.Head{Fork: 1, Length: 2, TreeHash: hash.Digest{3}}
	f.Add(byte(TypeState), AppendState(nil, h))
	f.Add(byte(TypeReserve), Reserve{Base: h, Next: h, Manifest: []byte{1}}.Append(nil))
	f.Add(byte(TypeAnswer), AppendAnswer(nil, Taken, h))
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		again, err := recodePublish(kind%3, body)
		if err != nil {
			return
		}
		twice, err := recodePublish(kind%3, again)
		if err != nil || !bytes.Equal(again, twice) {
			t.Errorf("type %d: %x is encoded as %x, which gives %x, %v", kind%3, body, again, twice, err)
		}
	})
}

func recodePublish(kind byte, body []byte) ([]byte, error) {
	switch kind {
	case TypeState:
		head, err := DecodeState(body)
		return AppendState(nil, head), err
	case TypeReserve:
		m, err := DecodeReserve(body)
		return m.Append(nil), err
	}
	code, head, err := DecodeAnswer(body)
	return AppendAnswer(nil, byte(min(code, 252)), head), err
}
