package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func random(size int, seed byte) []byte {
	data := make([]byte, size)
	source := rand.NewChaCha8([32]byte{seed})
	_, _ = source.Read(data)
	return data
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

// stockReader starts a stock peer that reads a core from an address.
func stockReader(t *testing.T, key, address string, flags ...string) *stock {
	t.Helper()
	return startStock(t, append([]string{"--key", key, "--connect", address}, flags...)...)
}

func TestStockFetchesWhole(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		dir, data := t.TempDir(), random(2000*64, 1)
		key := publish(t, dir, "data", data, "--algorithm fixed --avg 64")
		reader := stockReader(t, key, serve(t, dir), flags...)
		got := reader.do("all", "all")
		if got.Length != 2000 || got.SHA256 != sum(data) || got.Contiguous != 2000 {
			t.Errorf("stock read %+v, want 2000 blocks of sha256 %s", got, sum(data))
		}
	})
}

func TestStockFetchesSparse(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		dir, data := t.TempDir(), random(2000*64, 2)
		key := publish(t, dir, "data", data, "--algorithm fixed --avg 64")
		reader := stockReader(t, key, serve(t, dir), flags...)
		for _, index := range rand.New(rand.NewPCG(1, 2)).Perm(2000)[:40] {
			got := reader.do("block", "get %d", index)
			if want := sum(data[index*64 : index*64+64]); got.SHA256 != want || got.Index != uint64(index) {
				t.Fatalf("block %d: stock read %+v, want sha256 %s", index, got, want)
			}
		}
		if info := reader.do("info", "info"); info.Contiguous >= 2000 || info.Length != 2000 {
			t.Errorf("stock has %+v: a few blocks were asked for, not all", info)
		}
		if got := reader.do("seek", "seek %d", 70*64+5); got.Index != 70 || got.Offset != 5 {
			t.Errorf("stock seeks byte %d to block %d, offset %d", 70*64+5, got.Index, got.Offset)
		}
	})
}

func TestFetchFromStock(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		for _, kind := range []string{"manifest", "compat"} {
			t.Run(kind, func(t *testing.T) {
				flags := append(flags, "--listen")
				if kind == "compat" {
					flags = append(flags, "--compat")
				}
				writer := startStock(t, flags...)
				data := random(2000*64, 3)
				file := filepath.Join(t.TempDir(), "data")
				if err := os.WriteFile(file, data, 0o600); err != nil {
					t.Fatal(err)
				}
				writer.do("appended", "file %s 64", file)
				key, dir := writer.Ready.Key, t.TempDir()

				got, _ := sh(t, dir, 0, fmt.Sprintf("hc-fetch %s --peer %s | hc-verify %s", key, writer.address(), key))
				if sum([]byte(got)) != sum(data) {
					t.Errorf("fetched %d bytes, not those of the core", len(got))
				}
				got, _ = sh(t, dir, 0, fmt.Sprintf("hc-fetch %s | hc-verify %s", key, key))
				if sum([]byte(got)) != sum(data) {
					t.Errorf("read %d bytes from the store, not those of the core", len(got))
				}
				sparse := t.TempDir()
				for _, block := range []int{1999, 0, 700, 3} {
					got, _ := sh(t, sparse, 0, fmt.Sprintf("hc-fetch %s --peer %s --blocks %d | hc-verify %s --blocks %d", key, writer.address(), block, key, block))
					if got != string(data[block*64:block*64+64]) {
						t.Errorf("block %d: fetched %d bytes, not those of the block", block, len(got))
					}
				}
				for _, part := range [][2]int{{0, 0}, {63, 64}, {1000, 90000}, {127999, 127999}} {
					got, _ := sh(t, t.TempDir(), 0, fmt.Sprintf("hc-fetch %s --peer %s --bytes %d-%d | hc-verify %s --bytes %d-%d", key, writer.address(), part[0], part[1], key, part[0], part[1]))
					if got != string(data[part[0]:part[1]+1]) {
						t.Errorf("bytes %v: fetched %d bytes, not those", part, len(got))
					}
				}
				sh(t, dir, 3, fmt.Sprintf("hc-fetch %s --blocks 1990-2010 | hc-verify %s --blocks 1990-2010", key, key))
			})
		}
	})
}

func TestOneBlock(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		dir := t.TempDir()
		out, _ := sh(t, dir, 0, "echo 'one item' | hc-append --raw notes")
		key := strings.Fields(out)[0]
		reader := stockReader(t, key, serve(t, dir), flags...)
		if got := reader.do("all", "all"); got.SHA256 != sum([]byte("one item\n")) || got.Length != 1 {
			t.Errorf("stock read %+v", got)
		}
		writer := startStock(t, append(flags, "--listen")...)
		writer.do("appended", "text one item")
		got, _ := sh(t, t.TempDir(), 0, fmt.Sprintf("hc-fetch %s --peer %s | hc-verify %s", writer.Ready.Key, writer.address(), writer.Ready.Key))
		if got != "one item" {
			t.Errorf("fetched %q", got)
		}
	})
}

