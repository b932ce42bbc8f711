package hyperbee

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vectorBlocks returns all of stock's blocks that are changes.
func vectorBlocks(t testing.TB) [][]byte {
	t.Helper()
	files, err := filepath.Glob("../../tests/vectors/drive-*.json")
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d struct{ Metadata struct{ Blocks []string } }
		if err := json.Unmarshal(data, &d); err != nil {
			t.Fatal(err)
		}
		for _, s := range d.Metadata.Blocks[min(1, len(d.Metadata.Blocks)):] {
			b, err := hex.DecodeString(s)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b)
		}
	}
	if len(all) < 600 {
		t.Fatalf("only %d blocks", len(all))
	}
	return all
}

// again encodes the decoded block.
func (b *block) again() ([]byte, error) {
	var levels [][]byte
	for offset := range b.levels {
		n, err := b.node(uint64(offset))
		if err != nil {
			return nil, err
		}
		levels = append(levels, n.encode())
	}
	return encodeBlock(levels, b.key, b.value), nil
}

func TestBlocksEncodeAsTheyWere(t *testing.T) {
	for _, data := range vectorBlocks(t) {
		b, err := decodeBlock(1, data)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := b.again(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%x became %x: %v", data, again, err)
		}
	}
}

func TestNothingIsNoEmptyValue(t *testing.T) {
	for _, value := range [][]byte{nil, {}, {1}} {
		b, err := decodeBlock(1, encodeBlock(nil, []byte("k"), value))
		if err != nil || (b.value == nil) != (value == nil) || !bytes.Equal(b.value, value) {
			t.Errorf("value %v became %v: %v", value, b, err)
		}
	}
}

func TestBadBlocksAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ hex, want string }{
		"empty":                     {"", "no index"},
		"no index":                  {"12016b", "no index"},
		"no key":                    {"0a00", "no key"},
		"two keys":                  {"0a0012016b12016c", "twice"},
		"two indexes":               {"0a000a0012016b", "twice"},
		"key is a number":           {"0a00100a", "wire type 0"},
		"value is 4 bytes":          {"0a0012016b1d00000000", "wire type 5"},
		"length beyond the end":     {"0a0012056b", "beyond its end"},
		"length of 2^63":            {"0a0012ffffffffffffffff7f6b", "beyond its end"},
		"tag cut off":               {"0a0012016bff", "cut off"},
		"number of 11 bytes":        {"0a0012016b20ffffffffffffffffffff01", "cut off or too long"},
		"a group":                   {"0a0012016b23", "wire type 3"},
		"field number 0":            {"0a0012016b0200", "number 0"},
		"unknown fixed64 cut off":   {"0a0012016b2100", "beyond its end"},
		"level beyond the index":    {"0a020a0512016b", "beyond its end"},
		"level is a number":         {"0a02080512016b", "wire type 0"},
		"over the limit of a block": {"0a0012" + "808080" + "08" + strings.Repeat("00", 16<<20), "over the limit"},
	} {
		data, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		_, err = decodeBlock(7, data)
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "block 7") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadNodesAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ level, want string }{
		"nine keys":            {"0a09010101010101010101", "more than 8 keys"},
		"ten children":         {"1214" + strings.Repeat("0100", 10), "more than 9 children"},
		"odd children":         {"0a0101" + "1203010001", "without its place"},
		"a key cut off":        {"0a01ff", "cut off"},
		"a child cut off":      {"12020180", "cut off"},
		"keys as one number":   {"0801", "wire type 0"},
		"keys twice":           {"0a01010a0101", "twice"},
		"too few children":     {"0a020101" + "12020100", "1 children beside 2 keys"},
		"too many children":    {"0a0101" + "1206010001000100", "3 children beside 1 keys"},
		"children but no keys": {"12020100", "no keys"},
		"no keys":              {"", "no keys"},
		"key in the header":    {"0a0100", "key in block 0"},
		"key in the future":    {"0a0108", "key in block 8"},
		"child in the header":  {"0a0101" + "120401000000", "child in block 0"},
		"child in the future":  {"0a0101" + "120401000800", "child in block 8"},
	} {
		level, err := hex.DecodeString(c.level)
		if err != nil {
			t.Fatal(err)
		}
		b, err := decodeBlock(7, encodeBlock([][]byte{nil, level}, []byte("k"), nil))
		if err != nil {
			t.Fatal(name, err)
		}
		n, err := b.node(1)
		if err == nil {
			err = n.check(pointer{7, 1}, false)
		}
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "block 7: node 1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, err := decodeBlock(7, encodeBlock([][]byte{nil}, []byte("k"), nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.node(1); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "node 1 of 1") {
		t.Errorf("a node beyond the block's: %v", err)
	}
	if n, err := b.node(0); err != nil || n.check(pointer{7, 0}, true) != nil {
		t.Errorf("an empty root: %v", err)
	}
}

func TestUnknownFieldsAreSkipped(t *testing.T) {
	level := "0a0101" + "1a0177" + "2005" + "2d00000000"
	data, err := hex.DecodeString("0a0f" + "0a0d" + level + "12016b" + "310000000000000000" + "3a0177")
	if err != nil {
		t.Fatal(err)
	}
	b, err := decodeBlock(1, data)
	if err != nil {
		t.Fatal(err)
	}
	n, err := b.node(0)
	if err != nil || n.keyCount != 1 || string(b.key) != "k" {
		t.Errorf("%+v, %+v, %v", b, n, err)
	}
}

func FuzzBlock(f *testing.F) {
	for i, b := range vectorBlocks(f) {
		if i%20 == 0 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeBlock(9, data)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		again, err := b.again()
		if err != nil {
			return
		}
		c, err := decodeBlock(9, again)
		if err != nil {
			t.Fatalf("%x, encoded again %x: %v", data, again, err)
		}
		if third, err := c.again(); err != nil || !bytes.Equal(third, again) {
			t.Fatalf("%x became %x: %v", again, third, err)
		}
	})
}

// TestCacheIsBounded puts many blocks and holds few.
func TestCacheIsBounded(t *testing.T) {
	c := newCache()
	for seq := range uint64(1000) {
		c.put(&block{seq: seq, size: 100 << 10})
	}
	c.put(&block{seq: 5000, size: cacheBlock})
	if c.bytes > cacheBytes || c.bytes < cacheBytes/2 || len(c.items) != c.order.Len() {
		t.Errorf("%d bytes in %d blocks", c.bytes, len(c.items))
	}
	if c.get(999) == nil || c.get(0) != nil || c.get(5000) != nil {
		t.Error("the cache holds the wrong blocks")
	}
}
