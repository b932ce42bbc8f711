package merkle_test

import (
	"context"
	"errors"
	"testing"

	"hc/lib/merkle"
)

// checkFound fails if node n does not locate a byte: the node must begin or end there, or be the block with the byte.
func checkFound(t *testing.T, l *log, bytes, n uint64) {
	t.Helper()
	var start, end uint64
	for i, b := range l.blocks {
		if uint64(i) < merkle.FirstBlock(n) {
			start += uint64(len(b))
		}
		if uint64(i) <= merkle.LastBlock(n) {
			end += uint64(len(b))
		}
	}
	if bytes != start && bytes != end && (n&1 != 0 || bytes < start || bytes > end) {
		t.Errorf("byte %d: node %d has %d … %d", bytes, n, start, end)
	}
}

// TestProveSeek seeks every byte in an upgrade, and beside a hash in every subtree.
func TestProveSeek(t *testing.T) {
	ctx := context.Background()
	const length = 13
	for _, l := range []*log{lines(t, length), vectorLog(t, length)} {
		total := merkle.ByteLength(l.nodes.roots(length))
		for bytes := range total {
			seek := &merkle.SeekRequest{Bytes: bytes}
			p := l.prove(t, merkle.Request{Seek: seek, Upgrade: &merkle.UpgradeRequest{Length: length}}, length)
			if p.Seek == nil || p.Seek.Bytes != bytes {
				t.Fatalf("byte %d: seek part %v", bytes, p.Seek)
			}
			checkFound(t, l, bytes, p.Seek.Nodes[0].Index)
			if _, err := merkle.Verify(ctx, p, l.state(0), nil, l.check); err != nil {
				t.Errorf("byte %d: %v", bytes, err)
			}
			for root, n := range l.nodes {
				r := merkle.Request{Seek: seek, Hash: &merkle.HashRequest{Index: merkle.LeftSpan(root), Nodes: uint64(merkle.Depth(root))}}
				p, err := merkle.Prove(ctx, r, l.head(t, length), l.nodes)
				if errors.Is(err, merkle.ErrInvalidRequest) {
					continue // not in this subtree
				}
				if err != nil {
					t.Fatal(err)
				}
				if p.Seek != nil {
					checkFound(t, l, bytes, p.Seek.Nodes[0].Index)
				}
				known := table{}
				known.put(n)
				if _, err := merkle.Verify(ctx, p, l.state(length), known, l.check); err != nil {
					t.Errorf("byte %d beside node %d: %v", bytes, root, err)
				}
			}
		}
		// Beyond the end there is nothing to prove, and the upgrade comes alone.
		p := l.prove(t, merkle.Request{Seek: &merkle.SeekRequest{Bytes: total + 1}, Upgrade: &merkle.UpgradeRequest{Length: length}}, length)
		if p.Seek != nil || p.Upgrade == nil {
			t.Errorf("byte behind the end: %+v", p)
		}
	}
}

// TestProveSeekPadding finds the same nodes in padded blocks as in unpadded ones.
func TestProveSeekPadding(t *testing.T) {
	const length, padding = 11, 5
	plain := lines(t, length)
	blocks := make([][]byte, length)
	for i := range blocks {
		blocks[i] = make([]byte, padding+i+1)
	}
	padded := makeLog(t, blocks)
	for bytes := range merkle.ByteLength(plain.nodes.roots(length)) {
		for _, r := range []merkle.Request{
			{Upgrade: &merkle.UpgradeRequest{Length: length}},
			{Hash: &merkle.HashRequest{Index: 0, Nodes: 3}},
			{Hash: &merkle.HashRequest{Index: 16, Nodes: 1}},
		} {
			r.Seek = &merkle.SeekRequest{Bytes: bytes}
			want, wantErr := merkle.Prove(context.Background(), r, plain.head(t, length), plain.nodes)
			r.Seek = &merkle.SeekRequest{Bytes: bytes, Padding: padding}
			got, err := merkle.Prove(context.Background(), r, padded.head(t, length), padded.nodes)
			if errors.Is(err, merkle.ErrInvalidRequest) != errors.Is(wantErr, merkle.ErrInvalidRequest) {
				t.Errorf("byte %d: error %v, want %v", bytes, err, wantErr)
				continue
			}
			if err != nil {
				continue
			}
			if (got.Seek == nil) != (want.Seek == nil) || got.Seek != nil && got.Seek.Nodes[0].Index != want.Seek.Nodes[0].Index {
				t.Errorf("byte %d: seek part %v, want %v", bytes, got.Seek, want.Seek)
			}
		}
	}
	r := merkle.Request{Upgrade: &merkle.UpgradeRequest{Length: length}, Seek: &merkle.SeekRequest{Bytes: 3, Padding: 100}}
	if _, err := merkle.Prove(context.Background(), r, padded.head(t, length), padded.nodes); !errors.Is(err, merkle.ErrInvalidRequest) {
		t.Errorf("more padding than bytes: %v, want ErrInvalidRequest", err)
	}
}

