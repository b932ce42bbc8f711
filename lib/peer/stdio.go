package peer

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// pumpBuffer is how many bytes a pump moves at once.
const pumpBuffer = 64 << 10

// A stdio is a stream over a reader and a writer.
type stdio struct {
	in     io.Reader
	out    io.Writer
	read   io.Reader // in, or its pump
	write  io.Writer // out, or its pump
	closed chan struct{}
	close  func() error
}

// Stdio returns a stream over in and out, which are a program's own stdin and stdout, or the like. Close and CloseWrite
// close them if they are io.Closers.
//
// Close ends calls that wait, even if the system cannot end them: on blocking files, which stdin and stdout usually are. Then
// the system call continues in an abandoned goroutine until it returns, or the program ends.
func Stdio(in io.Reader, out io.Writer) Conn {
	s := &stdio{in: in, out: out, read: in, write: out, closed: make(chan struct{})}
	if !closeEndsCalls(in) {
		s.read = newReadPump(in, s.closed)
	}
	if !closeEndsCalls(out) {
		s.write = newWritePump(out, s.closed)
	}
	s.close = sync.OnceValue(s.end)
	return s
}

// closeEndsCalls reports whether closing a reader or writer ends calls that wait.
func closeEndsCalls(rw any) bool {
	if f, ok := rw.(*os.File); ok {
		return f.SetDeadline(time.Time{}) == nil // an error: the runtime does not poll it
	}
	_, ok := rw.(io.Closer)
	return ok
}

func (s *stdio) Read(p []byte) (int, error) { return s.read.Read(p) }

func (s *stdio) Write(p []byte) (int, error) {
	n, err := s.write.Write(p)
	return n, gone(err)
}

func (s *stdio) CloseWrite() error { return closeOnce(s.out) }

func (s *stdio) Close() error { return s.close() }

func (s *stdio) end() error {
	close(s.closed)
	return errors.Join(closeOnce(s.out), closeOnce(s.in))
}

// closeOnce closes rw if it can be closed, and is not closed yet.
func closeOnce(rw any) error {
	c, ok := rw.(io.Closer)
	if !ok {
		return nil
	}
	if err := c.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
