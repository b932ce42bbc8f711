package protomux

import (
	"errors"

	"hc/lib/compact"
)

// Types of the control channel.
const (
	control = 0 // its number

	controlBatch  = 0
	controlOpen   = 1
	controlReject = 2
	controlClose  = 3
)

// Limits on the strings in a peer's open, in bytes. Stock has no limits; its own strings have 15 and 32.
const (
	maxProtocol = 1 << 10
	maxID       = 1 << 10
)

// MaxMessage is the longest message in bytes, including channel and type: what fits into one frame of a secretstream.
const MaxMessage = 1<<24 - 1 - 17

var errNested = errors.New("batch inside a batch")

// decode calls visit for each message in a message; body aliases it, and more says whether others follow. It stops at the
// first error.
func decode(message []byte, visit func(channel, typ uint64, body []byte, more bool) error) error {
	d := compact.NewDecoder(message)
	channel, typ := d.Uint(), d.Uint()
	if err := d.Err(); err != nil {
		return err
	}
	if channel != control || typ != controlBatch {
		return visit(channel, typ, d.Rest(), false)
	}
	channel = d.Uint()
	for d.Left() > 0 {
		item := compact.NewDecoder(d.Buffer(d.Left()))
		if item.Left() == 0 {
			channel = d.Uint() // a switch, or d has failed
			continue
		}
		typ := item.Uint()
		if err := item.Err(); err != nil {
			return err
		}
		if channel == control && typ == controlBatch {
			return errNested
		}
		if err := visit(channel, typ, item.Rest(), d.Left() > 0); err != nil {
			return err
		}
	}
	return d.Err()
}

// address says what a channel is for.
type address struct{ protocol, id string }

// An opening is the body of the control message open.
type opening struct {
	number    uint64
	address   address
	handshake []byte // aliases the message
}

func decodeOpen(body []byte) (opening, error) {
	d := compact.NewDecoder(body)
	number := d.Uint()
	o := opening{number: number, address: address{d.String(maxProtocol), d.String(maxID)}}
	o.handshake = d.Rest()
	return o, d.Err()
}

func decodeNumber(body []byte) (uint64, error) {
	d := compact.NewDecoder(body)
	number := d.Uint()
	return number, d.Err()
}

func encodeOpen(number uint64, to address, handshake []byte) []byte {
	b := make([]byte, 0, 2+9+3+len(to.protocol)+3+len(to.id)+len(handshake))
	b = compact.AppendUint(append(b, control, controlOpen), number)
	b = compact.AppendString(b, to.protocol)
	b = compact.AppendString(b, to.id)
	return append(b, handshake...)
}

func encodeNumber(typ byte, number uint64) []byte {
	return compact.AppendUint([]byte{control, typ}, number)
}

// appendBatch appends the beginning of a batch for a channel.
func appendBatch(b []byte, channel uint64) []byte {
	return compact.AppendUint(append(b, control, controlBatch), channel)
}
