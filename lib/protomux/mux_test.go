package protomux

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// duo is two muxes on one connection.
type duo struct {
	a, b         *Mux
	connA, connB *memConn
	endA, endB   <-chan error
}

func newDuo(t testing.TB, opt Options, pair func(m *Mux, protocol string, id, handshake []byte)) duo {
	t.Helper()
	var d duo
	d.connA, d.connB = newMemPair(100)
	d.a, d.b = New(d.connA, opt), New(d.connB, opt)
	if pair != nil {
		d.b.OnPair(func(protocol string, id, handshake []byte) { pair(d.b, protocol, id, handshake) })
	}
	return d
}

func (d *duo) run(t testing.TB) {
	t.Helper()
	d.endA, d.endB = run(t, d.a), run(t, d.b)
}

func mustOpen(t testing.TB, m *Mux, protocol, id, handshake string, h Handler) *Channel {
	t.Helper()
	c, err := m.Open(protocol, []byte(id), []byte(handshake), h)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t testing.TB, c *Channel, typ uint64, body ...string) {
	t.Helper()
	var parts [][]byte
	for _, p := range body {
		parts = append(parts, []byte(p))
	}
	if err := c.Send(typ, parts...); err != nil {
		t.Fatal(err)
	}
}

func TestBothOpenAtOnce(t *testing.T) {
	d := newDuo(t, Options{}, nil)
	ra, rb := newRecorder(), newRecorder()
	ca := mustOpen(t, d.a, "chat", "1", "from a", ra)
	cb := mustOpen(t, d.b, "chat", "1", "from b", rb)
	send(t, ca, 7, "before ", "the other has opened")
	d.run(t)
	send(t, cb, 300, "")
	inPlace := append(make([]byte, HeadRoom, 2*HeadRoom), "in place"...) // on a connection that copies it
	if err := cb.WriteInPlace(2, inPlace, HeadRoom); err != nil {
		t.Fatal(err)
	}
	wantEvents(t, "a", ra, "open from b", "300 ", "2 in place")
	wantEvents(t, "b", rb, "open from a", "7 before the other has opened")
	ca.Close()
	ca.Close()
	wantEvents(t, "b", rb, "open from a", "7 before the other has opened", "close <nil>")
	for _, c := range []*Channel{ca, cb} {
		if err := c.Send(0); !errors.Is(err, ErrClosed) {
			t.Errorf("Send after a close: %v, want %v", err, ErrClosed)
		}
	}
	if got := ra.wait(0); len(got) != 3 {
		t.Errorf("a's own close was told: %q", got)
	}
	if ca.Protocol() != "chat" || string(ca.ID()) != "1" {
		t.Errorf("channel %q, %q", ca.Protocol(), ca.ID())
	}
}

func TestPairAndReject(t *testing.T) {
	rb := newRecorder()
	d := newDuo(t, Options{}, func(m *Mux, protocol string, id, handshake []byte) {
		if string(id) == "known" {
			mustOpen(t, m, protocol, string(id), "welcome", rb)
		}
	})
	known, unknown := newRecorder(), newRecorder()
	d.run(t)
	mustOpen(t, d.a, "p", "unknown", "", unknown)
	wantEvents(t, "unknown", unknown, "close "+ErrRejected.Error())
	c := mustOpen(t, d.a, "p", "known", "hi", known)
	if c.local != 1 {
		t.Errorf("channel number %d, want the rejected one's, 1", c.local)
	}
	send(t, c, 0, "x")
	wantEvents(t, "known", known, "open welcome")
	wantEvents(t, "b", rb, "open hi", "0 x")
	if _, err := d.a.Open("p", []byte("known"), nil, known); !errors.Is(err, ErrOpen) {
		t.Errorf("a second one: %v, want %v", err, ErrOpen)
	}
	c.Close()
	again := newRecorder()
	mustOpen(t, d.a, "p", "known", "again", again)
	wantEvents(t, "again", again, "open welcome")
	wantEvents(t, "b", rb, "open hi", "0 x", "close <nil>", "open again")
}

