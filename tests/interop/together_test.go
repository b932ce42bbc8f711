package interop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A reader that has half of the blocks joins and gets the rest.
func TestStockJoinsWithHalf(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		dir, storage := t.TempDir(), t.TempDir()
		data := random(1000*64, 5)
		key := publish(t, dir, "data", data, "--algorithm fixed --avg 64")
		address := serve(t, dir)
		first := stockReader(t, key, address, append(flags, "--storage", storage)...)
		for i := 0; i < 1000; i += 2 {
			first.say("get %d", i)
		}
		for i := 0; i < 1000; i += 2 {
			first.wait("block", func(e event) bool { return e.Index == uint64(i) })
		}
		first.do("closed", "quit")

		more := random(500*64, 6)
		if err := os.WriteFile(filepath.Join(dir, "more"), more, 0o600); err != nil {
			t.Fatal(err)
		}
		sh(t, dir, 0, "hc-chunk --algorithm fixed --avg 64 < more | hc-append data")
		second := stockReader(t, key, address, append(flags, "--storage", storage)...)
		second.wait("length", func(e event) bool { return e.Length == 1500 })
		if got := second.do("all", "all"); got.Length != 1500 || got.SHA256 != sum(append(data, more...)) {
			t.Errorf("stock read %+v", got)
		}
	})
}

func TestTwoReadersAtOnce(t *testing.T) {
	dir, data := t.TempDir(), random(3000*512, 7)
	key := publish(t, dir, "data", data, "--algorithm fixed --avg 512")
	address := serve(t, dir)
	eleven, ten := stockReader(t, key, address), stockReader(t, key, address, "--v10")
	eleven.say("all")
	ten.say("all")
	got, _ := sh(t, t.TempDir(), 0, fmt.Sprintf("hc-fetch %s --peer %s | hc-verify %s", key, address, key))
	if sum([]byte(got)) != sum(data) {
		t.Errorf("we read %d bytes, not those of the core", len(got))
	}
	for _, reader := range []*stock{eleven, ten} {
		if got := reader.wait("all", func(event) bool { return true }); got.SHA256 != sum(data) {
			t.Errorf("stock %s read %+v", reader.Ready.Version, got)
		}
	}
}

// A stock reader gets from an hc reader's store what the latter is still downloading from a stock writer.
func TestStockBehindOurReader(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		writer := startStock(t, append(flags, "--listen")...)
		writer.do("appended", "append 500 4096")
		key, dir := writer.Ready.Key, t.TempDir()
		follower := background(t, dir, fmt.Sprintf("hc-fetch %s --peer %s --live | hc-verify %s | wc -c", key, writer.address(), key))
		waitForFile(t, filepath.Join(dir, ".hc", "format"))
		reader := stockReader(t, key, serve(t, dir), flags...)
		for i := range 3 {
			writer.do("appended", "append 100 4096")
			length := uint64(600 + 100*i)
			reader.wait("length", func(e event) bool { return e.Length >= length })
			got := reader.do("block", "get %d", length-1)
			if got.Bytes != 4096 {
				t.Fatalf("block %d: stock read %+v", length-1, got)
			}
		}
		if got := reader.do("all", "all"); got.Length != 800 || got.Bytes != 800*4096 {
			t.Errorf("stock read %+v", got)
		}
		follower.kill()
	})
}

func waitForFile(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // another process makes it
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come", path)
		}
	}
}

// A core that is created after a server started reaches a reader that asked for it before.
func TestNewCoreIsAnnounced(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		dir, elsewhere := t.TempDir(), t.TempDir()
		sh(t, dir, 0, "echo other | hc-append --raw other")
		seed := strings.Repeat("07", 32)
		out, _ := sh(t, elsewhere, 0, "echo late | HC_SECRET_KEY="+seed+" hc-append --raw late") // to learn its key
		key := strings.Fields(out)[0]
		address := serve(t, dir)
		reader := stockReader(t, key, address, flags...)
		reader.say("get 0")
		// The server is asked, and has to say no, before the core is there.
		sh(t, t.TempDir(), 5, fmt.Sprintf("hc-fetch %s --peer %s > /dev/null", key, address))
		out, _ = sh(t, dir, 0, "echo late | HC_SECRET_KEY="+seed+" hc-append --raw late")
		if strings.Fields(out)[0] != key {
			t.Fatalf("the same secret key made core %s, then %s", key, out)
		}
		if got := reader.wait("block", func(event) bool { return true }); got.SHA256 != sum([]byte("late\n")) {
			t.Errorf("stock read %+v", got)
		}
	})
}

