package hypercore

import (
	"runtime"
	"sync"

	"hc/lib/hash"
)

// parallelFrom is the number of bytes from which hashing on several processors pays: a goroutine costs about as much
// as hashing 2 KiB.
const parallelFrom = 64 << 10

// HashBlocks fills leaves with the leaf hashes of blocks, on all processors where there is enough to do.
func HashBlocks(leaves []hash.Digest, blocks [][]byte) {
	total := 0
	for _, block := range blocks {
		total += len(block)
	}
	workers := min(runtime.GOMAXPROCS(0), len(blocks))
	if workers < 2 || total < parallelFrom {
		hash.Leaves(leaves, blocks)
		return
	}
	var group sync.WaitGroup
	share, from, bytes := total/workers+1, 0, 0
	for i := range blocks {
		bytes += len(blocks[i])
		if bytes < share && i < len(blocks)-1 {
			continue
		}
		part, to := from, i+1
		group.Go(func() { hash.Leaves(leaves[part:to], blocks[part:to]) })
		from, bytes = to, 0
	}
	group.Wait()
}
