// Command relay stands between two peers on loopback and counts the bytes that they send each other: scripts/bench-versions.sh
// uses it. With a delay it is also a long link, of any rate: scripts/bench-far.sh.
//
//	relay [-delay TIME] LOG NAME HOST:PORT|FOLDER
//
// It listens on a free port, says which one by {"port":N} on standard output, and passes each connection on to HOST:PORT,
// or, for programs that fetch from a web server, answers from the files of FOLDER. At interrupt or termination its
// connections end, and one line is added to LOG:
//
//	NAME BYTES-TO-THE-SERVER BYTES-FROM-THE-SERVER
//
// With -delay each byte is passed on that much later, one way, and a connection is made after one more round trip.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("relay", flag.ContinueOnError)
	delay := flags.Duration("delay", 0, "how much later each byte is passed on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 3 {
		return errors.New("usage: relay [-delay TIME] LOG NAME HOST:PORT|FOLDER")
	}
	log, name, target := flags.Arg(0), flags.Arg(1), flags.Arg(2)
	if info, err := os.Stat(target); err == nil && info.IsDir() {
		files, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer files.Close()
		handler := http.FileServer(http.Dir(target))
		go func() { _ = http.Serve(files, handler) }() // ends with its listener
		target = files.Addr().String()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "{\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	r := &relay{target: target, delay: *delay}
	if err := r.serve(ctx, listener); err != nil {
		return err
	}
	return note(log, fmt.Sprintf("%s %d %d\n", name, r.to.Load(), r.from.Load()))
}

// relay passes connections on to one target.
type relay struct {
	target   string
	delay    time.Duration
	to, from atomic.Int64 // bytes that were written to the target, and that came from it
}

// serve accepts connections until ctx ends, and returns when none of them is left.
func (r *relay) serve(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(ctx, func() { listener.Close() })
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	for {
		client, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		group.Go(func() {
			if err := r.pass(ctx, client); err != nil {
				fmt.Fprintln(os.Stderr, "relay:", err)
			}
		})
	}
}

// pass relays one connection. When one side has closed, the other side is told, and may continue to send.
func (r *relay) pass(ctx context.Context, client net.Conn) error {
	defer client.Close()
	time.Sleep(2 * r.delay)
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		return err
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() {
		client.Close()
		server.Close()
	})()
	var group sync.WaitGroup
	group.Go(func() { copyCounting(server, client, &r.to, r.delay) })
	group.Go(func() { copyCounting(client, server, &r.from, r.delay) })
	group.Wait()
	return nil
}

// copyCounting copies until either side has closed. The peers report the error.
func copyCounting(to, from net.Conn, count *atomic.Int64, delay time.Duration) {
	var err error
	if delay > 0 {
		err = copyLate(io.MultiWriter(to, counter{count}), from, delay)
	} else {
		_, err = io.Copy(io.MultiWriter(to, counter{count}), from)
	}
	if err != nil {
		to.Close()
		from.Close()
		return
	}
	_ = to.(*net.TCPConn).CloseWrite()
}

// onItsWay is how many pieces may be: more than anybody has there, of 64 KiB at most.
const onItsWay = 1 << 14

type piece struct {
	arrives time.Time
	bytes   []byte
}

// copyLate copies each piece when its delay is over.
func copyLate(to io.Writer, from io.Reader, delay time.Duration) error {
	way := make(chan piece, onItsWay)
	var readErr, writeErr error
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(way)
		for readErr == nil {
			b := make([]byte, 64<<10)
			var n int
			if n, readErr = from.Read(b); n > 0 {
				way <- piece{time.Now().Add(delay), b[:n]}
			}
		}
	})
	for p := range way { // to its end, or else the reader would wait for ever
		if writeErr == nil {
			time.Sleep(time.Until(p.arrives))
			_, writeErr = to.Write(p.bytes)
		}
	}
	reading.Wait()
	if writeErr == nil && readErr != io.EOF {
		return readErr
	}
	return writeErr
}

type counter struct{ bytes *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.bytes.Add(int64(len(p)))
	return len(p), nil
}

func note(log, line string) error {
	f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, line)
	return errors.Join(err, f.Close())
}
