package interop

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

const jobSeed = "0101010101010101010101010101010101010101010101010101010101010101"

// job publishes blocks onto a head proof, in a folder that has nothing else, and returns the folder.
func job(t *testing.T, whole, key string, blocks int) string {
	t.Helper()
	dir := t.TempDir()
	sh(t, whole, 0, fmt.Sprintf("hc-fetch %s --head > %s/head.proof", key, dir))
	sh(t, dir, 0, fmt.Sprintf("seq -f 'new %%g' %d | hc-chunk --algorithm lines | HC_SECRET_KEY=%s hc-append %s --onto head.proof", blocks, jobSeed, key))
	return dir
}

// A store that has no more of a log than the roots that it appended to gives stock what is new: a peer that has the log up to
// there, and one that has nothing. It does not keep any other peer from getting the log elsewhere.
func TestStockReadsFromRootsOnlyStore(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		whole := t.TempDir()
		out, _ := sh(t, whole, 0, "seq 7 | HC_SECRET_KEY="+jobSeed+" hc-append --lines log")
		key := strings.Fields(out)[0]
		storage := map[uint64]string{7: filepath.Join(t.TempDir(), "short"), 13: filepath.Join(t.TempDir(), "there")}
		stand := func(length uint64) {
			t.Helper()
			reader := startStock(t, append(flags, "--key", key, "--storage", storage[length], "--connect", serve(t, whole))...)
			if got := reader.do("all", "all"); got.Length != length {
				t.Fatalf("stock stands at %d, not at %d", got.Length, length)
			}
			reader.do("closed", "quit")
		}
		stand(7)
		sh(t, whole, 0, "seq 8 13 | hc-append --lines log")
		stand(13)
		partial := job(t, whole, key, 5)
		address := serve(t, partial)

		fresh := stockReader(t, key, address, flags...)
		for _, block := range []int{13, 17} {
			if got := fresh.do("block", "get %d", block); got.SHA256 != sum(fmt.Appendf(nil, "new %d\n", block-12)) {
				t.Errorf("with nothing: stock read block %d as %+v", block, got)
			}
		}
		there := startStock(t, append(flags, "--key", key, "--storage", storage[13], "--connect", address)...)
		there.wait("length", func(e event) bool { return e.Length == 18 })
		if got := there.do("all", "all"); got.Length != 18 || got.Contiguous != 18 {
			t.Errorf("from length 13: stock read %+v", got)
		}

		// A peer at another length is refused, and gets it from a peer that has all of the log.
		sh(t, whole, 0, fmt.Sprintf("seq -f 'new %%g' 5 | hc-chunk --algorithm lines | hc-append %s", key))
		short := startStock(t, append(flags, "--key", key, "--storage", storage[7], "--connect", address, "--exec", "hc-serve -C "+whole+"/.hc --stdio")...)
		short.wait("length", func(e event) bool { return e.Length == 18 })
		if got := short.do("all", "all"); got.Length != 18 {
			t.Errorf("from length 7: stock read %+v", got)
		}
		if got := short.do("info", "info"); got.Length != 18 {
			t.Errorf("%+v", got)
		}
		short.mu.Lock()
		defer short.mu.Unlock()
		for _, e := range short.events {
			if e.Event != "length" {
				t.Errorf("the connections did not go on: %+v", e)
			}
		}
	})
}

// Stock switches to a new fork by itself: the way out of a key that was used twice reaches its readers.
func TestStockFollowsNewFork(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		one, two := t.TempDir(), t.TempDir()
		out, _ := sh(t, one, 0, "seq 6 | hc-append --lines log")
		key := strings.Fields(out)[0]
		sh(t, one, 0, "cp -r .hc "+two+"/")
		sh(t, one, 0, "seq 101 104 | hc-append --lines log")
		sh(t, two, 0, "seq 201 207 | hc-append --lines log")
		reads := func(reader *stock, length uint64, text string) {
			t.Helper()
			if got := reader.do("all", "all"); got.Length != length || got.SHA256 != sum([]byte(text)) {
				t.Errorf("stock read %+v, want %d blocks", got, length)
			}
		}
		lines := func(numbers ...string) string { return strings.Join(numbers, "\n") + "\n" }
		begin := lines("1", "2", "3", "4", "5", "6")

		follower := stockReader(t, key, serve(t, one), flags...)
		reads(follower, 10, begin+lines("101", "102", "103", "104"))
		stray := filepath.Join(t.TempDir(), "stray")
		reader := startStock(t, append(flags, "--key", key, "--storage", stray, "--connect", serve(t, two))...)
		reads(reader, 13, begin+lines("201", "202", "203", "204", "205", "206", "207"))
		reader.do("closed", "quit")

		sh(t, one, 7, "hc-fetch log --peer "+serve(t, two)+" > /dev/null")
		sh(t, one, 7, "echo x | hc-append --raw log")
		sh(t, one, 0, "hc doctor log --new-fork")
		follower.wait("length", func(e event) bool { return e.Fork == 1 })
		sh(t, one, 0, "echo 105 | hc-append --lines log")
		after := begin + lines("101", "102", "103", "104", "105")
		follower.wait("length", func(e event) bool { return e.Fork == 1 && e.Length == 11 })
		reads(follower, 11, after)

		// A reader of the other history, which was longer, gives that up.
		reader = startStock(t, append(flags, "--key", key, "--storage", stray, "--connect", serve(t, one))...)
		reader.wait("length", func(e event) bool { return e.Fork == 1 && e.Length == 11 })
		reads(reader, 11, after)
	})
}

