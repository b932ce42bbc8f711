package merkle_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"

	"hc/lib/compact"
	"hc/lib/merkle"
)

type proofVector struct {
	Length  uint64
	What    string
	Request struct {
		Block    *merkle.BlockRequest
		Hash     *merkle.HashRequest
		Seek     *merkle.SeekRequest
		Upgrade  *merkle.UpgradeRequest
		Manifest bool
	}
	DataHex string
	Error   string
}

func (v proofVector) request() merkle.Request {
	return merkle.Request{ID: 1, Block: v.Request.Block, Hash: v.Request.Hash, Seek: v.Request.Seek,
		Upgrade: v.Request.Upgrade, Manifest: v.Request.Manifest}
}

func loadProofs(t testing.TB) []proofVector {
	t.Helper()
	var v struct{ Proofs []proofVector }
	load(t, "proofs.json", &v)
	if len(v.Proofs) == 0 {
		t.Fatal("proofs.json has no cases")
	}
	return v.Proofs
}

// encode returns the data message of a proof, so that vectors compare byte for byte.
func encode(p *merkle.Proof) []byte {
	var flags uint64
	for i, there := range []bool{p.Block != nil, p.Hash != nil, p.Seek != nil, p.Upgrade != nil, p.Manifest != nil} {
		if there {
			flags |= 1 << i
		}
	}
	nodes := func(b []byte, list []merkle.Node) []byte {
		b = compact.AppendUint(b, uint64(len(list)))
		for _, n := range list {
			b = append(compact.AppendUint(compact.AppendUint(b, n.Index), n.Size), n.Hash[:]...)
		}
		return b
	}
	b := compact.AppendUint(nil, flags)
	b = compact.AppendUint(b, p.ID)
	b = compact.AppendUint(b, p.Fork)
	if p.Block != nil {
		b = compact.AppendBuffer(compact.AppendUint(b, p.Block.Index), p.Block.Value)
		b = nodes(b, p.Block.Nodes)
	}
	if p.Hash != nil {
		b = nodes(compact.AppendUint(b, p.Hash.Index), p.Hash.Nodes)
	}
	if p.Seek != nil {
		b = nodes(compact.AppendUint(b, p.Seek.Bytes), p.Seek.Nodes)
	}
	if u := p.Upgrade; u != nil {
		b = compact.AppendUint(compact.AppendUint(b, u.Start), u.Length)
		b = nodes(nodes(b, u.Nodes), u.Additional)
		b = compact.AppendBuffer(b, u.Signature)
	}
	return append(b, p.Manifest...)
}

func TestTableVectors(t *testing.T) {
	var v struct {
		Tables []struct {
			Length         uint64
			Nodes          []nodeVector
			SignatureField string
		}
	}
	load(t, "proofs.json", &v)
	if len(v.Tables) == 0 {
		t.Fatal("proofs.json has no tables")
	}
	for _, c := range v.Tables {
		l := vectorLog(t, c.Length)
		if len(l.nodes) != len(c.Nodes) {
			t.Errorf("length %d: %d nodes, want %d", c.Length, len(l.nodes), len(c.Nodes))
		}
		for _, n := range toNodes(t, c.Nodes) {
			if !merkle.Same(l.nodes[n.Index], n) {
				t.Errorf("length %d: node %v, want %v", c.Length, l.nodes[n.Index], n)
			}
		}
		if got := hex.EncodeToString(l.head(t, c.Length).Signature); got != c.SignatureField {
			t.Errorf("length %d: signature field %s, want %s", c.Length, got, c.SignatureField)
		}
	}
}