func TestEmptyCore(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		dir := t.TempDir()
		out, _ := sh(t, dir, 0, "hc-chunk < /dev/null | hc-append empty")
		key, length, _ := strings.Cut(strings.TrimSpace(out), " ")
		if length != "0" {
			t.Errorf("hc-append printed %q", out)
		}
		address := serve(t, dir)
		reader := stockReader(t, key, address, flags...)
		if info := reader.do("info", "info"); info.Length != 0 {
			t.Errorf("stock has %+v of an empty core", info)
		}
		// The first block reaches a reader that was there before it.
		sh(t, dir, 0, "echo first | hc-append --raw empty")
		if got := reader.do("block", "get 0"); got.SHA256 != sum([]byte("first\n")) {
			t.Errorf("stock read %+v", got)
		}
		writer := startStock(t, append(flags, "--listen")...)
		sh(t, t.TempDir(), 3, fmt.Sprintf("hc-fetch %s --peer %s | hc-verify %s", writer.Ready.Key, writer.address(), writer.Ready.Key))
	})
}

func TestLargeBlock(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		const size = 15 << 20
		dir, data := t.TempDir(), random(size, 4)
		file := filepath.Join(dir, "data")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		out, _ := sh(t, dir, 0, "hc-append --raw large < data")
		reader := stockReader(t, strings.Fields(out)[0], serve(t, dir), flags...)
		if got := reader.do("all", "all"); got.SHA256 != sum(data) {
			t.Errorf("stock read %+v", got)
		}
		writer := startStock(t, append(flags, "--listen")...)
		writer.do("appended", "file %s %d", file, size)
		got, _ := sh(t, t.TempDir(), 0, fmt.Sprintf("hc-fetch %s --peer %s | hc-verify %s", writer.Ready.Key, writer.address(), writer.Ready.Key))
		if !bytes.Equal([]byte(got), data) {
			t.Errorf("fetched %d bytes, not those of the block", len(got))
		}
	})
}

// An append at either end is always verified at the other, usually within 500 ms, 20 times in a row.
func TestLiveFromUsToStock(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		dir := t.TempDir()
		out, _ := sh(t, dir, 0, "echo line 0 | hc-append --lines events")
		reader := stockReader(t, strings.Fields(out)[0], serve(t, dir), flags...)
		reader.do("block", "get 0")
		var took []time.Duration
		for i := 1; i <= 20; i++ {
			reader.say("get %d", i) // it waits for the block
			sh(t, dir, 0, fmt.Sprintf("echo line %d | hc-append --raw events", i))
			appended := time.Now()
			got := reader.wait("block", func(event) bool { return true })
			if got.SHA256 != sum(fmt.Appendf(nil, "line %d\n", i)) {
				t.Fatalf("line %d: stock read %+v", i, got)
			}
			took = append(took, time.UnixMilli(got.At).Sub(appended))
		}
		prompt(t, "lines were verified", took)
	})
}

func TestLiveFromStockToUs(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		writer := startStock(t, append(flags, "--listen")...)
		writer.do("appended", "append 1 64")
		key := writer.Ready.Key
		p := background(t, t.TempDir(), fmt.Sprintf("hc-fetch %s --peer %s --live --blocks 1- | hc-verify %s --blocks 1-", key, writer.address(), key))
		var took []time.Duration
		for i := 1; i <= 20; i++ {
			appended := writer.do("appended", "line number %d", i).At
			if got, want := p.line(), fmt.Sprintf("number %d", i); got != want {
				t.Fatalf("line %q, want %q", got, want)
			}
			took = append(took, time.Since(time.UnixMilli(appended)))
		}
		prompt(t, "blocks were verified", took)
	})
}

// A core whose key is its plain public key, without a manifest, is stock's older kind.
func TestStockFetchesCompat(t *testing.T) {
	versions(t, func(t *testing.T, flags ...string) {
		dir := t.TempDir()
		out, _ := sh(t, dir, 0, "seq 500 | hc-append --lines --compat numbers")
		reader := stockReader(t, strings.Fields(out)[0], serve(t, dir), flags...)
		want, _ := sh(t, dir, 0, "seq 500")
		if got := reader.do("all", "all"); got.Length != 500 || got.SHA256 != sum([]byte(want)) {
			t.Errorf("stock read %+v", got)
		}
	})
}

// What a proof file brought into a store is served to stock.
func TestCarriedProofIsServedOn(t *testing.T) {
	dir, carried := t.TempDir(), t.TempDir()
	data := random(6<<20, 12)
	key := publish(t, dir, "data", data, "")
	sh(t, dir, 0, fmt.Sprintf("hc-fetch -C %s/.hc %s > usb.proof", dir, key))
	out, _ := sh(t, carried, 0, fmt.Sprintf("hc-verify %s --store < %s/usb.proof", key, dir))
	if !bytes.Equal([]byte(out), data) {
		t.Errorf("verified %d bytes, not those of the log", len(out))
	}
	versions(t, func(t *testing.T, flags ...string) {
		reader := stockReader(t, key, serve(t, carried), flags...)
		if got := reader.do("all", "all"); got.SHA256 != sum(data) {
			t.Errorf("stock read %+v", got)
		}
	})
	if out, _ := sh(t, carried, 0, "hc-fetch "+key+" | hc-verify "+key+" | sha256sum"); !strings.HasPrefix(out, sum(data)) {
		t.Errorf("read %s from the store", out)
	}
}
