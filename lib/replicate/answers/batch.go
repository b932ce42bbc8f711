package answers

import (
	"errors"

	"hc/lib/merkle"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
)

// Of the answers to requests that wait, so many, of so many bytes, go in one batch. Stock verifies and stores what comes together
// together, and answers a batch with a batch: answers one by one cost it a tenth more, and small ones a frame each.
const (
	answersTogether = 32
	answeredBytes   = 512 << 10
)

// Batch gathers answers on one channel after the other, in the memory that they are encrypted in and written from. The zero value has
// none. It is one goroutine's; what is gathered waits for Flush, or for answers that it has no room for.
type Batch struct {
	channel    *protomux.Channel
	frame      *Frame // has them, as a batch has; nil: there are none
	count      int
	bytes      int    // of them, and of what a batch puts before each, at most
	first      int    // where the first one's message begins in the frame
	head, tail []byte // of the last one; used again
}

// Add puts an answer behind the others, or begins anew with it where there is no room. Nothing of it is needed any more when Add returns. An error is that of
// sending.
func (a *Batch) Add(channel *protomux.Channel, proof *merkle.Proof) error {
	a.head, a.tail = messages.AppendDataHead(a.head[:0], proof), messages.AppendDataTail(a.tail[:0], proof)
	var value []byte
	if proof.Block != nil {
		value = proof.Block.Value
	}
	bytes := len(a.head) + len(value) + len(a.tail)
	var err error
	if a.channel != channel || a.bytes+bytes+batchedRoom > answeredBytes {
		err = a.Flush()
	}
	a.channel = channel
	a.put(value, bytes)
	if a.count == answersTogether || a.bytes > answeredBytes {
		err = errors.Join(err, a.Flush())
	}
	return err
}

// put puts the answer of head, value and tail, of so many bytes, behind the others.
func (a *Batch) put(value []byte, bytes int) {
	if a.frame == nil {
		a.frame = Take(max(answeredBytes, bytes+batchedRoom))
	}
	b := protomux.AppendBatched(a.frame.reserve(bytes+batchedRoom), messages.TypeData, bytes)
	if a.count == 0 {
		a.first = len(b)
	}
	b = append(b, a.head...)
	b = append(b, value...)
	a.frame.b = append(b, a.tail...)
	a.count, a.bytes = a.count+1, a.bytes+bytes+batchedRoom
}

// batchedRoom is what a batch puts before a message, at most, in bytes.
const batchedRoom = 18

// Flush sends what is gathered, if anything is.
func (a *Batch) Flush() error {
	frame, count := a.frame, a.count
	if frame == nil {
		return nil
	}
	a.frame, a.count, a.bytes = nil, 0, 0
	defer frame.GiveBack()
	if count == 1 {
		return a.channel.WriteInPlace(messages.TypeData, frame.reserve(0), a.first)
	}
	return a.channel.WriteBatchInPlace(frame.reserve(0), frontRoom)
}
