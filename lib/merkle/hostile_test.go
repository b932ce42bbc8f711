package merkle_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"hc/lib/compact"
	"hc/lib/merkle"
)

// decode reads a data message without its manifest.
func decode(message []byte) (*merkle.Proof, error) {
	d := compact.NewDecoder(message)
	nodes := func() []merkle.Node {
		list := make([]merkle.Node, d.ArrayLen(34, compact.MaxArray))
		for i := range list {
			list[i] = merkle.Node{Index: d.Uint(), Size: d.Uint(), Hash: d.Fixed32()}
		}
		return list
	}
	flags := d.Uint()
	p := &merkle.Proof{ID: d.Uint(), Fork: d.Uint()}
	if flags&1 != 0 {
		p.Block = &merkle.BlockProof{Index: d.Uint(), Value: d.Buffer(1 << 24), Nodes: nodes()}
	}
	if flags&2 != 0 {
		p.Hash = &merkle.HashProof{Index: d.Uint(), Nodes: nodes()}
	}
	if flags&4 != 0 {
		p.Seek = &merkle.SeekProof{Bytes: d.Uint(), Nodes: nodes()}
	}
	if flags&8 != 0 {
		p.Upgrade = &merkle.UpgradeProof{Start: d.Uint(), Length: d.Uint(), Nodes: nodes(), Additional: nodes(), Signature: d.Buffer(1 << 16)}
	}
	return p, d.Err()
}

// partly makes the nodes of a reader of the log's first length blocks: some of the true ones, and some pairs of hints
// with forged sizes.
func (l *log) partly(length uint64, rng *rand.Rand) table {
	known := table{}
	for index, n := range l.nodes {
		if merkle.RightSpan(index) < 2*length && rng.IntN(3) == 0 {
			known.put(n)
		}
	}
	for index, n := range l.nodes {
		s := merkle.Sibling(index)
		if index > s || merkle.RightSpan(s) >= 2*length || rng.IntN(4) != 0 {
			continue
		}
		right := l.nodes[s]
		n.Size, right.Size = right.Size, n.Size
		n.Hint, right.Hint = true, true
		parent := l.nodes[merkle.Parent(index)]
		known.put(n, right, parent)
	}
	return known
}

// checkSound fails if a verified proof claims anything that is not true of the log.
func checkSound(t *testing.T, l *log, p *merkle.Proof, state merkle.State, v *merkle.Verified) {
	t.Helper()
	total := uint64(len(l.blocks))
	if v.Upgraded != (p.Upgrade != nil) || !v.Upgraded && v.Length != state.Length || v.Upgraded && v.Length <= state.Length || v.Length > total {
		t.Fatalf("length %d, upgraded %v", v.Length, v.Upgraded)
	}
	if merkle.TreeHash(v.Roots) != merkle.TreeHash(l.nodes.roots(v.Length)) {
		t.Fatalf("roots %v of length %d", v.Roots, v.Length)
	}
	if p.Block != nil {
		if p.Block.Index >= total || string(p.Block.Value) != string(l.blocks[p.Block.Index]) {
			t.Fatalf("block %d is forged", p.Block.Index)
		}
		if v.Leaf == nil || *v.Leaf != l.nodes[2*p.Block.Index] {
			t.Fatalf("leaf %v", v.Leaf)
		}
	}
	for _, n := range v.Nodes {
		truth, ok := l.nodes[n.Index]
		if !ok || n.Hash != truth.Hash || !n.Hint && n.Size != truth.Size {
			t.Fatalf("node %v, want %v", n, truth)
		}
	}
}

// randomRequest makes a request that a reader of length blocks who knows these nodes may send.
func randomRequest(rng *rand.Rand, total, length uint64, known table) merkle.Request {
	var r merkle.Request
	if length < total && rng.IntN(2) == 0 || length == 0 {
		r.Upgrade = &merkle.UpgradeRequest{Start: length, Length: 1 + rng.Uint64N(total-length)}
	}
	block := rng.Uint64N(total)
	if r.Upgrade == nil {
		block = rng.Uint64N(length)
	}
	have := func(n uint64) bool {
		for _, r := range merkle.FullRoots(length) {
			if r == n {
				return true
			}
		}
		return known.have(n)
	}
	switch rng.IntN(3) {
	case 0:
		r.Block = &merkle.BlockRequest{Index: block, Nodes: merkle.NodesFor(2*block, length, have)}
	case 1:
		n := 2 * block
		for up := rng.IntN(3); up > 0 && merkle.RightSpan(merkle.Parent(n)) < 2*length; up-- {
			n = merkle.Parent(n)
		}
		r.Hash = &merkle.HashRequest{Index: n, Nodes: merkle.NodesFor(n, length, have)}
	case 2:
		if r.Upgrade != nil {
			r.Seek = &merkle.SeekRequest{Bytes: rng.Uint64N(10 * total)}
		}
	}
	return r
}

