package secretstream

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/flynn/noise"
)

// recorded is a byte stream that was received before, and keeps what is sent.
type recorded struct {
	io.Reader
	bytes.Buffer // sent
}

func (r *recorded) Read(p []byte) (int, error)  { return r.Reader.Read(p) }
func (r *recorded) Write(p []byte) (int, error) { return r.Buffer.Write(p) }
func (r *recorded) Close() error                { return nil }

// TestTranscripts replays each side of whole sessions: what it received must decrypt to the plain text, and what it
// sent must come out byte for byte.
func TestTranscripts(t *testing.T) {
	for _, s := range loadSessions(t) {
		for _, side := range []string{"initiator", "responder"} {
			for _, chunk := range []string{"whole", "byte by byte"} {
				t.Run(s.Name+"/"+side+"/"+chunk, func(t *testing.T) { replay(t, s, side, chunk == "whole") })
			}
		}
	}
}

func replay(t *testing.T, s session, side string, whole bool) {
	static, ephemeral, header := s.Statics.InitiatorSeed, s.Ephemerals.InitiatorSeed, s.Headers.Initiator
	if side == "responder" {
		static, ephemeral, header = s.Statics.ResponderSeed, s.Ephemerals.ResponderSeed, s.Headers.Responder
	}
	var received, sent []byte
	for _, e := range s.Events {
		switch e.From {
		case "":
		case side:
			sent = append(sent, e.Raw...)
		default:
			received = append(received, e.Raw...)
		}
	}
	stream := &recorded{Reader: bytes.NewReader(received)}
	if !whole {
		stream.Reader = iotest.OneByteReader(stream.Reader)
	}
	random := io.MultiReader(bytes.NewReader(ephemeral), bytes.NewReader(header))
	c, err := Handshake(t.Context(), stream, Options{Initiator: side == "initiator", Static: (*[32]byte)(static), Rand: random})
	if err != nil {
		t.Fatal(err)
	}
	if h := c.HandshakeHash(); !bytes.Equal(h[:], s.HandshakeHash) {
		t.Errorf("handshake hash %x, want %x", h, s.HandshakeHash)
	}
	messages := 0
	for i, e := range s.Events {
		switch {
		case e.From == "" || e.Handshake:
		case e.From == side:
			messages++
			half := len(e.Plain) / 2
			if err := c.WriteMessage(e.Plain[:half], nil, e.Plain[half:]); err != nil {
				t.Fatal(i, err)
			}
		case len(e.Plain) > 0:
			messages++
			got, err := c.ReadMessage()
			if err != nil || !bytes.Equal(got, e.Plain) {
				t.Fatalf("event %d: %x, %v, want %x", i, got, err, e.Plain)
			}
		}
	}
	if messages == 0 {
		t.Fatal("no messages")
	}
	if got, err := c.ReadMessage(); err != io.EOF {
		t.Errorf("at the end: %x, %v, want EOF", got, err)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stream.Bytes(), sent) {
		t.Errorf("sent %x\nwant %x", stream.Bytes(), sent)
	}
	if c.Written() != uint64(len(sent)) {
		t.Errorf("Written() = %d, want %d", c.Written(), len(sent))
	}
}

// pair returns both ends of a connection over a net.Pipe.
func pair(t testing.TB) (a, b *Conn) {
	t.Helper()
	left, right := net.Pipe()
	return connect(t, left, right)
}

func connect(t testing.TB, left, right io.ReadWriteCloser) (a, b *Conn) {
	t.Helper()
	type result struct {
		c   *Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		c, err := Handshake(context.Background(), right, Options{})
		done <- result{c, err}
	}()
	a, err := Handshake(context.Background(), left, Options{Initiator: true})
	r := <-done
	if err != nil || r.err != nil {
		t.Fatal(err, r.err)
	}
	t.Cleanup(func() { a.Close(); r.c.Close() })
	return a, r.c
}