// TestNumberIsNotFreeBeforeTheAnswer closes a channel before the peer has answered its open: the answer belongs to it.
func TestNumberIsNotFreeBeforeTheAnswer(t *testing.T) {
	d := newDuo(t, Options{}, func(m *Mux, protocol string, id, handshake []byte) {
		mustOpen(t, m, protocol, string(id), "for "+string(handshake), newRecorder())
	})
	first := newRecorder()
	c1 := mustOpen(t, d.a, "p", "x", "1", first)
	c1.Close()
	second := newRecorder()
	c2 := mustOpen(t, d.a, "p", "x", "2", second)
	if c1.local == c2.local {
		t.Fatalf("number %d used again", c2.local)
	}
	d.run(t)
	wantEvents(t, "second", second, "open for 2")
	if got := first.wait(0); len(got) != 0 {
		t.Errorf("the closed channel was told %q", got)
	}
	third := newRecorder()
	c3 := mustOpen(t, d.a, "p", "y", "3", third)
	if c3.local != c1.local {
		t.Errorf("number %d, want %d, which is free again", c3.local, c1.local)
	}
	wantEvents(t, "third", third, "open for 3") // before the end of the connection, which the other side's open would meet
}

func TestNumbersAreAStack(t *testing.T) {
	d := newDuo(t, Options{}, func(m *Mux, protocol string, id, handshake []byte) {
		mustOpen(t, m, protocol, string(id), "", newRecorder())
	})
	d.run(t)
	var all []*Channel
	for i := range 4 {
		r := newRecorder()
		all = append(all, mustOpen(t, d.a, "p", fmt.Sprint(i), "", r))
		r.wait(1)
	}
	all[1].Close()
	all[2].Close()
	var got []uint64
	for i := range 3 {
		r := newRecorder()
		got = append(got, mustOpen(t, d.a, "p", fmt.Sprint(i+10), "", r).local)
		r.wait(1)
	}
	if !slices.Equal(got, []uint64{3, 2, 5}) {
		t.Errorf("numbers %d, want 3, 2, 5", got)
	}
}