func randomLog(t testing.TB, rng *rand.Rand, most int) *log {
	blocks := make([][]byte, 1+rng.IntN(most))
	for i := range blocks {
		blocks[i] = make([]byte, rng.IntN(20))
		for j := range blocks[i] {
			blocks[i][j] = byte(rng.Uint32())
		}
	}
	return makeLog(t, blocks)
}

// mutate changes something in a proof.
func mutate(p *merkle.Proof, rng *rand.Rand) {
	number := func(n *uint64) {
		switch rng.IntN(4) {
		case 0:
			*n++
		case 1:
			*n--
		case 2:
			*n ^= 1 << rng.IntN(64)
		case 3:
			*n = []uint64{0, math.MaxUint64, 1 << 53, 1<<53 - 1, 1 << 52, 1 << 63, 1<<63 - 1}[rng.IntN(7)]
		}
	}
	var lists []*[]merkle.Node
	var numbers []*uint64
	if p.Block != nil {
		lists, numbers = append(lists, &p.Block.Nodes), append(numbers, &p.Block.Index)
		if rng.IntN(4) == 0 {
			p.Block.Value = append([]byte{1}, p.Block.Value...)
		}
	}
	if p.Hash != nil {
		lists, numbers = append(lists, &p.Hash.Nodes), append(numbers, &p.Hash.Index)
	}
	if p.Seek != nil {
		lists = append(lists, &p.Seek.Nodes)
	}
	if u := p.Upgrade; u != nil {
		lists, numbers = append(lists, &u.Nodes, &u.Additional), append(numbers, &u.Start, &u.Length)
		if len(u.Signature) > 0 && rng.IntN(8) == 0 {
			s := append([]byte(nil), u.Signature...)
			s[rng.IntN(len(s))] ^= 1
			u.Signature = s
		}
	}
	if len(numbers) > 0 && rng.IntN(3) == 0 {
		number(numbers[rng.IntN(len(numbers))])
	}
	if len(lists) == 0 {
		return
	}
	list := lists[rng.IntN(len(lists))]
	if len(*list) == 0 {
		return
	}
	nodes := append([]merkle.Node(nil), *list...)
	i, j := rng.IntN(len(nodes)), rng.IntN(len(nodes))
	switch rng.IntN(7) {
	case 0:
		nodes[i].Hash[rng.IntN(32)] ^= 1
	case 1:
		number(&nodes[i].Index)
	case 2:
		number(&nodes[i].Size)
	case 3:
		nodes[i], nodes[j] = nodes[j], nodes[i]
	case 4:
		nodes[i].Size, nodes[j].Size = nodes[j].Size, nodes[i].Size
	case 5:
		nodes = append(nodes[:i], nodes[i+1:]...)
	case 6:
		to := lists[rng.IntN(len(lists))]
		*to = append(append([]merkle.Node(nil), *to...), nodes[i])
		if to == list {
			return
		}
	}
	*list = nodes
}

// hostile proves something random, checks that it verifies, and that no changed form of it leads to a lie.
func hostile(t *testing.T, seed uint64) (accepted, refused int) {
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(seed, 1))
	l := randomLog(t, rng, 40)
	total := uint64(len(l.blocks))
	length := rng.Uint64N(total + 1)
	state, known := l.state(length), l.partly(length, rng)
	r := randomRequest(rng, total, length, known)
	p := l.prove(t, r, total)
	v, err := merkle.Verify(ctx, p, state, known, l.check)
	if err != nil {
		t.Fatalf("seed %d: honest proof of %+v: %v", seed, r, err)
	}
	checkSound(t, l, p, state, v)
	for range 1 + rng.IntN(3) {
		mutate(p, rng)
	}
	v, err = merkle.Verify(ctx, p, state, known, l.check)
	if err != nil {
		if !errors.Is(err, merkle.ErrUnverified) {
			t.Fatalf("seed %d: error %v, want ErrUnverified", seed, err)
		}
		return 0, 1
	}
	checkSound(t, l, p, state, v)
	if v.Upgraded && v.Length != total {
		t.Fatalf("seed %d: head of %d blocks, signed are %d", seed, v.Length, total)
	}
	return 1, 0
}

