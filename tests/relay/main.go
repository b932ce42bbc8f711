// Command relay stands between two peers on loopback and counts what they say to one another: scripts/bench-versions.sh
// is made of it.
//
//	relay LOG NAME HOST:PORT|FOLDER
//
// It listens on a free port, says which one by {"port":N} on standard output, and passes each connection on to HOST:PORT,
// or, for programs that fetch from a web server, answers from the files of FOLDER. At interrupt or termination its
// connections end, and one line is added to LOG:
//
//	NAME BYTES-TO-THE-SERVER BYTES-FROM-THE-SERVER
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
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
	if len(args) != 3 {
		return errors.New("usage: relay LOG NAME HOST:PORT|FOLDER")
	}
	log, name, target := args[0], args[1], args[2]
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
	r := &relay{target: target}
	if err := r.serve(ctx, listener); err != nil {
		return err
	}
	return note(log, fmt.Sprintf("%s %d %d\n", name, r.to.Load(), r.from.Load()))
}

// relay passes connections on to one target.
type relay struct {
	target   string
	to, from atomic.Int64 // bytes that were written to the target, and that came from it
}

// serve takes connections until ctx ends, and returns when none of them is left.
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

// pass is one connection. What one side has closed, the other side is told, and may go on.
func (r *relay) pass(ctx context.Context, client net.Conn) error {
	defer client.Close()
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
	group.Go(func() { copyCounting(server, client, &r.to) })
	group.Go(func() { copyCounting(client, server, &r.from) })
	group.Wait()
	return nil
}

// copyCounting copies until either side has closed. Which error that was is for the peers to say.
func copyCounting(to, from net.Conn, count *atomic.Int64) {
	_, err := io.Copy(io.MultiWriter(to, counter{count}), from)
	if err != nil {
		to.Close()
		from.Close()
		return
	}
	_ = to.(*net.TCPConn).CloseWrite()
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
