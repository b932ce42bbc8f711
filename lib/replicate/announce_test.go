package replicate

import (
	"math/rand/v2"
	"testing"

	"hc/lib/proof"
	"hc/lib/replicate/bitfield"
	"hc/lib/replicate/messages"
)

// What is told of a sparse copy, at the open, for a want and when it grows, is what it has.
func TestSparseAnnouncements(t *testing.T) {
	noLeaks(t)
	core, sparse := newCore(t, 300), newStore(t)
	random := rand.New(rand.NewPCG(9, 10))
	take := func(from, to uint64) {
		t.Helper()
		claim := proof.Claim{Kind: proof.KindBlocks, From: from, To: to}
		if _, err := read(t, sparse, core.key, claim, FetchOptions{}, core.serving(ServerOptions{})); err != nil {
			t.Fatal(err)
		}
	}
	has := make([]bool, 300)
	mark := func(from, to uint64) {
		take(from, to)
		for i := from; i <= to; i++ {
			has[i] = true
		}
	}
	mark(7, 40)
	mark(200, 200)
	copied := &testCore{t: t, store: sparse, key: core.key}
	a := ask(t, copied.serving(ServerOptions{}), core.key).open()
	var said bitfield.Remote
	told := func() {
		t.Helper()
		for block := range uint64(300) {
			if said.Has(block) != has[block] {
				t.Fatalf("block %d: told %v, want %v", block, said.Has(block), has[block])
			}
		}
	}
	count := func() (blocks int) {
		for block := range uint64(300) {
			if said.Has(block) {
				blocks++
			}
		}
		return blocks
	}
	held := func() (blocks int) {
		for _, held := range has {
			if held {
				blocks++
			}
		}
		return blocks
	}
	hear := func() {
		for count() < held() {
			m, err := messages.DecodeRange(a.await(messages.TypeRange))
			if err != nil {
				t.Fatal(err)
			}
			said.Set(m.Start, m.Length, !m.Drop)
		}
	}
	hear()
	told()
	for range 6 {
		from := random.Uint64N(300)
		mark(from, min(299, from+random.Uint64N(40)))
		hear()
		told()
		for _, want := range []messages.Want{{Length: segment}, {Start: 64, Length: 64}, {Start: 256, Length: 512}, {Start: 0, Length: 32}, {Start: segment, Length: segment}} {
			if want.Start >= 300 {
				continue
			}
			a.send(messages.TypeWant, want.Append(nil))
			m := a.next("answer to a want", func(m message) bool { return m.kind == messages.TypeBitfield || m.kind == messages.TypeRange })
			var answer bitfield.Remote
			if m.kind == messages.TypeRange {
				r, _ := messages.DecodeRange(m.body)
				answer.Set(r.Start, r.Length, true)
			} else {
				field, err := messages.DecodeBitfield(m.body)
				end := min(want.Start+want.Length, 300)
				if err != nil || field.Start != want.Start || len(field.Words) != int(end-want.Start+31)/32 {
					t.Fatalf("want %+v: bitfield from %d, %d words, %v", want, field.Start, len(field.Words), err)
				}
				answer.SetBits(field.Start, field.Words)
			}
			for block := want.Start; block < min(300, want.Start+want.Length); block++ {
				if answer.Has(block) != has[block] {
					t.Fatalf("want %+v: block %d: %v, want %v", want, block, answer.Has(block), has[block])
				}
			}
		}
	}
	mark(0, 299)
	for said.Contiguous() < 300 {
		m, err := messages.DecodeRange(a.await(messages.TypeRange))
		if err != nil {
			t.Fatal(err)
		}
		said.Set(m.Start, m.Length, !m.Drop)
	}
}

// A server says that it can upgrade a reader only if it has the roots of the reader's length.
func TestCanUpgrade(t *testing.T) {
	core, sparse := newCore(t, 300), newStore(t)
	if _, err := read(t, sparse, core.key, proof.Claim{Kind: proof.KindHead}, FetchOptions{}, core.serving(ServerOptions{})); err != nil {
		t.Fatal(err)
	}
	roots := &testCore{t: t, store: sparse, key: core.key}
	for _, c := range []struct {
		core   *testCore
		length uint64
		can    bool
	}{{core, 0, true}, {core, 7, true}, {core, 300, true}, {core, 301, false}, {roots, 0, true}, {roots, 7, false}, {roots, 256, true}, {roots, 300, true}} {
		a := ask(t, c.core.serving(ServerOptions{}), core.key).open()
		a.await(typeOpened)
		a.await(messages.TypeSync)
		a.send(messages.TypeSync, messages.Sync{Downloading: true, Length: c.length}.Append(nil))
		m, err := messages.DecodeSync(a.await(messages.TypeSync))
		if err != nil || m.CanUpgrade != c.can || m.RemoteLength != c.length {
			t.Errorf("length %d: %+v, %v, want %v", c.length, m, err, c.can)
		}
	}
}
