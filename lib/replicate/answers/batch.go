package answers

import (
	"errors"

	"hc/lib/lent"
	"hc/lib/merkle"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
)

// Limits of a batch of answers to waiting requests. Stock verifies and stores a batch as a whole, and answers it with a
// batch. Single answers cost it a tenth more, and each small one a frame.
const (
	answersTogether = 32

	BatchBytes = 512 << 10 // a longer answer is sent alone
)

// Batch gathers answers, for one channel at a time, in the memory that they are encrypted in and written from. It sends them
// on Flush, or when an answer does not fit. The zero value is empty. It belongs to one goroutine.
type Batch struct {
	channel    *protomux.Channel
	frame      *Frame // holds the answers, in the form of a batch; nil: there are none
	count      int
	bytes      int    // of the answers, with the most that a batch puts before each
	first      int    // where the first one's message begins in the frame
	head, tail []byte // of the last one; reused
}

// Add adds an answer. If there is no room, or the others are for another channel, it sends those first. It keeps nothing of
// proof, and releases memory, in which the block lies, before it sends the answer. An error is one of sending.
func (a *Batch) Add(channel *protomux.Channel, proof *merkle.Proof, memory *lent.Memory) error {
	a.head, a.tail = messages.AppendDataHead(a.head[:0], proof), messages.AppendDataTail(a.tail[:0], proof)
	var value []byte
	if proof.Block != nil {
		value = proof.Block.Value
	}
	bytes := len(a.head) + len(value) + len(a.tail)
	var err error
	if a.channel != channel || a.bytes+bytes+batchedRoom > BatchBytes {
		err = a.Flush()
	}
	a.channel = channel
	a.put(value, bytes)
	memory.Release()
	if a.count == answersTogether || a.bytes > BatchBytes {
		err = errors.Join(err, a.Flush())
	}
	return err
}

// put appends the answer of head, value and tail, of so many bytes, to the others.
func (a *Batch) put(value []byte, bytes int) {
	if a.frame == nil {
		a.frame = Take(max(BatchBytes, bytes+batchedRoom))
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

// batchedRoom is the most bytes that a batch puts before a message.
const batchedRoom = 18

// Flush sends the gathered answers, if there are any.
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
