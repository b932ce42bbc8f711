package replicate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/protomux"
)

// Blocks that lie in memory which is used again come out as they went in, and are stored so: what cannot be compressed and what
// can, from an hc peer and from one that gives blocks one by one, with a store and without. Small windows have some of them copied.
func TestLentBlocks(t *testing.T) {
	core := &testCore{t: t, store: newStore(t)}
	random := rand.New(rand.NewPCG(11, 12))
	for i := range 60 {
		block := make([]byte, 20<<10+random.IntN(400<<10))
		_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(block)
		if i%5 == 4 {
			block = bytes.Repeat(fmt.Appendf(nil, "line %d\n", i), len(block)/8)
		}
		core.blocks = append(core.blocks, block)
	}
	core.append(core.blocks...)
	want := core.bytes()
	single := func() *net.TCPConn {
		return core.lying(&liar{capable: true, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error { return l.honest(ch, r, nil) }})
	}
	many := func() *net.TCPConn { return core.serving(ServerOptions{}) }
	for name, peer := range map[string]func() *net.TCPConn{"many at once": many, "one by one": single} {
		for _, window := range []int{0, 1 << 20} {
			t.Run(fmt.Sprintf("%s, window %d", name, window), func(t *testing.T) {
				into := newStore(t)
				got, err := read(t, into, core.key, proof.Claim{}, FetchOptions{Window: window}, peer())
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d bytes of %d, the same: %v, %v", len(got), len(want), bytes.Equal(got, want), err)
				}
				var stored bytes.Buffer
				if err := writeStored(t.Context(), &stored, keys.Ref{Key: core.key}, PipeOptions{Store: into}); err != nil {
					t.Fatal(err)
				}
				var out bytes.Buffer
				if _, err := proof.Verify(t.Context(), &stored, proof.Options{Key: &core.key, Out: &out}, nil); err != nil || !bytes.Equal(out.Bytes(), want) {
					t.Errorf("stored other bytes: %v", err)
				}
				got, err = read(t, nil, core.key, proof.Claim{}, FetchOptions{Window: window}, peer())
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("without a store %d bytes of %d, %v", len(got), len(want), err)
				}
			})
		}
	}
}
