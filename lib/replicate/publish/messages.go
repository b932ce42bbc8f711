package publish

import (
	"fmt"

	"hc/lib/compact"
	"hc/lib/keys"
	"hc/lib/replicate/messages"
)

// Protocol is the name under which both ends open a core's channel for reservations; the channel's id is the discovery key.
const Protocol = "hc/publish"

// The types of the channel's messages.
const (
	TypeState = iota
	TypeReserve
	TypeAnswer
)

// The codes of an answer.
const (
	Granted = iota // the head is the one that was asked for
	Taken          // another head of that length was promised, or is stored
	Moved          // Base is not the stored head; the state follows
	Refused        // no signer of the core made the reservation
	Owned          // the mirror signs the core itself, and takes nothing of it
)

func appendHead(b []byte, h keys.Head) []byte {
	b = compact.AppendUint(compact.AppendUint(b, h.Fork), h.Length)
	return append(b, h.TreeHash[:]...)
}

func decodeHead(d *compact.Decoder) keys.Head {
	return keys.Head{Fork: d.Uint(), Length: d.Uint(), TreeHash: d.Fixed32()}
}

// Reserve asks a mirror that has Base to promise that the head after it is Next, and no other head of that length.
type Reserve struct {
	Base, Next keys.Head
	Signature  [64]byte // of keys.Reservation
	Manifest   []byte   // nil: compat
}

// Append appends the message.
func (m Reserve) Append(b []byte) []byte {
	b = appendHead(appendHead(b, m.Base), m.Next)
	b = append(b, m.Signature[:]...)
	return compact.AppendBuffer(b, m.Manifest)
}

// DecodeReserve is the inverse of Append. Its result does not alias b.
func DecodeReserve(b []byte) (m Reserve, err error) {
	d := compact.NewDecoder(b)
	m.Base, m.Next, m.Signature = decodeHead(d), decodeHead(d), d.Fixed64()
	if manifest := d.Buffer(messages.MaxManifest); len(manifest) > 0 {
		m.Manifest = append([]byte(nil), manifest...)
	}
	return m, finish("reserve", d)
}

// AppendState appends the head that a mirror has synced.
func AppendState(b []byte, h keys.Head) []byte { return appendHead(b, h) }

// DecodeState is the inverse of AppendState.
func DecodeState(b []byte) (keys.Head, error) {
	d := compact.NewDecoder(b)
	h := decodeHead(d)
	return h, finish("state", d)
}

// AppendAnswer appends a mirror's answer. The head is zero if the code is Refused.
func AppendAnswer(b []byte, code byte, h keys.Head) []byte { return appendHead(append(b, code), h) }

// DecodeAnswer is the inverse of AppendAnswer. The code may be unknown here.
func DecodeAnswer(b []byte) (code uint64, h keys.Head, err error) {
	d := compact.NewDecoder(b)
	code, h = d.Uint(), decodeHead(d)
	return code, h, finish("answer", d)
}

// finish returns what is wrong with a message. No bytes of it may be left.
func finish(what string, d *compact.Decoder) error {
	if d.Err() == nil && d.Left() > 0 {
		return fmt.Errorf("%w: %s: %d bytes after it", messages.ErrMalformed, what, d.Left())
	}
	if err := d.Err(); err != nil {
		return fmt.Errorf("%w: %s: %w", messages.ErrMalformed, what, err)
	}
	return nil
}