// fed runs a mux that receives messages, then the end, and returns how it ended. Each open is accepted.
func fed(t testing.TB, opt Options, r Handler, messages ...string) error {
	t.Helper()
	a, b := newMemPair(1 << 17)
	m := New(a, opt)
	m.OnPair(func(protocol string, id, handshake []byte) {
		if protocol == "no" {
			return
		}
		if _, err := m.Open(protocol, id, nil, r); err != nil && !errors.Is(err, ErrOpen) && !errors.Is(err, ErrTooMany) {
			t.Error(err)
		}
	})
	for _, s := range messages {
		if err := b.WriteMessage([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	b.Close()
	return <-run(t, m)
}

const openX = "\x00\x01\x01\x01p\x01x" // open channel 1, protocol p, id x

func TestDropped(t *testing.T) {
	tests := []struct {
		name     string
		messages []string
		want     string
	}{
		{"nested batch", []string{openX, "\x00\x00\x00\x03\x00\x00\x01"}, "peer dropped: frame 2: batch inside a batch"},
		{"nested after a switch", []string{openX, "\x00\x00\x01\x02\x00a\x00\x00\x01\x00"}, "peer dropped: frame 2: batch inside a batch"},
		{"number 0", []string{"\x00\x01\x00\x01p\x01x"}, "peer dropped: frame 1: open of channel 0, after 0"},
		{"a gap", []string{openX, "\x00\x01\x03\x01p\x01y"}, "peer dropped: frame 2: open of channel 3, after 1"},
		{"open twice", []string{openX, "\x00\x01\x01\x01p\x01y"}, "peer dropped: frame 2: open of channel 1, which is open"},
		{"reject of nothing", []string{"", "\x00\x02\x01"}, "peer dropped: frame 1: reject of channel 1, which waits for no answer"},
		{"reject of an open one", []string{openX, "\x00\x02\x01"}, "peer dropped: frame 2: reject of channel 1, which waits for no answer"},
		{"no type", []string{"\x01"}, "peer dropped: frame 1: malformed message: byte 1: 1 bytes needed, 0 left"},
		{"no number", []string{"\x00\x03"}, "peer dropped: frame 1: close: malformed message: byte 0: 1 bytes needed, 0 left"},
		{"torn open", []string{"\x00\x01\x01\x05p"}, "peer dropped: frame 1: open: malformed message: byte 2: length 5, but 1 bytes are left"},
		{"long id", []string{"\x00\x01\x01\x00\xfd\x01\x04" + strings.Repeat("x", 1025)},
			"peer dropped: frame 1: open: malformed message: byte 5: length 1025 is over the limit of 1024"},
		{"torn batch", []string{openX, "\x00\x00\x01\x05\x00a"}, "peer dropped: frame 2: malformed message: byte 4: length 5, but 2 bytes are left"},
		{"torn switch", []string{openX, "\x00\x00\x01\x00"}, "peer dropped: frame 2: malformed message: byte 4: 1 bytes needed, 0 left"},
		{"handler", []string{openX, "\x01\x09bad"}, "peer dropped: frame 2: p: message of type 9: no such thing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRecorder()
			r.onMessage = func(ch *Channel, typ uint64, body []byte) error {
				if string(body) == "bad" {
					return errors.New("no such thing")
				}
				return nil
			}
			err := fed(t, Options{}, r, test.messages...)
			if !errors.Is(err, ErrDropped) || err.Error() != test.want {
				t.Errorf("error %q, want %q", err, test.want)
			}
		})
	}
}

func TestIgnored(t *testing.T) {
	r := newRecorder()
	err := fed(t, Options{}, r,
		"", "\x05\x00nobody's", openX, "", "\x00\x09what", "\x00\x03\x07", "\x02\x00later?",
		"\x00\x00\x05\x02\x00a\x00\x01\x02\x01b", // a batch for nobody, then for channel 1
		"\x00\x00\x01",                           // an empty batch
		"\x00\x00\x00\x02\x03\x01",               // a batch that closes
		"\x01\x00too late", "\x00\x03\x01",
	)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.wait(0), []string{"open ", "1 b", "close <nil>"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestHandlerMaySendOnAChannelThatCloses(t *testing.T) {
	r := newRecorder()
	r.onMessage = func(ch *Channel, typ uint64, body []byte) error {
		ch.Close() // as another goroutine may at this moment
		return ch.Send(0)
	}
	if err := fed(t, Options{}, r, openX, "\x01\x00a", "\x01\x00b"); err != nil {
		t.Fatal(err)
	}
	if got, want := r.wait(0), []string{"open ", "0 a"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestManyChannels(t *testing.T) {
	a, b := newMemPair(1000)
	m := New(a, Options{Channels: 100})
	r := newRecorder()
	m.OnPair(func(protocol string, id, handshake []byte) { mustOpen(t, m, protocol, string(id), "", r) })
	for i := range 300 {
		b.WriteMessage(encodeOpen(uint64(i+1), address{"p", fmt.Sprint(i)}, nil))
	}
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	run(t, m)
	answers := map[byte]int{}
	for range 300 {
		message, err := b.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		answers[message[1]]++
	}
	if answers[controlOpen] != 100 || answers[controlReject] != 200 {
		t.Errorf("%d accepted, %d rejected, want 100, 200", answers[controlOpen], answers[controlReject])
	}
}

func TestManyNumbers(t *testing.T) {
	var opens []string
	for i := range maxNumbers + 1 {
		opens = append(opens, string(encodeOpen(uint64(i+1), address{"no", "x"}, nil)))
	}
	err := fed(t, Options{LoopLimit: 1 << 30}, newRecorder(), opens...)
	if want := "peer dropped: frame 65537: open of channel 65537, after 65536"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestTooManyOfOurs(t *testing.T) {
	m := New(nil, Options{Channels: 1})
	mustOpen(t, m, "p", "1", "", newRecorder())
	if _, err := m.Open("p", []byte("2"), nil, newRecorder()); !errors.Is(err, ErrTooMany) {
		t.Errorf("error %v, want %v", err, ErrTooMany)
	}
}

func TestSmallMessagesShareFrames(t *testing.T) {
	d := newDuo(t, Options{KeepAlive: -1}, nil)
	rb := newRecorder()
	c := mustOpen(t, d.a, "p", "x", "", newRecorder())
	mustOpen(t, d.b, "p", "x", "", rb)
	want := []string{"open "}
	for i := range 1000 {
		send(t, c, uint64(i), "body")
		want = append(want, fmt.Sprintf("%d body", i))
	}
	long := strings.Repeat("x", 2*smallMessage)
	send(t, c, 1, long)
	if err := c.SendBatch(Message{2, []byte("b")}, Message{3, nil}); err != nil {
		t.Fatal(err)
	}
	want = append(want, "1 "+long, "2 b", "3 ")
	d.run(t)
	wantEvents(t, "b", rb, want...)
	d.a.Close(nil)
	<-d.endA
	if got := len(d.connA.sent); got != 4 { // open, batch, long, batch
		t.Errorf("%d frames", got)
	}
}

// A batch that is made by its sender, and written from where it stands, is one frame, as of stock's protomux.
func TestBatchInPlace(t *testing.T) {
	d := newDuo(t, Options{KeepAlive: -1}, nil)
	ra, rb := newRecorder(), newRecorder()
	mustOpen(t, d.a, "p", "x", "", ra)
	c := mustOpen(t, d.b, "p", "x", "", rb)
	d.run(t)
	wantEvents(t, "b", rb, "open ")
	long := strings.Repeat("long", 1000)
	send(t, c, 1, "queued")
	buf := make([]byte, HeadRoom, 2*HeadRoom+2*len(long))
	for _, body := range []string{"a" + long, "", "b"} {
		buf = append(AppendBatched(buf, 3, len(body)), body...)
	}
	if err := c.WriteBatchInPlace(buf, HeadRoom); err != nil {
		t.Fatal(err)
	}
	wantEvents(t, "a", ra, "open ", "1 queued", "3 a"+long, "3 ", "3 b")
	if err := c.WriteBatchInPlace(make([]byte, MaxMessage+HeadRoom), HeadRoom); !errors.Is(err, ErrTooLong) {
		t.Errorf("messages that are too long together: %v, want %v", err, ErrTooLong)
	}
	d.b.Close(nil)
	<-d.endB
	if got := len(d.connB.sent); got != 3 { // open, what was queued, batch
		t.Errorf("%d frames", got)
	}
}

func TestKeepAlive(t *testing.T) {
	a, b := newMemPair(10)
	m := New(a, Options{KeepAlive: time.Millisecond})
	run(t, m)
	for range 3 {
		if got, err := b.ReadMessage(); err != nil || len(got) != 0 {
			t.Fatalf("%q, %v, want an empty message", got, err)
		}
	}
}

func TestContextEndsRun(t *testing.T) {
	a, _ := newMemPair(0)
	m := New(a, Options{})
	r := newRecorder()
	mustOpen(t, m, "p", "x", "", r)
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("interrupted")
	cancel(cause)
	if err := m.Run(ctx); !errors.Is(err, cause) {
		t.Errorf("ended with %v, want %v", err, cause)
	}
	wantEvents(t, "channel", r, "close interrupted")
}

func TestReadErrorNamesFrame(t *testing.T) {
	a, _ := newMemPair(0)
	a.Close()
	err := New(a, Options{}).Run(t.Context())
	if want := "frame 1: read on a closed connection"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestTooLong(t *testing.T) {
	m := New(nil, Options{})
	c := mustOpen(t, m, "p", "x", "", newRecorder())
	if err := c.Send(1, make([]byte, MaxMessage)); !errors.Is(err, ErrTooLong) {
		t.Errorf("Send: %v, want %v", err, ErrTooLong)
	}
	if _, err := m.Open("p", make([]byte, maxID+1), nil, nil); !errors.Is(err, ErrTooLong) {
		t.Errorf("Open: %v, want %v", err, ErrTooLong)
	}
}
