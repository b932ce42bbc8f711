package merkle_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"hc/lib/merkle"
)

// lines makes a log of n blocks; block i has i+1 bytes.
func lines(t testing.TB, n int) *log {
	blocks := make([][]byte, n)
	for i := range blocks {
		blocks[i] = make([]byte, i+1)
	}
	return makeLog(t, blocks)
}

// mustVerify verifies and stores.
func mustVerify(t *testing.T, l *log, p *merkle.Proof, state merkle.State, known table) *merkle.Verified {
	t.Helper()
	v, err := merkle.Verify(context.Background(), p, state, known, l.check)
	if err != nil {
		t.Fatal(err)
	}
	known.put(v.Nodes...)
	return v
}

// moveBytes forges two sibling sizes, keeping their sum, which stock accepts.
func moveBytes(t *testing.T, nodes []merkle.Node, from, to, n uint64) {
	t.Helper()
	moved := 0
	for i := range nodes {
		switch nodes[i].Index {
		case from:
			nodes[i].Size -= n
			moved++
		case to:
			nodes[i].Size += n
			moved++
		}
	}
	if moved != 2 {
		t.Fatalf("nodes %d and %d are not both in %v", from, to, nodes)
	}
}

func hints(nodes []merkle.Node) string {
	var list []uint64
	for _, n := range nodes {
		if n.Hint {
			list = append(list, n.Index)
		}
	}
	return fmt.Sprint(list)
}

// TestForgedSizes plays a server that moves bytes between two siblings that it sends by hash alone.
func TestForgedSizes(t *testing.T) {
	ctx := context.Background()
	l := lines(t, 8)
	known := table{}
	known.put(l.nodes.roots(8)...)

	p := l.prove(t, merkle.Request{Hash: &merkle.HashRequest{Index: 4, Nodes: 3}}, 8)
	moveBytes(t, p.Hash.Nodes, 6, 4, 3)
	v := mustVerify(t, l, p, l.state(8), known)
	if got := hints(v.Nodes); got != "[4 6]" {
		t.Fatalf("hints %s, want [4 6]", got)
	}
	if known[4].Size != 6 || known[6].Size != 1 {
		t.Fatalf("sizes %d and %d, want the forged 6 and 1", known[4].Size, known[6].Size)
	}

	// Byte 7 is block 3's; by the forged sizes it would be block 2's.
	_, _, err := merkle.Seek(ctx, 7, 8, known)
	var hint *merkle.HintError
	if !errors.Is(err, merkle.ErrHint) || !errors.As(err, &hint) || hint.Index != 4 {
		t.Fatalf("Seek on a forged size: %v, want a HintError of node 4", err)
	}
	if want := "seeking byte 7: node 4: size of a tree node is only a hint"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}

	// The block under one of them, which needs no more nodes, settles both.
	nodes := merkle.NodesFor(2*3, 8, known.have)
	if nodes != 0 {
		t.Fatalf("NodesFor = %d, want 0", nodes)
	}
	v = mustVerify(t, l, l.prove(t, merkle.Request{Block: &merkle.BlockRequest{Index: 3}}, 8), l.state(8), known)
	if len(v.Nodes) != 2 || hints(v.Nodes) != "[]" {
		t.Fatalf("nodes %v, want 6 and 4, certain", v.Nodes)
	}
	for _, n := range []uint64{4, 6} {
		if known[n] != l.nodes[n] {
			t.Errorf("node %d is %v, want %v", n, known[n], l.nodes[n])
		}
	}
	if block, offset, err := merkle.Seek(ctx, 7, 8, known); err != nil || block != 3 || offset != 1 {
		t.Errorf("Seek(7) = %d, %d, %v, want block 3, offset 1", block, offset, err)
	}

	// Now the sizes are known, and the same forgery is detected.
	p = l.prove(t, merkle.Request{Hash: &merkle.HashRequest{Index: 4, Nodes: 3}}, 8)
	moveBytes(t, p.Hash.Nodes, 6, 4, 3)
	if _, err := merkle.Verify(ctx, p, l.state(8), known, l.check); !errors.Is(err, merkle.ErrUnverified) {
		t.Errorf("forged sizes of certain nodes: %v, want ErrUnverified", err)
	}
	// The honest one stays certain.
	p = l.prove(t, merkle.Request{Hash: &merkle.HashRequest{Index: 4, Nodes: 3}}, 8)
	if v := mustVerify(t, l, p, l.state(8), known); hints(v.Nodes) != "[]" {
		t.Errorf("nodes %v, want none to be a hint", v.Nodes)
	}
}

// TestForgedSizesHigher settles two inner nodes by a block far below one of them.
func TestForgedSizesHigher(t *testing.T) {
	l := lines(t, 8)
	known := table{}
	known.put(l.nodes.roots(8)...)
	p := l.prove(t, merkle.Request{Hash: &merkle.HashRequest{Index: 3, Nodes: 1}}, 8)
	moveBytes(t, p.Hash.Nodes, 11, 3, 20)
	if v := mustVerify(t, l, p, l.state(8), known); hints(v.Nodes) != "[3 11]" {
		t.Fatalf("nodes %v, want the hints 3 and 11", v.Nodes)
	}
	r := merkle.Request{Block: &merkle.BlockRequest{Index: 0, Nodes: merkle.NodesFor(0, 8, known.have)}}
	v := mustVerify(t, l, l.prove(t, r, 8), l.state(8), known)
	if hints(v.Nodes) != "[]" || known[3] != l.nodes[3] || known[11] != l.nodes[11] {
		t.Errorf("nodes %v, want 3 and 11 among them, corrected", v.Nodes)
	}
}

