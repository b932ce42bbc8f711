package hyperdrive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"sync"

	hchash "hc/lib/hash"
)

// Blobs reads the blobs core. Its blocks are verified.
type Blobs interface {
	// Length returns the number of blocks.
	Length() uint64
	// Blocks calls each with count blocks from first on, all of which must be below Length, in order. data is valid
	// until each returns. It returns the first error of each, or why a block is unavailable.
	Blocks(ctx context.Context, first, count uint64, each func(index uint64, data []byte) error) error
	// ByteOffset returns the number of bytes before a block, which must be below Length.
	ByteOffset(ctx context.Context, block uint64) (uint64, error)
}

// Content writes a file's bytes. It returns ErrNotFile for an item that is no file, ErrBehind for a file whose blocks
// are beyond the blobs' end, and ErrContent if the blobs do not match the entry; of a plain file it has then written
// at most as many bytes as the entry says. The entry's sha256, if it has one, can only be checked at the end: the
// output counts once Content has returned nil.
func Content(ctx context.Context, blobs Blobs, item Item, w io.Writer) error {
	return ofFile(item, func(blob Blob) error {
		meta := ParseMeta(item.Entry.Metadata)
		out := &contentWriter{}
		if meta.SHA256 != nil {
			out.digest = hchash.NewSHA256()
		}
		err := gathered(w, func(w io.Writer) error {
			out.w = w
			return copyContent(ctx, blobs, blob, meta, out)
		})
		if err != nil {
			return err
		}
		if meta.SHA256 != nil && [32]byte(out.digest.Sum(nil)) != *meta.SHA256 {
			return fmt.Errorf("%w: its sha256 is %x, the entry says %x", ErrContent, out.digest.Sum(nil), *meta.SHA256)
		}
		return nil
	})
}

func copyContent(ctx context.Context, blobs Blobs, blob Blob, meta Meta, out *contentWriter) error {
	if !blob.Map || blob.Empty() {
		return readRun(ctx, blobs, blob, out.write)
	}
	size := uint64(math.MaxUint64)
	if meta.HasSize {
		size = meta.Size
	}
	err := readMap(ctx, blobs, blob, func(pieces []Piece) error {
		return readPieces(ctx, blobs, pieces, func(data []byte) error {
			if uint64(len(data)) > size-out.written {
				return fmt.Errorf("%w: it has more than the %d bytes that the entry says", ErrContent, size)
			}
			return out.write(data)
		})
	})
	if err == nil && meta.HasSize && out.written != size {
		err = fmt.Errorf("%w: it has %d bytes, the entry says %d", ErrContent, out.written, size)
	}
	return err
}

// gatherers are free buffers for [gathered].
var gatherers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 16<<10) }}

// gathered joins small writes to w into larger ones: the blocks of a file may be lines.
func gathered(w io.Writer, write func(w io.Writer) error) error {
	out := gatherers.Get().(*bufio.Writer)
	out.Reset(w)
	defer func() {
		out.Reset(nil)
		gatherers.Put(out)
	}()
	err := write(out)
	if e := out.Flush(); err == nil {
		err = e
	}
	return err
}

type contentWriter struct {
	w       io.Writer
	digest  hash.Hash // nil: none
	written uint64
}

func (c *contentWriter) write(data []byte) error {
	if c.digest != nil {
		c.digest.Write(data)
	}
	c.written += uint64(len(data))
	_, err := c.w.Write(data)
	return err
}

// Pieces calls each with the pieces of a mapped file, one map block at a time. For any other file it does nothing.
func Pieces(ctx context.Context, blobs Blobs, item Item, each func(pieces []Piece) error) error {
	if blob := item.Entry.Blob; item.Err != nil || blob == nil || !blob.Map || blob.Empty() {
		return nil
	}
	return ofFile(item, func(blob Blob) error { return readMap(ctx, blobs, blob, each) })
}

// maxBlock is stock's limit for a block, in bytes.
const maxBlock = 15 << 20

// ContentRange writes the bytes from (included) to to (not included) of a file, or as many of them as the file has.
// It does not check what it does not read: the rest of the content, and its sha256; in a mapped file it relies on the
// map's lengths.
func ContentRange(ctx context.Context, blobs Blobs, item Item, from, to uint64, w io.Writer) error {
	return ofFile(item, func(blob Blob) error {
		if blob.Empty() || from >= to {
			return nil
		}
		return gathered(w, func(w io.Writer) error {
			cut := &cutter{out: w, skip: from, left: to - from}
			err := cut.copy(ctx, blobs, blob, from, to)
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		})
	})
}

func (c *cutter) copy(ctx context.Context, blobs Blobs, blob Blob, from, to uint64) error {
	if blob.Map {
		return readMap(ctx, blobs, blob, func(pieces []Piece) error {
			for len(pieces) > 0 && pieces[0].Length <= c.skip {
				c.skip -= pieces[0].Length
				pieces = pieces[1:]
			}
			return readPieces(ctx, blobs, pieces, c.write)
		})
	}
	if err := checkRun(ctx, blobs, blob); err != nil || from >= blob.ByteLength {
		return err
	}
	c.left = min(to, blob.ByteLength) - from
	first, offset, err := findByte(ctx, blobs, blob, from)
	if err != nil {
		return err
	}
	c.skip = from - offset
	err = blobs.Blocks(ctx, first, blob.end()-first, func(_ uint64, data []byte) error { return c.write(data) })
	if err == nil {
		err = fmt.Errorf("%w: its blocks end before byte %d", ErrContent, min(to, blob.ByteLength))
	}
	return err
}

