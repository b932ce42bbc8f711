package proof

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// heads is a sink that remembers the heads of both logs.
type heads struct {
	now  keys.Key
	seen map[keys.Key]Head
	data map[keys.Key]uint64 // bytes of blocks
}

func (h *heads) Core(key keys.Key, _ []byte) error { h.now = key; return nil }

func (h *heads) Head(head Head, roots []merkle.Node) error {
	if merkle.ByteLength(roots) != head.ByteLength {
		return errors.New("the roots are not the head's")
	}
	h.seen[h.now] = head
	return nil
}

func (h *heads) Nodes([]merkle.Node) error { return nil }

func (h *heads) Block(_ uint64, data []byte, _, _ int) error {
	h.data[h.now] += uint64(len(data))
	return nil
}

func TestNames(t *testing.T) {
	for _, group := range []int{1 << 20, 12} {
		withGroups(t, group, 4096)
		d := sampleDrive(t)
		claim := Claim{Kind: KindNames}
		stream := d.write(claim, nil)
		var names []string
		h := &heads{seen: map[keys.Key]Head{}, data: map[keys.Key]uint64{}}
		opt := Options{Claim: &claim, Names: func(item hyperdrive.Item) error {
			names = append(names, item.Name)
			return nil
		}}
		sum, err := Verify(t.Context(), bytes.NewReader(stream), opt, h)
		if err != nil {
			t.Fatal(err)
		}
		if len(names) != len(d.content)+1 || !slices.IsSorted(names) || sum.Files != uint64(len(names)) || sum.Bytes != 0 {
			t.Errorf("%q, %+v", names, sum)
		}
		want, err := d.blobs.Head(t.Context())
		if err != nil || h.seen[d.blobs.Key()].Length != want.Length || h.data[d.blobs.Key()] != 0 || len(h.seen) != 2 {
			t.Errorf("heads %v, want the blobs' of %+v; %d bytes of content", h.seen, want, h.data[d.blobs.Key()])
		}
		for n := 0; n < len(stream); n += stride(13) {
			if _, err := Verify(t.Context(), bytes.NewReader(stream[:n]), opt, nil); !errors.Is(err, ErrPartial) {
				t.Fatalf("cut at byte %d: %v", n, err)
			}
		}
		for bit := 0; bit < 8*len(stream); bit += 29 * stride(13) {
			flipped := bytes.Clone(stream)
			flipped[bit/8] ^= 1 << (bit % 8)
			if _, err := Verify(t.Context(), bytes.NewReader(flipped), Options{Claim: &claim, Key: ptr(d.names.Key())}, nil); err == nil {
				t.Fatalf("bit %d was flipped, and nobody saw it", bit)
			}
		}
	}
}

// A drive that has no content yet proves its names without blobs.
func TestNamesWithoutBlobs(t *testing.T) {
	d := newDrive(t)
	d.link("/link", "nowhere")
	claim := Claim{Kind: KindNames}
	sum, err := Verify(t.Context(), bytes.NewReader(d.write(claim, nil)), Options{Claim: &claim}, nil)
	if err != nil || sum.Files != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
}