// TestForgedSizesInUpgrade moves bytes between siblings of an upgrade's tail, which is computed from hashes alone.
func TestForgedSizesInUpgrade(t *testing.T) {
	l := lines(t, 5)
	known := table{}
	p := l.prove(t, merkle.Request{Upgrade: &merkle.UpgradeRequest{Start: 0, Length: 3}}, 5)
	p.Upgrade.Nodes[1].Size++      // node 4
	p.Upgrade.Additional[0].Size-- // node 6
	v := mustVerify(t, l, p, l.state(0), known)
	if got := hints(v.Nodes); got != "[4 6]" {
		t.Errorf("hints %s, want [4 6]", got)
	}
	for _, n := range []uint64{1, 3, 5, 8} {
		if known[n] != l.nodes[n] {
			t.Errorf("node %d is %v, want %v, certain", n, known[n], l.nodes[n])
		}
	}
	// A root's size is signed.
	p = l.prove(t, merkle.Request{Upgrade: &merkle.UpgradeRequest{Start: 0, Length: 5}}, 5)
	moveBytes(t, p.Upgrade.Nodes, 3, 8, 1)
	if _, err := merkle.Verify(context.Background(), p, l.state(0), nil, l.check); !errors.Is(err, merkle.ErrUnverified) {
		t.Errorf("forged roots: %v, want ErrUnverified", err)
	}
}

// TestCertain checks which proofs leave no hint.
func TestCertain(t *testing.T) {
	l := lines(t, 13)
	tests := []struct {
		name    string
		from    uint64
		request merkle.Request
		hints   string
	}{
		{"block", 13, merkle.Request{Block: &merkle.BlockRequest{Index: 2, Nodes: 3}}, "[]"},
		{"upgrade from nothing", 0, merkle.Request{Upgrade: &merkle.UpgradeRequest{Start: 0, Length: 13}}, "[]"},
		{"upgrade", 5, merkle.Request{Upgrade: &merkle.UpgradeRequest{Start: 5, Length: 8}}, "[]"},
		{"upgrade with a block", 5, merkle.Request{Upgrade: &merkle.UpgradeRequest{Start: 5, Length: 8}, Block: &merkle.BlockRequest{Index: 6}}, "[]"},
		{"upgrade with a hash", 5, merkle.Request{Upgrade: &merkle.UpgradeRequest{Start: 5, Length: 8}, Hash: &merkle.HashRequest{Index: 12}}, "[12 14]"},
		{"upgrade with a hash that is a root", 5, merkle.Request{Upgrade: &merkle.UpgradeRequest{Start: 5, Length: 8}, Hash: &merkle.HashRequest{Index: 19}}, "[]"},
		{"hash", 13, merkle.Request{Hash: &merkle.HashRequest{Index: 4, Nodes: 3}}, "[4 6]"},
		{"hash that is known", 13, merkle.Request{Hash: &merkle.HashRequest{Index: 7}}, "[]"},
	}
	for _, c := range tests {
		v := mustVerify(t, l, l.prove(t, c.request, 13), l.state(c.from), table{})
		if got := hints(v.Nodes); got != c.hints {
			t.Errorf("%s: hints %s, want %s", c.name, got, c.hints)
		}
		for _, n := range v.Nodes {
			if !merkle.Same(n, l.nodes[n.Index]) {
				t.Errorf("%s: node %v, want %v", c.name, n, l.nodes[n.Index])
			}
		}
	}
}

func TestSeek(t *testing.T) {
	ctx := context.Background()
	l := vectorLog(t, 11) // with empty blocks
	total := merkle.ByteLength(l.nodes.roots(11))
	at := uint64(0)
	for i, b := range l.blocks {
		for o := range b {
			block, offset, err := merkle.Seek(ctx, at, 11, l.nodes)
			if err != nil || block != uint64(i) || offset != uint64(o) {
				t.Fatalf("Seek(%d) = %d, %d, %v, want block %d, offset %d", at, block, offset, err, i, o)
			}
			at++
		}
	}
	if block, offset, err := merkle.Seek(ctx, total, 11, l.nodes); err != nil || block != 11 || offset != 0 {
		t.Errorf("Seek to the end = %d, %d, %v", block, offset, err)
	}
	if _, _, err := merkle.Seek(ctx, total+1, 11, l.nodes); !errors.Is(err, merkle.ErrInvalidRequest) {
		t.Errorf("Seek beyond the end: %v", err)
	}
	if block, offset, err := merkle.Seek(ctx, 0, 0, table{}); err != nil || block != 0 || offset != 0 {
		t.Errorf("Seek in nothing = %d, %d, %v", block, offset, err)
	}
	few := table{}
	few.put(l.nodes.roots(11)...)
	if _, _, err := merkle.Seek(ctx, 1, 11, few); !errors.Is(err, merkle.ErrNodeMissing) {
		t.Errorf("Seek without nodes: %v", err)
	}
}