func TestMutatedProofs(t *testing.T) {
	accepted, refused := 0, 0
	for seed := range uint64(1500) {
		a, r := hostile(t, seed)
		accepted, refused = accepted+a, refused+r
	}
	// Accepted changes are in places that do not matter: sizes that are hints, or nothing at all.
	if refused < 2*accepted || accepted == 0 {
		t.Errorf("%d mutated proofs accepted, %d refused", accepted, refused)
	}
}

func FuzzMutatedProofs(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { hostile(t, seed) })
}

// FuzzVerify feeds whole messages. Those in the vectors are the seeds: all are of one log, signed at many lengths.
func FuzzVerify(f *testing.F) {
	most := uint64(0)
	for _, c := range loadProofs(f) {
		if c.DataHex == "" {
			continue
		}
		length := c.Length
		if c.Request.Upgrade != nil {
			length = c.Request.Upgrade.Start
		}
		most = max(most, c.Length)
		f.Add(unhex(f, c.DataHex), length, uint64(1))
	}
	l := vectorLog(f, most)
	f.Fuzz(func(t *testing.T, message []byte, length, seed uint64) {
		p, err := decode(message)
		if err != nil || length > most {
			return
		}
		state, known := l.state(length), l.partly(length, rand.New(rand.NewPCG(seed, 2)))
		v, err := merkle.Verify(context.Background(), p, state, known, l.check)
		if err != nil {
			if !errors.Is(err, merkle.ErrUnverified) {
				t.Fatalf("error %v, want ErrUnverified", err)
			}
			return
		}
		checkSound(t, l, p, state, v)
	})
}

