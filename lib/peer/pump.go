package peer

import (
	"io"
	"os"
	"sync"
)

// A result is the result of one call of a pumped reader or writer.
type result struct {
	data []byte // of a reader
	n    int    // of a writer
	err  error
}

// A readPump reads in a goroutine, one buffer ahead, so that a Read can be abandoned when closed is closed.
type readPump struct {
	src     io.Reader
	closed  <-chan struct{}
	start   sync.Once
	results chan result
	free    chan []byte
	buf     []byte // rest is a part of it
	rest    []byte
	err     error
}

func newReadPump(src io.Reader, closed <-chan struct{}) *readPump {
	return &readPump{src: src, closed: closed, results: make(chan result), free: make(chan []byte, 2)}
}

func (p *readPump) Read(b []byte) (int, error) {
	p.start.Do(func() {
		p.free <- make([]byte, pumpBuffer)
		p.free <- make([]byte, pumpBuffer)
		go p.run()
	})
	for len(p.rest) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		if p.buf != nil {
			p.free <- p.buf[:cap(p.buf)]
			p.buf = nil
		}
		select {
		case r := <-p.results:
			p.buf, p.rest, p.err = r.data, r.data, r.err
		case <-p.closed:
			return 0, os.ErrClosed
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *readPump) run() {
	for {
		var buf []byte
		select {
		case buf = <-p.free:
		case <-p.closed:
			return
		}
		n, err := p.src.Read(buf)
		select {
		case p.results <- result{data: buf[:n], err: err}:
		case <-p.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

// A writePump writes in a goroutine, so that a Write can be abandoned when closed is closed.
type writePump struct {
	dst     io.Writer
	closed  <-chan struct{}
	start   sync.Once
	work    chan []byte
	results chan result
	buf     []byte // a copy: an abandoned Write must not keep its argument
}

func newWritePump(dst io.Writer, closed <-chan struct{}) *writePump {
	return &writePump{dst: dst, closed: closed, work: make(chan []byte), results: make(chan result, 1)}
}

func (p *writePump) Write(b []byte) (written int, err error) {
	p.start.Do(func() {
		p.buf = make([]byte, pumpBuffer)
		go p.run()
	})
	for len(b) > 0 && err == nil {
		n := copy(p.buf, b)
		select {
		case p.work <- p.buf[:n]:
		case <-p.closed:
			return written, os.ErrClosed
		}
		select {
		case r := <-p.results:
			written, err, b = written+r.n, r.err, b[n:]
		case <-p.closed:
			return written, os.ErrClosed
		}
	}
	return written, err
}

func (p *writePump) run() {
	for {
		select {
		case b := <-p.work:
			n, err := p.dst.Write(b)
			p.results <- result{n: n, err: err}
		case <-p.closed:
			return
		}
	}
}