func TestPair(t *testing.T) {
	a, b := pair(t)
	if a.HandshakeHash() != b.HandshakeHash() {
		t.Error("the handshake hashes differ")
	}
	if !a.Initiator() || b.Initiator() {
		t.Error("wrong roles")
	}
	if a.RemotePublic() == b.RemotePublic() {
		t.Error("both have the same static key")
	}
	large := bytes.Repeat([]byte("0123456789abcde"), 1<<16)
	texts := [][]byte{[]byte("one"), {}, large, []byte("three"), make([]byte, MaxMessage), make([]byte, writeBuffer)}
	done := make(chan error, 1)
	go func() {
		for range 2 {
			for _, text := range texts {
				if err := a.WriteMessage(text[:len(text)/3], text[len(text)/3:]); err != nil {
					done <- err
					return
				}
			}
		}
		done <- a.Flush()
	}()
	for range 2 {
		for _, text := range texts {
			if len(text) == 0 {
				continue // a keep-alive
			}
			got, err := b.ReadMessage()
			if err != nil || !bytes.Equal(got, text) {
				t.Fatalf("%d bytes, %v, want %d bytes", len(got), err, len(text))
			}
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	a.Close()
	if _, err := b.ReadMessage(); err != io.EOF {
		t.Errorf("after Close: %v, want EOF", err)
	}
	if _, err := b.ReadMessage(); err != io.EOF {
		t.Errorf("again: %v, want EOF", err)
	}
}

func TestWriteMessageTooLong(t *testing.T) {
	stream := &recorded{Reader: strings.NewReader("")}
	c := newConn(stream, nil)
	c.out = newSealer(make([]byte, 32), make([]byte, headerSize))
	half := make([]byte, MaxMessage/2+1)
	if err := c.WriteMessage(half, half); !errors.Is(err, ErrTooLong) {
		t.Errorf("error %v, want %v", err, ErrTooLong)
	}
	if err := c.WriteMessage(half, half[:MaxMessage-len(half)]); err != nil {
		t.Errorf("the longest message: %v", err)
	}
	if err := c.Flush(); err != nil || stream.Len() != lengthSize+maxFrame {
		t.Errorf("%d bytes sent, %v, want %d", stream.Len(), err, lengthSize+maxFrame)
	}
}

// reader returns a connection that has received frames and expects messages.
func reader(received ...[]byte) *Conn {
	c := newConn(&recorded{Reader: bytes.NewReader(bytes.Join(received, nil))}, nil)
	c.in = newSealer(make([]byte, 32), make([]byte, headerSize))
	return c
}

func TestReadMessageErrors(t *testing.T) {
	good := sealed(newSealer(make([]byte, 32), make([]byte, headerSize)), []byte("text"), tagMessage)
	framed := append([]byte{byte(len(good)), 0, 0}, good...)
	tests := []struct {
		name     string
		received []byte
		want     error
		text     string
	}{
		{"end", nil, io.EOF, "EOF"},
		{"torn length", framed[:2], io.ErrUnexpectedEOF, "inside a frame: unexpected EOF"},
		{"torn message", framed[:len(framed)-1], io.ErrUnexpectedEOF, "inside a frame: unexpected EOF"},
		{"empty frame", []byte{0, 0, 0}, ErrFrame, "bad frame: length 0 is not between 17 and 16777215"},
		{"short frame", []byte{16, 0, 0}, ErrFrame, "bad frame: length 16 is not between 17 and 16777215"},
		{"forged", append([]byte{17, 0, 0}, make([]byte, 17)...), ErrFrame, "bad frame: message does not authenticate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := reader(test.received)
			_, err := c.ReadMessage()
			if !errors.Is(err, test.want) || err.Error() != test.text {
				t.Errorf("error %q, want %q", err, test.text)
			}
			if _, again := c.ReadMessage(); again != err {
				t.Errorf("then %v, want the same error", again)
			}
		})
	}
	c := reader(framed, framed) // the second one comes again
	if got, err := c.ReadMessage(); err != nil || string(got) != "text" {
		t.Fatalf("%q, %v", got, err)
	}
	if _, err := c.ReadMessage(); !errors.Is(err, ErrFrame) {
		t.Errorf("a repeated frame: %v, want %v", err, ErrFrame)
	}
}

// TestClaimedLength checks that a length costs nothing until its bytes come.
func TestClaimedLength(t *testing.T) {
	received := append([]byte{0xff, 0xff, 0xff}, make([]byte, 1000)...)
	least := uint64(math.MaxUint64)
	for range 10 { // other goroutines may allocate, too
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := reader(received).ReadMessage(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	if least > 4*readBuffer {
		t.Errorf("%d bytes allocated for 1,003 bytes received", least)
	}
}

// TestBuffersShrink checks that one long message does not pin its buffers.
func TestBuffersShrink(t *testing.T) {
	a, b := pair(t)
	done := make(chan struct{})
	go func() {
		a.WriteMessage(make([]byte, 10<<20))
		a.Flush()
		for range 2 {
			a.WriteMessage([]byte("small"))
			a.Flush()
		}
		close(done)
	}()
	for range 3 {
		if _, err := b.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	if got := len(b.reader.buf); got > keepBuffer {
		t.Errorf("the reader holds %d bytes", got)
	}
	if got := cap(a.writer.buf); got > keepBuffer {
		t.Errorf("the writer holds %d bytes", got)
	}
}

func TestHandshakeErrors(t *testing.T) {
	s := loadSessions(t)[0]
	var received []byte
	for _, e := range s.Events {
		if e.Handshake && e.From == "initiator" {
			received = append(received, e.Raw...)
		}
	}
	respond := func(received []byte) error {
		random := io.MultiReader(bytes.NewReader(s.Ephemerals.ResponderSeed), bytes.NewReader(s.Headers.Responder))
		_, err := Handshake(t.Context(), &recorded{Reader: bytes.NewReader(received)},
			Options{Static: (*[32]byte)(s.Statics.ResponderSeed), Rand: random})
		return err
	}
	if err := respond(received); err != nil {
		t.Fatal(err)
	}
	for i := range received {
		if err := respond(received[:i]); !errors.Is(err, ErrHandshake) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d bytes: error %v", i, err)
		}
	}
	header := len(received) - headerSize // the secretstream's own header is random
	for i := range header {
		bad := bytes.Clone(received)
		bad[i] ^= 0x40
		if err := respond(bad); !errors.Is(err, ErrHandshake) {
			t.Fatalf("byte %d flipped: error %v", i, err)
		}
	}
	if err := respond([]byte("GET / HTTP/1.1\r\n\r\n")); err == nil ||
		err.Error() != "handshake failed: bad frame: length 5522759, expected 32" {
		t.Errorf("for an HTTP client: %v", err)
	}
}

// An initiator with Shaken set writes before the peer's header is here; its first read ends the handshake.
func TestInitiatorWritesBeforeTheHeader(t *testing.T) {
	s := loadSessions(t)[0]
	var received []byte
	for _, e := range s.Events {
		if e.Handshake && e.From == "responder" {
			received = append(received, e.Raw...)
		}
	}
	at := lengthSize + sizeEES // the header's frame
	for length := at; length <= len(received); length++ {
		for _, flipped := range []bool{false, true} {
			told := 0
			bytesIn := bytes.Clone(received[:length])
			if flipped = flipped && length == len(received); flipped {
				bytesIn[at+lengthSize] ^= 1
			}
			random := io.MultiReader(bytes.NewReader(s.Ephemerals.InitiatorSeed), bytes.NewReader(s.Headers.Initiator))
			c, err := Handshake(t.Context(), &recorded{Reader: bytes.NewReader(bytesIn)},
				Options{Initiator: true, Static: (*[32]byte)(s.Statics.InitiatorSeed), Rand: random, Shaken: func() { told++ }})
			if err != nil || told != 0 {
				t.Fatalf("%d bytes: %v, told %d times", length, err, told)
			}
			if err := c.WriteMessage([]byte("early")); err != nil {
				t.Fatal(err)
			}
			_, err = c.ReadMessage()
			switch whole := length == len(received); {
			case whole && !flipped && err != io.EOF,
				whole && flipped && !errors.Is(err, ErrHandshake),
				!whole && (!errors.Is(err, ErrHandshake) || !errors.Is(err, io.ErrUnexpectedEOF)):
				t.Errorf("%d bytes of %d, flipped: %v: %v", length, len(received), flipped, err)
			}
			if _, again := c.ReadMessage(); again != err || told != 1 {
				t.Errorf("again: %v, told %d times", again, told)
			}
		}
	}
}

// An initiator that never gets the header waits no longer than the handshake may take.
func TestHeaderEndsWithContext(t *testing.T) {
	left, right := net.Pipe()
	defer right.Close()
	go func() { // a responder up to his own header
		c := newConn(right, nil)
		static, _ := staticKey(Options{Rand: cryptorand.Reader})
		state, err := noise.NewHandshakeState(noise.Config{CipherSuite: suite, Random: cryptorand.Reader, Pattern: noise.HandshakeXX, StaticKeypair: static})
		if err == nil {
			_, err = c.exchange(state, false)
		}
		if err == nil {
			_, _ = io.Copy(io.Discard, right)
		}
	}()
	ctx, cancel := context.WithCancelCause(t.Context())
	c, err := Handshake(ctx, left, Options{Initiator: true, Shaken: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	late := errors.New("late")
	cancel(late)
	if _, err := c.ReadMessage(); !errors.Is(err, late) || !errors.Is(err, ErrHandshake) {
		t.Errorf("error %v, want %v", err, late)
	}
}

func TestHandshakeEndsWithContext(t *testing.T) {
	left, right := net.Pipe()
	defer right.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := Handshake(ctx, left, Options{}) // nobody speaks
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrHandshake) {
		t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
	}
	if _, err := left.Write([]byte{0}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the stream is still open: %v", err)
	}
}

func TestCloseUnblocks(t *testing.T) {
	a, _ := pair(t)
	done := make(chan error, 2)
	go func() {
		_, err := a.ReadMessage()
		done <- err
	}()
	go func() {
		err := a.WriteMessage(make([]byte, 1<<20)) // nobody reads
		done <- err
	}()
	a.Close()
	for range 2 {
		if err := <-done; err == nil {
			t.Error("no error")
		}
	}
}

func FuzzHandshake(f *testing.F) {
	s := loadSessions(f)[0]
	for _, side := range []string{"initiator", "responder"} {
		var received []byte
		for _, e := range s.Events {
			if e.From == side {
				received = append(received, e.Raw...)
			}
		}
		f.Add(received, side == "responder")
	}
	f.Fuzz(func(t *testing.T, received []byte, initiator bool) {
		static, ephemeral, header := s.Statics.ResponderSeed, s.Ephemerals.ResponderSeed, s.Headers.Responder
		if initiator {
			static, ephemeral, header = s.Statics.InitiatorSeed, s.Ephemerals.InitiatorSeed, s.Headers.Initiator
		}
		random := io.MultiReader(bytes.NewReader(ephemeral), bytes.NewReader(header))
		c, err := Handshake(context.Background(), &recorded{Reader: bytes.NewReader(received)},
			Options{Initiator: initiator, Static: (*[32]byte)(static), Rand: random})
		for err == nil {
			_, err = c.ReadMessage()
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{1, 0, 0, 7, 0, 0, 0, 2, 0, 0, 1, 2}, uint16(3))
	f.Add([]byte{0xff, 0xff, 0xff, 7}, uint16(100))
	f.Fuzz(func(t *testing.T, received []byte, step uint16) {
		r := newFrameReader(&stepReader{received, int(step) + 1}, nil)
		rest := received
		for {
			frame, err := r.next(0, maxFrame)
			if err != nil {
				if len(rest) == 0 != (err == io.EOF) {
					t.Fatalf("%d bytes left: %v", len(rest), err)
				}
				break
			}
			n := int(rest[0]) | int(rest[1])<<8 | int(rest[2])<<16
			if !bytes.Equal(frame[scratch:], rest[lengthSize:lengthSize+n]) {
				t.Fatalf("frame %x, want %x", frame[scratch:], rest[lengthSize:lengthSize+n])
			}
			clear(frame) // the scratch is ours
			rest = rest[lengthSize+n:]
		}
		if len(r.buf) > max(readBuffer+readBuffer/16, 2*(len(received)+headroom)) {
			t.Fatalf("a buffer of %d bytes for %d", len(r.buf), len(received))
		}
	})
}

// stepReader gives at most step bytes at a time.
type stepReader struct {
	rest []byte
	step int
}

func (r *stepReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.step)], r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// A message that is written in place is, on the wire, the one that WriteMessage makes, whatever stands around it, behind what waits; and
// its buffer, which is used again at once for the next one, is done with.
func TestWriteInPlace(t *testing.T) {
	random := rand.NewChaCha8([32]byte{7})
	sending := func() (*recorded, *Conn) {
		stream := &recorded{Reader: strings.NewReader("")}
		c := newConn(stream, nil)
		c.out = newSealer(make([]byte, 32), make([]byte, headerSize))
		return stream, c
	}
	copied, plainly := sending()
	placed, inPlace := sending()
	buf := make([]byte, HeadRoom+5, HeadRoom+5+writePiece+999+TailRoom)
	for i, size := range []int{0, 1, 7, 8, 255, 256, 257, 4096, 100_000, writePiece + 999} {
		for _, at := range []int{HeadRoom, HeadRoom + 5} {
			buf = buf[:at+size]
			_, _ = random.Read(buf)
			small := bytes.Repeat([]byte{byte(i)}, 10*i)
			for _, text := range [][]byte{small, buf[at:]} {
				if err := plainly.WriteMessage(text); err != nil {
					t.Fatal(err)
				}
			}
			if err := inPlace.WriteMessage(small); err != nil {
				t.Fatal(err)
			}
			if err := inPlace.WriteInPlace(buf, at); err != nil {
				t.Fatal(err)
			}
			_, _ = random.Read(buf[:cap(buf)])
		}
	}
	if err := plainly.Flush(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(placed.Bytes(), copied.Bytes()) {
		t.Errorf("%d bytes were written, which are not the %d that WriteMessage makes", placed.Len(), copied.Len())
	}
	if inPlace.Written() != uint64(placed.Len()) {
		t.Errorf("Written() = %d of %d bytes", inPlace.Written(), placed.Len())
	}
	before := placed.Len()
	if err := inPlace.WriteInPlace(make([]byte, HeadRoom+MaxMessage+1, HeadRoom+MaxMessage+1+TailRoom), HeadRoom); !errors.Is(err, ErrTooLong) || placed.Len() != before {
		t.Errorf("one byte too many: %v, %d bytes written", err, placed.Len()-before)
	}
	if err := inPlace.WriteInPlace(make([]byte, HeadRoom+MaxMessage, HeadRoom+MaxMessage+TailRoom), HeadRoom); err != nil {
		t.Errorf("the longest message: %v", err)
	}
}

// The error of a write stays, and nothing is written after it.
func TestWriteInPlaceFails(t *testing.T) {
	a, b := pair(t)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, HeadRoom+1000, HeadRoom+1000+TailRoom)
	err := a.WriteInPlace(buf, HeadRoom)
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("error %v, want %v", err, io.ErrClosedPipe)
	}
	written := a.Written()
	if again := a.WriteInPlace(buf, HeadRoom); again != err {
		t.Errorf("then %v", again)
	}
	if again := a.WriteMessage(buf); again != err || a.Written() != written {
		t.Errorf("then %v, %d bytes more", again, a.Written()-written)
	}
}