// A log that its owner cut back and rewrote is a conflict for a reader of the old one, which keeps what it has.
func TestRewrittenLogIsAConflict(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		writer := startStock(t, append(flags, "--listen")...)
		writer.do("appended", "append 20 100")
		key, dir := writer.Ready.Key, t.TempDir()
		before, _ := sh(t, dir, 0, fmt.Sprintf("hc-fetch %s --peer %s | hc-verify %s", key, writer.address(), key))
		writer.do("truncated", "truncate 10")
		writer.do("appended", "append 15 99")
		_, stderr := sh(t, dir, 7, fmt.Sprintf("hc-fetch %s --peer %s", key, writer.address()))
		if !strings.Contains(stderr, "--follow-fork") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("stderr: %q", stderr)
		}
		after, _ := sh(t, dir, 0, fmt.Sprintf("hc-fetch %s | hc-verify %s", key, key))
		if before != after {
			t.Error("the conflict changed what was here")
		}
		// A reader that has nothing takes the log as it is now.
		now, _ := sh(t, t.TempDir(), 0, fmt.Sprintf("hc-fetch %s --peer %s | hc-verify %s", key, writer.address(), key))
		if len(now) != 10*100+15*99 {
			t.Errorf("a new reader got %d bytes", len(now))
		}
	})
}

// A peer that is merely behind is no conflict.
func TestShorterPeerIsNoConflict(t *testing.T) {
	dir, old := t.TempDir(), t.TempDir()
	out, _ := sh(t, dir, 0, "seq 100 | hc-append --lines numbers")
	key := strings.Fields(out)[0]
	sh(t, dir, 0, fmt.Sprintf("cp -r .hc %s/", old))
	sh(t, dir, 0, "seq 101 200 | hc-append --lines numbers")
	got, _ := sh(t, dir, 0, fmt.Sprintf("hc-fetch %s --peer %s | hc-verify %s", key, serve(t, old), key))
	if strings.Count(got, "\n") != 200 {
		t.Errorf("read %d lines", strings.Count(got, "\n"))
	}
}

// Two peers, each with a part of the blocks, make a whole.
func TestFetchFromTwoSparsePeers(t *testing.T) {
	dir, left, right := t.TempDir(), t.TempDir(), t.TempDir()
	data := random(400*256, 8)
	key := publish(t, dir, "data", data, "--algorithm fixed --avg 256")
	origin := serve(t, dir)
	sh(t, left, 0, fmt.Sprintf("hc-fetch %s --peer %s --blocks 0-250 > /dev/null", key, origin))
	sh(t, right, 0, fmt.Sprintf("hc-fetch %s --peer %s --blocks 200-399 > /dev/null", key, origin))
	sh(t, t.TempDir(), 3, fmt.Sprintf("hc-fetch %s --peer %s > /dev/null", key, serve(t, left)))
	got, _ := sh(t, t.TempDir(), 0, fmt.Sprintf("hc-fetch %s --peer %s --peer %s | hc-verify %s", key, serve(t, left), serve(t, right), key))
	if !bytes.Equal([]byte(got), data) {
		t.Errorf("read %d bytes, not those of the core", len(got))
	}
}

// Over a command's standard input and output, both ways.
func TestStdio(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		dir, data := t.TempDir(), random(300*1000, 9)
		key := publish(t, dir, "data", data, "")
		got, _ := sh(t, t.TempDir(), 0, fmt.Sprintf("hc-fetch %s --exec 'hc-serve -C %s/.hc --stdio' | hc-verify %s", key, dir, key))
		if got != string(data) {
			t.Errorf("read %d bytes, not those of the core", len(got))
		}
		reader := startStock(t, append(flags, "--key", key, "--exec", "hc-serve -C "+dir+"/.hc --stdio")...)
		if got := reader.do("all", "all"); got.SHA256 != sum(data) {
			t.Errorf("stock read %+v", got)
		}
	})
}

// A fetch that was killed continues: it asks only for what it lacks.
func TestKilledFetchResumes(t *testing.T) {
	writer := startStock(t, "--listen")
	writer.do("appended", "append 6000 10000") // more than pipes, windows and the reader take together
	key, dir := writer.Ready.Key, t.TempDir()
	fetch := fmt.Sprintf("hc-fetch %s --peer %s", key, writer.address())
	p := background(t, dir, fetch+fmt.Sprintf(" | hc-verify %s | (head -c 15000000 | sha256sum; exec sleep 1000)", key))
	p.line()
	// What is on its way to the disk is kept, too, as nobody reads on.
	sh(t, dir, 0, fmt.Sprintf("until [ $(hc-fetch %s 2> /dev/null | hc-verify %s 2> /dev/null | wc -c) -gt 12000000 ]; do sleep 0.05; done", key, key))
	p.kill()
	counted := t.TempDir()
	sh(t, dir, 0, fmt.Sprintf("hc-fetch %s --head > %s/head; cp -r .hc %s/", key, counted, counted))
	_, stderr := sh(t, dir, 0, fetch+" -v > whole.proof")
	sh(t, dir, 0, fmt.Sprintf("hc-verify %s < whole.proof | wc -c | grep -qx 60000000", key))
	var received uint64
	for line := range strings.Lines(stderr) {
		if at := strings.Index(line, "received="); at >= 0 {
			fmt.Sscanf(line[at:], "received=%d", &received)
		}
	}
	if received == 0 || received > 5200 {
		t.Errorf("the second fetch received %d blocks of 6000, although the first one had a quarter or more\n%s", received, stderr)
	}
}
