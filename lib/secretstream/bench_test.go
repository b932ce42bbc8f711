package secretstream

import (
	"fmt"
	"net"
	"testing"
)

// BenchmarkPair sends messages one way: sealed, written, read and opened, on two cores if there are.
func BenchmarkPair(b *testing.B) {
	for _, over := range []string{"pipe", "tcp"} {
		for _, size := range []int{64, 4 << 10, 64 << 10, 64<<10 + 5, 1 << 20} {
			b.Run(fmt.Sprintf("over=%s/size=%d", over, size), func(b *testing.B) { benchmarkPair(b, over, size) })
		}
	}
}

func benchmarkPair(b *testing.B, over string, size int) {
	left, right := net.Pipe()
	if over == "tcp" {
		left, right = tcpPair(b)
	}
	out, in := connect(b, left, right)
	message := make([]byte, size)
	done := make(chan error, 1)
	go func() {
		for {
			if _, err := in.ReadMessage(); err != nil {
				done <- err
				return
			}
		}
	}()
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if err := out.WriteMessage(message); err != nil {
			b.Fatal(err)
		}
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	out.Close()
	<-done
}

func tcpPair(tb testing.TB) (left, right net.Conn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	left, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	right, err = l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	return left, right
}
