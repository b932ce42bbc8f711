package replicate

import (
	"errors"

	"hc/lib/compact"
	"hc/lib/merkle"
	"hc/lib/protomux"
)

// Of the answers to requests that wait, so many, of so many bytes, go in one batch. Stock verifies and stores what comes together
// together, and answers a batch with a batch: answers one by one cost it a tenth more, and small ones a frame each.
const (
	answersTogether = 32
	answeredBytes   = 512 << 10
)

// answers gathers answers on one channel after the other. The zero value has none.
type answers struct {
	channel *protomux.Channel
	all     []answer
	bytes   int
}

// answer is a data message, in parts: a block is sent from where it lies.
type answer struct {
	parts  [][]byte
	bytes  int
	padded bool // zeros may stand behind it
}

// add puts an answer behind the others, or begins anew with it where there is no room.
func (a *answers) add(channel *protomux.Channel, proof *merkle.Proof) error {
	next := newAnswer(proof)
	var err error
	if a.channel != channel || a.bytes+next.bytes > answeredBytes {
		err = a.flush()
	}
	a.channel, a.all, a.bytes = channel, append(a.all, next), a.bytes+next.bytes
	if len(a.all) == answersTogether || a.bytes > answeredBytes {
		err = errors.Join(err, a.flush())
	}
	return err
}

func newAnswer(proof *merkle.Proof) answer {
	if proof.Block == nil {
		message := appendData(nil, proof)
		return answer{parts: [][]byte{message}, bytes: len(message)}
	}
	head, tail := dataHead(nil, proof), dataTail(nil, proof)
	value := proof.Block.Value
	return answer{
		parts:  [][]byte{head, value, tail},
		bytes:  len(head) + len(value) + len(tail),
		padded: len(value) >= padFrom && proof.Manifest == nil,
	}
}

// flush sends what is gathered.
func (a *answers) flush() error {
	channel, all := a.channel, a.all
	*a = answers{}
	switch len(all) {
	case 0:
		return nil
	case 1:
		all[0].pad(channelBytes + all[0].bytes)
		return channel.SendOwned(typeData, all[0].parts...)
	}
	size := batchBytes
	bodies := make([][][]byte, 0, len(all))
	for i := range all {
		size += compact.UintSize(uint64(all[i].bytes+1)) + 1 + all[i].bytes
		if i == len(all)-1 {
			all[i].pad(size)
		}
		bodies = append(bodies, all[i].parts)
	}
	return channel.SendOwnedBatch(typeData, bodies...)
}

// A message whose length is a multiple of 8 is padded by libsodium's secretstream as by RFC 8439, so a peer that has the
// former from an AEAD of the latter can do with one pass. Here lib/secretstream takes all lengths alike. Whoever reads a data
// message without a manifest ignores what stands behind it.
const (
	padFrom      = 4 << 10 // bytes of a block from which a few more do not count
	channelBytes = 2       // channel and type, as long as there are fewer than 253 channels; else only the speed is lost
	batchBytes   = 3       // a batch's beginning; likewise
)

// pad makes the message that ends with the answer, of size bytes, as long as a multiple of 8.
func (a *answer) pad(size int) {
	if a.padded {
		a.parts = append(a.parts, pad(nil, size))
	}
}

// pad adds zeros that make a message of size bytes as long as a multiple of 8.
func pad(tail []byte, size int) []byte { return append(tail, make([]byte, -size&7)...) }