// TestProveSparse proves from a log that lacks some nodes, or the certainty of their sizes.
func TestProveSparse(t *testing.T) {
	ctx := context.Background()
	l := lines(t, 8)
	head := l.head(t, 8)
	sparse := table{}
	sparse.put(l.nodes[7], l.nodes[3], l.nodes[11])
	up := &merkle.UpgradeRequest{Length: 8}

	p, err := merkle.Prove(ctx, merkle.Request{Upgrade: up, Seek: &merkle.SeekRequest{Bytes: 4}}, head, sparse)
	if err != nil || p.Seek == nil || p.Seek.Nodes[0].Index != 3 {
		t.Errorf("seek stops at %v, %v, want node 3, below which nothing is there", p, err)
	}
	hint := l.nodes[3]
	hint.Hint = true
	sparse.put(hint)
	p, err = merkle.Prove(ctx, merkle.Request{Upgrade: up, Seek: &merkle.SeekRequest{Bytes: 4}}, head, sparse)
	if err != nil || p.Seek == nil || p.Seek.Nodes[0].Index != 7 {
		t.Errorf("seek stops at %v, %v, want node 7, below which a size is a hint", p, err)
	}
	_, err = merkle.Prove(ctx, merkle.Request{Hash: &merkle.HashRequest{Index: 11}, Seek: &merkle.SeekRequest{Bytes: 20}}, head, sparse)
	if !errors.Is(err, merkle.ErrHint) {
		t.Errorf("seek behind a hint: %v, want ErrHint", err)
	}
	for _, r := range []merkle.Request{
		{Block: &merkle.BlockRequest{Index: 0, Nodes: 3}},
		{Hash: &merkle.HashRequest{Index: 0}},
		{Upgrade: &merkle.UpgradeRequest{Start: 3, Length: 5}},
		{Upgrade: &merkle.UpgradeRequest{Start: 0, Length: 3}},
	} {
		if _, err := merkle.Prove(ctx, r, head, sparse); !errors.Is(err, merkle.ErrNodeMissing) {
			t.Errorf("Prove(%+v): %v, want ErrNodeMissing", r, err)
		}
	}
	if _, err := merkle.Prove(ctx, merkle.Request{Fork: 2}, head, sparse); !errors.Is(err, merkle.ErrFork) {
		t.Errorf("another fork: %v, want ErrFork", err)
	}
	p, err = merkle.Prove(ctx, merkle.Request{ID: 4, Upgrade: up}, merkle.HeadInfo{}, sparse)
	if err != nil || p.Upgrade != nil || p.ID != 4 {
		t.Errorf("empty log: %+v, %v, want no part", p, err)
	}
}

func TestProveRefuses(t *testing.T) {
	l := lines(t, 8)
	tests := []struct {
		request merkle.Request
		want    string
	}{
		{merkle.Request{Upgrade: &merkle.UpgradeRequest{Start: 8, Length: 1}}, "invalid request: upgrade from 8 by 1 blocks of a log of 8"},
		{merkle.Request{Upgrade: &merkle.UpgradeRequest{Start: 1, Length: 1<<64 - 1}}, "invalid request: upgrade from 1 by 18446744073709551615 blocks of a log of 8"},
		{merkle.Request{Upgrade: &merkle.UpgradeRequest{Start: 1}}, "invalid request: upgrade from 1 by 0 blocks of a log of 8"},
		{merkle.Request{Block: &merkle.BlockRequest{Index: 8}}, "invalid request: block 8 of a log of 8"},
		{merkle.Request{Block: &merkle.BlockRequest{Index: 1 << 63}}, "invalid request: block 9223372036854775808 of a log of 8"},
		{merkle.Request{Block: &merkle.BlockRequest{Index: 1, Nodes: 1<<64 - 1}}, "invalid request: 18446744073709551615 levels above node 2 is beyond the roots"},
		{merkle.Request{Hash: &merkle.HashRequest{Index: 15}}, "invalid request: node 15 of a log of 8 blocks"},
		{merkle.Request{Hash: &merkle.HashRequest{Index: 1<<64 - 1}}, "invalid request: node 18446744073709551615 of a log of 8 blocks"},
		{merkle.Request{Block: &merkle.BlockRequest{Index: 5}, Seek: &merkle.SeekRequest{}, Upgrade: &merkle.UpgradeRequest{Start: 2, Length: 6}},
			"invalid request: seek and block or hash in one upgrade"},
		{merkle.Request{Block: &merkle.BlockRequest{Index: 5, Nodes: 1}, Seek: &merkle.SeekRequest{Bytes: 1}}, "invalid request: byte 1 is before node 9"},
		{merkle.Request{Block: &merkle.BlockRequest{Index: 5, Nodes: 1}, Seek: &merkle.SeekRequest{Bytes: 30}}, "invalid request: byte 30 is after node 9"},
	}
	for _, c := range tests {
		_, err := merkle.Prove(context.Background(), c.request, l.head(t, 8), l.nodes)
		if !errors.Is(err, merkle.ErrInvalidRequest) || err.Error() != c.want {
			t.Errorf("Prove(%+v): %v, want %s", c.request, err, c.want)
		}
	}
}
