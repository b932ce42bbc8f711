package proof

import (
	"runtime"
	"sync"

	"hc/lib/hash"
)

// A hasher computes leaf hashes on a few goroutines, so that one frame is hashed while the next is read.
type hasher struct {
	tasks   chan hashTask
	workers sync.WaitGroup
	open    sync.WaitGroup // tasks under way
}

// hashTogether is how many blocks are passed on at once when they come one by one: package hash hashes half as many
// side by side, and a lane whose block ends takes another. A smaller group is hashed at its end, together with the
// blocks after it.
const hashTogether = 16

type hashTask struct {
	dst    []hash.Digest
	blocks [][]byte
}

func newHasher() *hasher {
	h := &hasher{tasks: make(chan hashTask, 16)}
	for range min(runtime.GOMAXPROCS(0), 8) {
		h.workers.Go(func() {
			for t := range h.tasks {
				hash.Leaves(t.dst, t.blocks)
				h.open.Done()
			}
		})
	}
	return h
}

// add sets dst to the leaf hashes of blocks. dst may be read after wait has returned.
func (h *hasher) add(dst []hash.Digest, blocks [][]byte) {
	h.open.Add(1)
	h.tasks <- hashTask{dst, blocks}
}

// wait returns when everything added is hashed.
func (h *hasher) wait() { h.open.Wait() }

// close ends the goroutines and waits for them.
func (h *hasher) close() {
	close(h.tasks)
	h.workers.Wait()
}
