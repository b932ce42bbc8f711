package store_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := store.Open(ctx, dir, store.Options{Create: true})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	key := keys.Key{1}
	tx, err := s.Begin(ctx, key, store.TxOptions{Durable: true})
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Abort()
	block := []byte("hello")
	leaf := hash.Leaf(block)
	if err := tx.Append(ctx, leaf, block); err != nil {
		log.Fatal(err)
	}
	err = tx.Commit(ctx, func() (store.Head, error) {
		roots := []merkle.Node{merkle.LeafNodeHash(0, uint64(len(block)), leaf)}
		return store.Head{Length: 1, ByteLength: 5, TreeHash: merkle.TreeHash(roots), Signature: []byte("…")}, nil
	})
	if err != nil {
		log.Fatal(err)
	}

	view, err := s.View(ctx, key, true)
	if err != nil {
		log.Fatal(err)
	}
	data, err := view.Block(ctx, 0)
	fmt.Printf("%d block: %s %v\n", view.Head().Length, data, err)
	// Output: 1 block: hello <nil>
}