// TestProofVectors makes every proof that stock made, byte for byte, and verifies it as the reader that asked for it.
func TestProofVectors(t *testing.T) {
	made, refused, verified := 0, 0, 0
	logs := map[uint64]*log{}
	for _, c := range loadProofs(t) {
		l := logs[c.Length]
		if l == nil {
			l = vectorLog(t, c.Length)
			logs[c.Length] = l
		}
		p, err := merkle.Prove(context.Background(), c.request(), l.head(t, c.Length), l.nodes)
		if c.Error != "" {
			if !errors.Is(err, merkle.ErrInvalidRequest) {
				t.Errorf("length %d, %s: error %v, want ErrInvalidRequest (stock: %s)", c.Length, c.What, err, c.Error)
			}
			refused++
			continue
		}
		if err != nil {
			t.Errorf("length %d, %s: %v", c.Length, c.What, err)
			continue
		}
		if p.Block != nil {
			p.Block.Value = l.blocks[p.Block.Index]
		}
		if c.Request.Manifest {
			p.Manifest = l.auth.Manifest()
		}
		if got := hex.EncodeToString(encode(p)); got != c.DataHex {
			t.Errorf("length %d, %s: made\n%s, want\n%s", c.Length, c.What, got, c.DataHex)
			continue
		}
		made++
		verifyAsAsker(t, l, c, p)
		verified++
	}
	t.Logf("%d proofs made, %d requests refused, %d proofs verified", made, refused, verified)
}

// verifyAsAsker verifies a proof as a reader who knows exactly what the request implies.
func verifyAsAsker(t *testing.T, l *log, c proofVector, p *merkle.Proof) {
	t.Helper()
	length := c.Length
	if u := c.Request.Upgrade; u != nil {
		length = u.Start
	}
	known := table{}
	n, levels := uint64(0), uint64(0)
	switch {
	case c.Request.Block != nil:
		n, levels = 2*c.Request.Block.Index, c.Request.Block.Nodes
	case c.Request.Hash != nil:
		n, levels = c.Request.Hash.Index, c.Request.Hash.Nodes
	}
	if merkle.RightSpan(n) < 2*length {
		for range levels {
			n = merkle.Parent(n)
		}
		known.put(l.nodes[n])
	}
	got, err := merkle.Verify(context.Background(), p, l.state(length), known, l.check)
	if err != nil {
		t.Errorf("length %d, %s: %v", c.Length, c.What, err)
		return
	}
	if got.Upgraded != (c.Request.Upgrade != nil) || got.Upgraded && got.Length != c.Length {
		t.Errorf("length %d, %s: upgraded %v to %d", c.Length, c.What, got.Upgraded, got.Length)
	}
	if got.Upgraded {
		length = c.Length
	}
	if merkle.TreeHash(got.Roots) != merkle.TreeHash(l.nodes.roots(length)) {
		t.Errorf("length %d, %s: roots %v", c.Length, c.What, got.Roots)
	}
	if (got.Leaf != nil) != (p.Block != nil) {
		t.Errorf("length %d, %s: leaf %v", c.Length, c.What, got.Leaf)
	}
	for _, n := range got.Nodes {
		if !merkle.Same(n, l.nodes[n.Index]) {
			t.Errorf("length %d, %s: node %v, want %v", c.Length, c.What, n, l.nodes[n.Index])
		}
		if n.Hint && p.Hash == nil && p.Seek == nil && (p.Upgrade == nil || len(p.Upgrade.Additional) == 0) {
			t.Errorf("length %d, %s: node %d is a hint", c.Length, c.What, n.Index)
		}
	}
	if p.Block == nil && p.Hash == nil && p.Upgrade == nil {
		return
	}
	// The same proof against the state of another log proves nothing.
	other := makeLog(t, append(make([][]byte, c.Length-1), []byte("another")))
	state := other.state(length)
	if got.Upgraded {
		state = other.state(c.Request.Upgrade.Start)
	}
	for i := range state.Roots {
		state.Roots[i].Hash[0] ^= 1 // empty blocks may be the same in both
	}
	if state.Length > 0 {
		if _, err := merkle.Verify(context.Background(), p, state, nil, l.check); !errors.Is(err, merkle.ErrUnverified) {
			t.Errorf("length %d, %s: against another log: %v, want ErrUnverified", c.Length, c.What, err)
		}
	}
}

func TestProofVectorJSON(t *testing.T) {
	// A loader that drops unknown fields would make every request an empty one.
	var c proofVector
	err := json.Unmarshal([]byte(`{"request": {"block": {"index": 3, "nodes": 2}}}`), &c)
	if err != nil || c.Request.Block == nil || *c.Request.Block != (merkle.BlockRequest{Index: 3, Nodes: 2}) {
		t.Fatalf("request %+v, %v", c.Request, err)
	}
}
