package protomux

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func FuzzDecode(f *testing.F) {
	for _, s := range loadSessions(f) {
		frames, _ := s.plains(f, "responder")
		for _, b := range frames {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		total := 0
		decode(message, func(channel, typ uint64, body []byte, _ bool) error {
			total += len(body)
			return nil
		})
		if total > len(message) {
			t.Fatalf("%d bytes of bodies in %d", total, len(message))
		}
	})
}

// FuzzMux cuts its input into messages by a length byte, and plays them to a mux that opens and closes channels.
func FuzzMux(f *testing.F) {
	f.Add([]byte("\x07" + openX + "\x04\x01\x00ab\x03\x00\x03\x01\x07" + openX))
	f.Add([]byte("\x07" + openX + "\x0a\x00\x00\x01\x02\x00a\x00\x01\x02\x01b"))
	f.Add([]byte("\x03\x00\x02\x01\x07" + openX + "\x03\x01\x00c\x04\x01\x00ab"))
	f.Fuzz(func(t *testing.T, input []byte) {
		var messages []string
		for len(input) > 0 {
			n := min(int(input[0]), len(input)-1)
			messages = append(messages, string(input[1:1+n]))
			input = input[1+n:]
		}
		r := newRecorder()
		r.onMessage = func(ch *Channel, typ uint64, body []byte) error {
			if bytes.HasPrefix(body, []byte("c")) {
				ch.Close()
				return nil
			}
			return ch.Send(typ, body)
		}
		err := fed(t, Options{Channels: 8}, r, messages...)
		if err != nil && !errors.Is(err, ErrDropped) && !errors.Is(err, io.ErrClosedPipe) {
			t.Fatal(err)
		}
	})
}