// findByte returns the block of a run that holds a byte of it, and that block's offset within the run.
func findByte(ctx context.Context, blobs Blobs, blob Blob, at uint64) (block, offset uint64, err error) {
	low, high := blob.BlockOffset, blob.end() // low <= block < high
	for high-low > 1 {
		middle := low + (high-low)/2
		start, err := blobs.ByteOffset(ctx, middle)
		if err != nil {
			return 0, 0, err
		}
		if start-blob.ByteOffset <= at {
			low, offset = middle, start-blob.ByteOffset
		} else {
			high = middle
		}
	}
	return low, offset, nil
}

// errEnough stops the reading of blocks after the last wanted byte.
var errEnough = errors.New("internal error: all bytes were written")

// cutter passes on a part of the bytes written to it.
type cutter struct {
	out        io.Writer
	skip, left uint64 // bytes
}

func (c *cutter) write(data []byte) error {
	skipped := min(c.skip, uint64(len(data)))
	c.skip -= skipped
	data = data[skipped:]
	data = data[:min(c.left, uint64(len(data)))]
	c.left -= uint64(len(data))
	if _, err := c.out.Write(data); err != nil {
		return err
	}
	if c.left == 0 {
		return errEnough
	}
	return nil
}

// ofFile calls with if the item is a file, and names the file in the error.
func ofFile(item Item, with func(Blob) error) (err error) {
	switch {
	case item.Err != nil:
		return item.Err
	case item.Entry.Link != nil:
		err = fmt.Errorf("%w: it is a link to %q", ErrNotFile, abbreviate(*item.Entry.Link))
	case item.Entry.Blob == nil:
		err = ErrNotFile
	default:
		err = with(*item.Entry.Blob)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", abbreviate(item.Name), err)
	}
	return nil
}

// checkRun checks that a run is where its entry says, before anything is read.
func checkRun(ctx context.Context, blobs Blobs, blob Blob) error {
	if length := blobs.Length(); blob.end() > length {
		return fmt.Errorf("%w: it ends %d blocks into the blobs, which have %d", ErrBehind, blob.end(), length)
	}
	offset, err := blobs.ByteOffset(ctx, blob.BlockOffset)
	if err == nil && offset != blob.ByteOffset {
		err = fmt.Errorf("%w: it begins at byte %d of the blobs, the entry says %d", ErrContent, offset, blob.ByteOffset)
	}
	return err
}

// readRun calls each with the blocks of a run, which must have as many bytes as the entry says.
func readRun(ctx context.Context, blobs Blobs, blob Blob, each func(data []byte) error) error {
	if blob.Empty() {
		return nil
	}
	if err := checkRun(ctx, blobs, blob); err != nil {
		return err
	}
	left := blob.ByteLength
	err := blobs.Blocks(ctx, blob.BlockOffset, blob.BlockLength, func(_ uint64, data []byte) error {
		if uint64(len(data)) > left {
			return fmt.Errorf("%w: its blocks have more than the %d bytes that the entry says", ErrContent, blob.ByteLength)
		}
		left -= uint64(len(data))
		return each(data)
	})
	if err == nil && left > 0 {
		err = fmt.Errorf("%w: its blocks have %d bytes, the entry says %d", ErrContent, blob.ByteLength-left, blob.ByteLength)
	}
	return err
}

// readMap calls each with the pieces of a mapped file, one map block at a time.
func readMap(ctx context.Context, blobs Blobs, blob Blob, each func(pieces []Piece) error) error {
	if blob.BlockLength > MaxMapBlocks {
		return fmt.Errorf("%w: a map of %d blocks is over the limit of %d", ErrContent, blob.BlockLength, MaxMapBlocks)
	}
	if err := checkRun(ctx, blobs, blob); err != nil {
		return err
	}
	left, count := blob.ByteLength, 0
	for i := range blob.BlockLength {
		var pieces []Piece
		err := blobs.Blocks(ctx, blob.BlockOffset+i, 1, func(_ uint64, data []byte) (err error) {
			if uint64(len(data)) > left || i == blob.BlockLength-1 && uint64(len(data)) < left {
				return fmt.Errorf("%w: its map does not have the %d bytes that the entry says", ErrContent, blob.ByteLength)
			}
			left -= uint64(len(data))
			if len(data) == 0 { // readers skip empty blocks, see the format
				return nil
			}
			pieces, err = DecodeMap(data)
			return err
		})
		if count += len(pieces); err == nil && count > MaxPieces {
			err = fmt.Errorf("%w: a map of more than %d pieces", ErrContent, MaxPieces)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = each(pieces)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readPieces calls each with the blocks of pieces, whose lengths must be those in the map.
func readPieces(ctx context.Context, blobs Blobs, pieces []Piece, each func(data []byte) error) error {
	for _, run := range Runs(pieces) {
		if length := blobs.Length(); run.First+run.Count > length { // the map came later than the blocks that it lists
			return fmt.Errorf("%w: its map lists block %d, the blobs have %d", ErrContent, run.First+run.Count-1, length)
		}
		next := pieces[:run.Count]
		pieces = pieces[run.Count:]
		err := blobs.Blocks(ctx, run.First, run.Count, func(index uint64, data []byte) error {
			if uint64(len(data)) != next[0].Length {
				return fmt.Errorf("%w: block %d has %d bytes, its map says %d", ErrContent, index, len(data), next[0].Length)
			}
			next = next[1:]
			return each(data)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