func TestVerifyRefuses(t *testing.T) {
	ctx := context.Background()
	l := lines(t, 8)
	full := merkle.Request{Upgrade: &merkle.UpgradeRequest{Start: 5, Length: 3}}
	block := merkle.Request{Block: &merkle.BlockRequest{Index: 2, Nodes: 2}}
	tests := []struct {
		name    string
		request merkle.Request
		change  func(p *merkle.Proof, state *merkle.State)
		want    string
	}{
		{"another fork", block, func(p *merkle.Proof, _ *merkle.State) { p.Fork = 1 },
			"proof does not verify: another fork: 1 proved, 0 expected"},
		{"a node too many", full, func(p *merkle.Proof, _ *merkle.State) {
			p.Upgrade.Nodes = append(p.Upgrade.Nodes, merkle.Node{Index: 16})
		}, "proof does not verify: node 16 is not needed"},
		{"a node too few", full, func(p *merkle.Proof, _ *merkle.State) { p.Upgrade.Nodes = p.Upgrade.Nodes[:1] },
			"proof does not verify: node 13 is missing"},
		{"nodes in another order", full, func(p *merkle.Proof, _ *merkle.State) {
			n := p.Upgrade.Nodes
			n[0], n[1] = n[1], n[0]
		}, "proof does not verify: node 13 comes where 10 is needed"},
		{"no new block", full, func(p *merkle.Proof, _ *merkle.State) { p.Upgrade.Length = 0 },
			"proof does not verify: upgrade from 5 by 0 blocks"},
		{"another start", full, func(p *merkle.Proof, _ *merkle.State) { p.Upgrade.Start = 4 },
			"proof does not verify: upgrade starts at block 4, not at 5"},
		{"sizes that overflow", full, func(p *merkle.Proof, _ *merkle.State) { p.Upgrade.Nodes[0].Size = math.MaxUint64 },
			"proof does not verify: sizes of nodes 8 and 10 overflow"},
		{"an additional node that does not follow", full, func(p *merkle.Proof, _ *merkle.State) {
			p.Upgrade.Additional = []merkle.Node{{Index: 18}}
		}, "proof does not verify: node 18 does not follow a log of 8 blocks"},
		{"an additional node that is too large", full, func(p *merkle.Proof, _ *merkle.State) {
			p.Upgrade.Additional = []merkle.Node{{Index: 16}, {Index: 19}}
		}, "proof does not verify: node 19 does not follow a log of 9 blocks"},
		{"another block", block, func(p *merkle.Proof, _ *merkle.State) { p.Block.Value = []byte("abc!") },
			"proof does not verify: node 3 is not one that is known"},
		{"block and hash", block, func(p *merkle.Proof, _ *merkle.State) { p.Hash = &merkle.HashProof{} },
			"proof does not verify: block and hash in one proof"},
		{"a block beyond all limits", block, func(p *merkle.Proof, _ *merkle.State) { p.Block.Index = 1 << 62 },
			"proof does not verify: block 4611686018427387904 is beyond the limit"},
		{"a prologue that is passed", full, func(_ *merkle.Proof, s *merkle.State) { s.Prologue = &merkle.Prologue{Length: 8} },
			"proof does not verify: upgrade from 5 by 3 blocks, the prologue has 8"},
	}
	for _, c := range tests {
		p := l.prove(t, c.request, 8)
		state := l.state(5)
		c.change(p, &state)
		_, err := merkle.Verify(ctx, p, state, nil, l.check)
		if !errors.Is(err, merkle.ErrUnverified) || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	p := l.prove(t, full, 8)
	p.Upgrade.Signature = append([]byte(nil), p.Upgrade.Signature...)
	p.Upgrade.Signature[9] ^= 1
	if _, err := merkle.Verify(ctx, p, l.state(5), nil, l.check); !errors.Is(err, merkle.ErrUnverified) {
		t.Errorf("wrong signature: %v", err)
	}
	broken := errors.New("disk on fire")
	if _, err := merkle.Verify(ctx, l.prove(t, block, 8), l.state(0), failing{broken}, l.check); !errors.Is(err, broken) || errors.Is(err, merkle.ErrUnverified) {
		t.Errorf("failing source: %v", err)
	}
}

// failing is a source that cannot be read.
type failing struct{ err error }

func (f failing) Node(context.Context, uint64) (merkle.Node, error) { return merkle.Node{}, f.err }

// TestVerifyPrologue lets a reader begin with a start of the log that its manifest fixes.
func TestVerifyPrologue(t *testing.T) {
	l := lines(t, 8)
	head := l.head(t, 8)
	head.Prologue = 5
	p, err := merkle.Prove(context.Background(), merkle.Request{Upgrade: &merkle.UpgradeRequest{Start: 0, Length: 8}}, head, l.nodes)
	if err != nil {
		t.Fatal(err)
	}
	if p.Upgrade.Length != 5 {
		t.Errorf("upgrade by %d blocks, want the prologue's 5", p.Upgrade.Length)
	}
	prologue := &merkle.Prologue{Length: 5, TreeHash: merkle.TreeHash(l.nodes.roots(5))}
	v, err := merkle.Verify(context.Background(), p, merkle.State{Prologue: prologue}, nil, l.check)
	if err != nil || v.Length != 8 {
		t.Errorf("with the prologue: %+v, %v", v, err)
	}
	prologue.TreeHash[0] ^= 1
	if _, err := merkle.Verify(context.Background(), p, merkle.State{Prologue: prologue}, nil, l.check); !errors.Is(err, merkle.ErrUnverified) {
		t.Errorf("with another prologue: %v", err)
	}
}

// FuzzProve asks anything of a log: the result is an answer or an error, and no panic.
func FuzzProve(f *testing.F) {
	f.Add(byte(1), uint64(3), uint64(2), uint64(0), uint64(0), uint64(0), uint64(0))
	f.Add(byte(8+4), uint64(3), uint64(2), uint64(3), uint64(2), uint64(9), uint64(1))
	l := vectorLog(f, 13)
	head := l.head(f, 13)
	f.Fuzz(func(t *testing.T, parts byte, index, nodes, start, length, bytes, padding uint64) {
		var r merkle.Request
		if parts&1 != 0 {
			r.Block = &merkle.BlockRequest{Index: index, Nodes: nodes}
		}
		if parts&2 != 0 {
			r.Hash = &merkle.HashRequest{Index: index, Nodes: nodes}
		}
		if parts&4 != 0 {
			r.Seek = &merkle.SeekRequest{Bytes: bytes, Padding: padding}
		}
		if parts&8 != 0 {
			r.Upgrade = &merkle.UpgradeRequest{Start: start, Length: length}
		}
		if _, err := merkle.Prove(context.Background(), r, head, l.nodes); err != nil && !errors.Is(err, merkle.ErrInvalidRequest) {
			t.Fatalf("error %v, want ErrInvalidRequest", err)
		}
		merkle.NodesFor(index, length, l.nodes.have)
	})
}
