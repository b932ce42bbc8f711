// Command nextversion compares two versions of a folder: scripts/bench-versions.sh is made of it.
//
//	nextversion count OLD NEW
//	nextversion apply OLD NEW FOLDER
//
// count prints one JSON object: how many files NEW has, and of how many bytes; how many of them OLD lacks, or has with other
// content; the chunks of NEW, cut as in an import of a folder; those of them that OLD does not have anywhere, each counted
// once, and their bytes; and how many bytes these are when they are compressed as the store compresses blocks, one after the
// other, in runs of up to 256 KiB.
//
// apply turns FOLDER, which is like OLD, into NEW, as a checkout does: unchanged files are not touched.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"hc/lib/chunk"
	"hc/lib/hash"
)

// runSize is the store's limit for blocks that are compressed together.
const runSize = 256 << 10

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "nextversion:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 3 && args[0] == "count" {
		counts, err := count(args[1], args[2])
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(counts)
	}
	if len(args) == 4 && args[0] == "apply" {
		return apply(args[1], args[2], args[3])
	}
	return errors.New("usage: nextversion count OLD NEW, or nextversion apply OLD NEW FOLDER")
}

// files calls each for every file of a folder, in the order of their names. Anything except files and folders is an error.
func files(root string, each func(name string) error) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%q is neither a file nor a folder", path)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return each(name)
	})
}

type counts struct {
	Files      int   `json:"files"`
	Bytes      int64 `json:"bytes"`
	Changed    int   `json:"changed"`
	Chunks     int   `json:"chunks"`
	New        int   `json:"new"`
	NewBytes   int64 `json:"new_bytes"`
	Compressed int64 `json:"compressed"`
}

func count(older, newer string) (counts, error) {
	have := map[hash.Digest]bool{}
	if err := files(older, func(name string) error {
		return chunks(filepath.Join(older, name), func(block []byte) error {
			have[hash.Leaf(block)] = true
			return nil
		})
	}); err != nil {
		return counts{}, err
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		return counts{}, err
	}
	defer encoder.Close()
	var c counts
	var pending []byte
	flush := func() {
		c.Compressed += int64(min(len(pending), len(encoder.EncodeAll(pending, nil))))
		pending = pending[:0]
	}
	if err := files(newer, func(name string) error {
		c.Files++
		same, err := sameContent(filepath.Join(older, name), filepath.Join(newer, name))
		if err != nil {
			return err
		}
		if !same {
			c.Changed++
		}
		return chunks(filepath.Join(newer, name), func(block []byte) error {
			c.Chunks++
			c.Bytes += int64(len(block))
			leaf := hash.Leaf(block)
			if have[leaf] {
				return nil
			}
			have[leaf] = true
			c.New++
			c.NewBytes += int64(len(block))
			if len(pending)+len(block) > runSize {
				flush()
			}
			pending = append(pending, block...)
			return nil
		})
	}); err != nil {
		return counts{}, err
	}
	flush()
	return c, nil
}

// chunks calls each for every chunk of a file.
func chunks(path string, each func(block []byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	cutter, err := chunk.NewRabin(chunk.Limits{})
	if err != nil {
		return err
	}
	c := chunk.New(f, cutter, 0)
	for {
		block, err := c.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cutting %q: %w", path, err)
		}
		if err := each(block); err != nil {
			return err
		}
	}
}

// sameContent reports whether both files are there, with the same content.
func sameContent(one, other string) (bool, error) {
	a, err := os.Open(one)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, err := os.Open(other)
	if err != nil {
		return false, err
	}
	defer b.Close()
	ofA, ofB := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errA := io.ReadFull(a, ofA)
		m, errB := io.ReadFull(b, ofB)
		if !bytes.Equal(ofA[:n], ofB[:m]) {
			return false, nil
		}
		if errA == nil && errB == nil {
			continue
		}
		return true, errors.Join(unlessEnd(errA), unlessEnd(errB))
	}
}

func unlessEnd(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

func apply(older, newer, folder string) error {
	if err := files(newer, func(name string) error {
		same, err := sameContent(filepath.Join(older, name), filepath.Join(newer, name))
		if err != nil || same {
			return err
		}
		return replace(filepath.Join(newer, name), filepath.Join(folder, name))
	}); err != nil {
		return err
	}
	return files(older, func(name string) error {
		if _, err := os.Lstat(filepath.Join(newer, name)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		gone := filepath.Join(folder, name)
		if err := os.Remove(gone); err != nil {
			return err
		}
		for dir := filepath.Dir(gone); os.Remove(dir) == nil; dir = filepath.Dir(dir) { // while they are empty
		}
		return nil
	})
}

// replace copies a file and moves the copy where it belongs.
func replace(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to+".new", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Rename(to+".new", to)
}
