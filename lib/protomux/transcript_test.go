package protomux

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
)

// A session is a recorded connection of two stock peers; see tests/vectors/README.md.
type session struct {
	Name         string
	Key          string
	DiscoveryKey string
	Events       []struct {
		From     string
		Plain    *string
		Messages []struct {
			Channel   uint64
			Type      uint64
			Body      string
			Control   string
			ID        uint64
			Protocol  string
			Discovery string `json:"discoveryKey"`
			Handshake string
		}
	}
}

func loadSessions(t testing.TB) []session {
	t.Helper()
	b, err := os.ReadFile("../../tests/vectors/transcripts.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Sessions []session }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Sessions) == 0 {
		t.Fatal("no sessions")
	}
	return file.Sessions
}

// plains returns what a side sent, and what a handler of the other side should be told of it.
func (s session) plains(t testing.TB, side string) (frames [][]byte, want []string) {
	t.Helper()
	for _, e := range s.Events {
		if e.From != side || e.Plain == nil {
			continue
		}
		b, err := hex.DecodeString(*e.Plain)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, b)
		for _, m := range e.Messages {
			switch m.Control {
			case "":
				want = append(want, fmt.Sprintf("%d %s", m.Type, m.Body))
			case "open":
				want = append(want, "open "+m.Handshake)
			case "close":
				want = append(want, "close <nil>")
			case "batch":
			default:
				t.Fatalf("control %q", m.Control)
			}
		}
	}
	if len(frames) == 0 || len(want) == 0 {
		t.Fatalf("%s: nothing sent by the %s", s.Name, side)
	}
	return frames, want
}

type hexRecorder struct{ *recorder }

func (r hexRecorder) OnOpen(ch *Channel, handshake []byte) error {
	r.add("open %x", handshake)
	return nil
}

func (r hexRecorder) OnMessage(ch *Channel, typ uint64, body []byte) error {
	r.add("%d %x", typ, body)
	return nil
}

// TestTranscripts feeds what each side of the sessions sent to a mux, which has opened the channel before, or is asked.
func TestTranscripts(t *testing.T) {
	for _, s := range loadSessions(t) {
		for _, side := range []string{"initiator", "responder"} {
			for _, early := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/early=%v", s.Name, side, early), func(t *testing.T) { feed(t, s, side, early) })
			}
		}
	}
}

func feed(t *testing.T, s session, side string, early bool) {
	frames, want := s.plains(t, side)
	a, b := newMemPair(1000)
	m := New(a, Options{})
	r := newRecorder()
	id, err := hex.DecodeString(s.DiscoveryKey)
	if err != nil {
		t.Fatal(err)
	}
	open := func() {
		if _, err := m.Open("hypercore/alpha", id, []byte("hello"), hexRecorder{r}); err != nil {
			t.Error(err)
		}
	}
	if early {
		open()
	}
	m.OnPair(func(protocol string, gotID, handshake []byte) {
		if protocol != "hypercore/alpha" || !bytes.Equal(gotID, id) {
			t.Errorf("asked for %q, %x", protocol, gotID)
		}
		open()
	})
	for _, f := range frames {
		if err := b.WriteMessage(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if err := <-run(t, m); err != nil {
		t.Fatal(err)
	}
	want = append(want, "close EOF")
	if got := r.wait(0); !slices.Equal(got, want) {
		t.Errorf("events\n%q\nwant\n%q", got, want)
	}
}

// TestOpenIsStocks compares the message that opens a channel with the one that stock sends.
func TestOpenIsStocks(t *testing.T) {
	for _, s := range loadSessions(t) {
		for _, e := range s.Events {
			if len(e.Messages) == 0 || e.Messages[0].Control != "open" {
				continue
			}
			o := e.Messages[0]
			id, _ := hex.DecodeString(o.Discovery)
			handshake, _ := hex.DecodeString(o.Handshake)
			got := hex.EncodeToString(encodeOpen(o.ID, address{o.Protocol, string(id)}, handshake))
			if got != *e.Plain {
				t.Errorf("%s: open %s, want %s", s.Name, got, *e.Plain)
			}
		}
	}
}
