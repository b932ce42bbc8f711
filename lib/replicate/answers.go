package replicate

import (
	"errors"

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
	parts [][]byte
	bytes int
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
		parts: [][]byte{head, value, tail},
		bytes: len(head) + len(value) + len(tail),
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
		return channel.SendOwned(typeData, all[0].parts...)
	}
	bodies := make([][][]byte, 0, len(all))
	for _, one := range all {
		bodies = append(bodies, one.parts)
	}
	return channel.SendOwnedBatch(typeData, bodies...)
}
