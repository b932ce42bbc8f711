package replicate

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
)

func TestPublishMessages(t *testing.T) {
	a := keys.Head{Fork: 300, Length: 1 << 40, TreeHash: hash.Digest{1, 2}}
	b := keys.Head{Length: 7, TreeHash: hash.Digest{3}}
	want := reserveMessage{base: a, next: b, signature: [64]byte{63: 4}, manifest: []byte{5, 6}}
	got, err := decodeReserve(want.append(nil))
	if err != nil || got.base != a || got.next != b || got.signature != want.signature || !bytes.Equal(got.manifest, want.manifest) {
		t.Errorf("reserve: %+v, %v", got, err)
	}
	if head, err := decodeState(appendHead(nil, a)); err != nil || head != a {
		t.Errorf("state: %+v, %v", head, err)
	}
	if code, head, err := decodeAnswer(appendAnswer(nil, answerMoved, b)); err != nil || code != answerMoved || head != b {
		t.Errorf("answer: %d %+v, %v", code, head, err)
	}
	for n := range len(want.append(nil)) {
		if _, err := decodeReserve(want.append(nil)[:n]); err == nil {
			t.Errorf("reserve of %d bytes was taken", n)
		}
	}
	if _, err := decodeReserve(append(want.append(nil), 0)); err == nil {
		t.Error("reserve with a byte behind it was taken")
	}
	large := want
	large.manifest = make([]byte, maxManifest+1)
	if _, err := decodeReserve(large.append(nil)); err == nil {
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
	want := appendAnswer(nil, answerTaken, keys.Head{Length: 3, TreeHash: tree})
	digits := strings.ReplaceAll(string(text), " ", "")
	if !strings.Contains(digits, "\n"+hex.EncodeToString(want)+"\n") {
		t.Errorf("FORMAT.md does not show %x", want)
	}
}

func FuzzPublish(f *testing.F) {
	h := keys.Head{Fork: 1, Length: 2, TreeHash: hash.Digest{3}}
	f.Add(byte(typeState), appendHead(nil, h))
	f.Add(byte(typeReserve), reserveMessage{base: h, next: h, manifest: []byte{1}}.append(nil))
	f.Add(byte(typeAnswer), appendAnswer(nil, answerTaken, h))
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
	case typeState:
		head, err := decodeState(body)
		return appendHead(nil, head), err
	case typeReserve:
		m, err := decodeReserve(body)
		return m.append(nil), err
	}
	code, head, err := decodeAnswer(body)
	return appendAnswer(nil, byte(min(code, 252)), head), err
}
