package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// start runs a relay and returns its address, and a function that ends it and returns its line.
func start(t *testing.T, target string, flags ...string) (address string, end func() string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, append(flags, log, "name", target), write) }()
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var port int
	if _, err := fmt.Sscanf(line, "{\"port\":%d}\n", &port); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port), func() string {
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		noted, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return string(noted)
	}
}

// Twice the server answers a request, whose end it sees, with three times as much: both ways are counted, over all connections.
func TestCounts(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			request, _ := io.ReadAll(conn)
			for range 3 {
				_, _ = conn.Write(request)
			}
			conn.Close()
		}
	}()
	address, end := start(t, listener.Addr().String())
	for range 2 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if string(answer) != "hellohellohello" || err != nil {
			t.Fatalf("answer %q, %v", answer, err)
		}
		conn.Close()
	}
	if line := end(); line != "name 10 30\n" {
		t.Errorf("noted %q, want 10 bytes to the server and 30 from it", line)
	}
}

// A long link takes at least its round trips, and passes on the same bytes.
func TestDelays(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(conn, conn)
		conn.Close()
	}()
	const delay = 20 * time.Millisecond
	address, end := start(t, listener.Addr().String(), "-delay", delay.String())
	began := time.Now()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if string(answer) != "hello" || err != nil {
		t.Errorf("answer %q, %v", answer, err)
	}
	if took := time.Since(began); took < 4*delay {
		t.Errorf("it took %v, two round trips are %v", took, 4*delay)
	}
	if line := end(); line != "name 5 5\n" {
		t.Errorf("noted %q, want 5 bytes each way", line)
	}
}

func TestServesAFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o666); err != nil {
		t.Fatal(err)
	}
	address, end := start(t, dir)
	response, err := http.Get("http://" + address + "/file")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if string(body) != "content" || err != nil {
		t.Fatalf("body %q, %v", body, err)
	}
	var to, from int
	if _, err := fmt.Sscanf(end(), "name %d %d\n", &to, &from); err != nil || to == 0 || from <= len("content") {
		t.Errorf("noted %d to and %d from, %v: want a request and an answer with its head", to, from, err)
	}
}

// A connection that nobody closes does not keep a relay from ending.
func TestEndsWithAnIdleConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan struct{})
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		one := make([]byte, 1)
		_, _ = io.ReadFull(conn, one)
		close(accepted)
		_, _ = io.Copy(io.Discard, conn)
	}()
	address, end := start(t, listener.Addr().String())
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	<-accepted
	if line := end(); line != "name 1 0\n" {
		t.Errorf("noted %q", line)
	}
}
