package replicate

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
	"hc/lib/replicate/replicatetest"
	"hc/lib/store"
)

// testCore is a core in a store of its own, with its blocks.
type testCore struct {
	t      *testing.T
	store  *store.Store
	key    keys.Key
	secret *keys.Secret // nil: one of its own
	compat bool
	blocks [][]byte
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	return replicatetest.NewStore(t)
}

func newCore(t *testing.T, count int) *testCore {
	t.Helper()
	c := &testCore{t: t, store: newStore(t)}
	random := rand.New(rand.NewPCG(1, uint64(count)))
	for i := range count {
		c.blocks = append(c.blocks, bytes.Repeat(fmt.Appendf(nil, "%d,", i), random.IntN(200)))
	}
	c.append(c.blocks...)
	return c
}

func (c *testCore) append(blocks ...[]byte) {
	c.t.Helper()
	w, err := hypercore.OpenWriter(c.t.Context(), c.store, "log", hypercore.AppendOptions{Drive: true, Secret: c.secret, Compat: c.compat})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := w.Append(c.t.Context(), blocks...); err != nil {
		c.t.Fatal(err)
	}
	if _, err := w.Commit(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	c.key = w.Key()
}

func (c *testCore) bytes() []byte { return bytes.Join(c.blocks, nil) }

// pair returns two ends of a loopback connection.
func pair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := l.Accept()
		accepted <- conn
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn), (<-accepted).(*net.TCPConn)
}

// over is a peer at the other end of a connection that is there already.
func over(name string, conn peer.Conn) Dialer {
	return Dialer{Name: name, Dial: func(context.Context) (peer.Conn, error) { return conn, nil }}
}

// serving returns a connection to a real server of the core.
func (c *testCore) serving(options ServerOptions) *net.TCPConn {
	c.t.Helper()
	return c.server(options)()
}

// server starts a real server of the core, which may be changed before, and returns how to connect to it.
func (c *testCore) server(options ServerOptions, change ...func(*Server)) (connect func() *net.TCPConn) {
	c.t.Helper()
	server := NewServer(c.store, options)
	for _, change := range change {
		change(server)
	}
	background(c.t, func(ctx context.Context) {
		if err := server.Run(ctx); err != nil {
			c.t.Error(err)
		}
	})
	return func() *net.TCPConn {
		ours, theirs := pair(c.t)
		background(c.t, func(ctx context.Context) { _ = server.Serve(ctx, "reader", theirs) })
		return ours
	}
}

// background runs something until the test ends, and waits for it.
func background(t *testing.T, run func(ctx context.Context)) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
}

// read fetches a claim through connections and returns the verified bytes.
func read(t *testing.T, into *store.Store, key keys.Key, claim proof.Claim, options FetchOptions, conns ...*net.TCPConn) ([]byte, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), waitLimit)
	defer stop()
	d, err := hypercore.NewDownload(ctx, key, hypercore.DownloadOptions{Store: into, Returned: true})
	if err != nil {
		return nil, err
	}
	var peers []Dialer
	for i, conn := range conns {
		peers = append(peers, over(fmt.Sprintf("peer %d", i), conn))
	}
	options.Claim = claim
	fetching, finish := context.WithCancel(ctx)
	var wait sync.WaitGroup
	var fetchErr error
	wait.Go(func() { fetchErr = Fetch(fetching, d, peers, options) })
	var stream bytes.Buffer
	writeErr := write(ctx, &stream, d, keys.Ref{Key: key}, PipeOptions{Claim: claim})
	finish()
	wait.Wait()
	if err := worse(writeErr, fetchErr); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	_, err = proof.Verify(ctx, &stream, proof.Options{Key: &key, Claim: &claim, Out: &out}, nil)
	return out.Bytes(), err
}

const (
	// waitLimit bounds every wait for what must come, on however busy a machine; nothing measures with it.
	waitLimit = 3 * time.Minute

	// shortStall is for how long a peer may be silent where one is that never says a word: long enough that on a busy machine, under the
	// race detector, nobody else is.
	shortStall = 5 * time.Second
)

// lots is how many blocks a test takes that needs lots: a quarter of them where it is to be short.
func lots(count int) int {
	if testing.Short() {
		return count / 4
	}
	return count
}

// noLeaks fails the test if a goroutine of this project that it has started is left when it ends. Call it first.
func noLeaks(t *testing.T) {
	t.Helper()
	label := pprof.Labels("test", t.Name()) // which goroutines take over from the one that starts them
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), label))
	t.Cleanup(func() {
		var left []string
		for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if left = goroutinesOf(t); len(left) == 0 {
				return
			}
		}
		t.Errorf("goroutines are left:\n%s", strings.Join(left, "\n\n"))
	})
}

// goroutinesOf returns the stacks of this project that a test's goroutines stand in, but for the test's own.
func goroutinesOf(t *testing.T) (stacks []string) {
	t.Helper()
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		t.Fatal(err)
	}
	label := fmt.Sprintf("{%q:%q}", "test", t.Name())
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(stack, label) && strings.Contains(stack, "hc/lib/") && !strings.Contains(stack, "testing.tRunner") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// counting counts the blocks that a server sends.
func counting(blocks *atomic.Int64) Trace {
	return func(_ bool, p *merkle.Proof) {
		if p.Block != nil {
			blocks.Add(1)
		}
	}
}

// appendData appends a data message.
func appendData(b []byte, p *merkle.Proof) []byte {
	b = messages.AppendDataHead(b, p)
	if p.Block != nil {
		b = append(b, p.Block.Value...)
	}
	return messages.AppendDataTail(b, p)
}

func unreachable(name string) Dialer {
	return Dialer{Name: name, Dial: func(context.Context) (peer.Conn, error) {
		return nil, fmt.Errorf("dialling %s: %w", name, peer.ErrUnreachable)
	}}
}

// hang is a dialler that never comes to an end of its own.
func hang(ctx context.Context) (peer.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// sendBlocks sends an answer that is not made in a frame, as a liar makes it.
func sendBlocks(channel *protomux.Channel, answer objects.Blocks) error {
	body := [][]byte{answer.Head()}
	for _, piece := range answer.Pieces {
		body = append(body, piece.Payload)
	}
	return channel.Send(objects.TypeBlocks, body...)
}

func pack(blocks [][]byte, try bool) objects.Piece {
	piece, _ := objects.Pack(nil, blocks, try)
	return piece
}