// A log that stock cut back and continued is followed if the reader asks for that.
func TestFollowStocksNewFork(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		writer := startStock(t, append(flags, "--listen")...)
		writer.do("appended", "append 20 100")
		key, dir := writer.Ready.Key, t.TempDir()
		fetch := fmt.Sprintf("hc-fetch %s --peer %s", key, writer.address())
		before, _ := sh(t, dir, 0, fetch+" | hc-verify "+key)
		writer.do("truncated", "truncate 10")
		for range 3 {
			writer.do("appended", "append 15 99")
		}
		sh(t, dir, 7, fetch+" > /dev/null")
		now, stderr := sh(t, dir, 0, fetch+" --follow-fork | hc-verify "+key)
		if len(now) != 10*100+45*99 || now[:1000] != before[:1000] {
			t.Errorf("read %d bytes, not those of the new fork", len(now))
		}
		if !strings.Contains(stderr, "following fork 1, length 55, ") || !strings.Contains(stderr, "the first 10 blocks are the same") {
			t.Errorf("stderr: %q", stderr)
		}
		again, _ := sh(t, dir, 0, fmt.Sprintf("hc-fetch %s | hc-verify %s", key, key))
		if again != now {
			t.Error("what was kept is not what was read")
		}
		sh(t, dir, 0, "hc fsck && hc doctor")
	})
}

// An owner asks every peer for a head that was not signed here. Stock peers at the same length, or behind, show theirs, and
// nothing follows from it.
func TestStockBehindItsOwnerIsNoConflict(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		dir, storage := t.TempDir(), filepath.Join(t.TempDir(), "reader")
		out, _ := sh(t, dir, 0, "seq 20 | hc-append --lines log")
		key := strings.Fields(out)[0]
		reader := startStock(t, append(flags, "--key", key, "--storage", storage, "--connect", serve(t, dir))...)
		reader.do("all", "all")
		reader.do("closed", "quit")
		reader = startStock(t, append(flags, "--key", key, "--storage", storage, "--listen")...)
		for _, length := range []int{20, 23} {
			got, _ := sh(t, dir, 0, fmt.Sprintf("hc-fetch log --peer %s | hc-verify %s", reader.address(), key))
			if strings.Count(got, "\n") != length {
				t.Errorf("read %d lines, want %d", strings.Count(got, "\n"), length)
			}
			sh(t, dir, 0, "hc doctor log --peer "+reader.address())
			sh(t, dir, 0, "echo more | hc-append --raw log --peer "+reader.address())
			sh(t, dir, 0, "seq 2 | hc-append --lines log")
		}
	})
}

// A stock reader that has more of a log than an old copy restored by its owner keeps the owner from signing that part again.
func TestOwnerHearsOfItFromStock(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		now, old, storage := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "reader")
		out, _ := sh(t, now, 0, "seq 20 | hc-append --lines log")
		key := strings.Fields(out)[0]
		sh(t, now, 0, "cp -r .hc "+old+"/")
		sh(t, now, 0, "seq 5 | hc-append --lines log")
		reader := startStock(t, append(flags, "--key", key, "--storage", storage, "--connect", serve(t, now))...)
		reader.do("all", "all")
		reader.do("closed", "quit")

		server := background(t, old, "exec hc-serve --listen 127.0.0.1:0 2>&1")
		address := strings.Fields(server.line())[3]
		startStock(t, append(flags, "--key", key, "--storage", storage, "--connect", address)...)
		if warning := server.line(); !strings.Contains(warning, "fork 0, length 20, ") || !strings.Contains(warning, "fork 0, length 25, ") {
			t.Errorf("hc-serve says %q", warning)
		}
		_, stderr := sh(t, old, 7, "echo x | hc-append --raw log")
		if !strings.Contains(stderr, "hc doctor "+key) {
			t.Errorf("stderr: %q", stderr)
		}
		sh(t, old, 0, "hc doctor log --adopt --peer "+serve(t, now)+" && echo x | hc-append --raw log")
	})
}
