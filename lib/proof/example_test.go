package proof_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"hc/lib/keys"
	"hc/lib/proof"
)

func ExampleVerify() {
	stream, err := os.Open("testdata/blocks.proof") // or standard input
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close()
	key, err := keys.ParseKey("d8c3a0597903b28d751c6e0b7107775e388ec5a3cf669bdd1e7ec41b8b8f6e72")
	if err != nil {
		log.Fatal(err)
	}
	claim := proof.Claim{Kind: proof.KindBlocks, From: 2, To: 3}
	sum, err := proof.Verify(context.Background(), stream, proof.Options{Key: &key, Claim: &claim, Out: os.Stdout}, nil)
	fmt.Println(sum.Blocks, "of", sum.Head.Length, "blocks, proved by", sum.Nodes, "hashes:", err)
	// Output:
	// plums,2
	// figs,40
	// 2 of 5 blocks, proved by 2 hashes: <nil>
}
