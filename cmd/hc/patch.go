package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"hc/lib/cli"
	"hc/lib/drive"
	"hc/lib/hyperdrive"
	"hc/lib/merkle"
	"hc/lib/store"
)

// mostPatch is how many bytes a region may have to be shown as lines.
const mostPatch = 256 << 10

// printPatch prints where a file's chunks differ between two versions, and what changed in lines of text.
func printPatch(ctx context.Context, out io.Writer, before, after *drive.Drive, change drive.Change) error {
	compared := drive.NewComparison(func(region drive.Region) error {
		if _, err := fmt.Fprintf(out, "  @@ %s -> %s @@\n", extent(region.Old), extent(region.New)); err != nil {
			return err
		}
		return printLines(ctx, out, before, after, region)
	})
	err := eachChunk(ctx, before, change.Old, compared.Old)
	if errors.Is(err, drive.ErrManyChunks) {
		_, err = fmt.Fprintf(out, "  (not compared: the version before has %v)\n", err)
		return err
	}
	if err == nil {
		err = eachChunk(ctx, after, change.New, compared.New)
	}
	if err != nil {
		return err
	}
	return compared.End()
}

// eachChunk hands on the chunks of one side of a change; those of a file whose tree is not here are not known.
func eachChunk(ctx context.Context, d *drive.Drive, item *hyperdrive.Item, each func(drive.Chunk) error) error {
	if item == nil || item.Err != nil {
		return nil
	}
	err := d.EachChunk(ctx, *item, each)
	if errors.Is(err, merkle.ErrNodeMissing) || errors.Is(err, store.ErrBlockMissing) || errors.Is(err, hyperdrive.ErrBehind) {
		return cli.Exitf(cli.ErrPartial, "%s: its blobs are not in this store: fetch the drive first", shown(item.Name))
	}
	return err
}

// extent describes chunks: which bytes, and how many chunks.
func extent(e drive.Extent) string {
	if e.Chunks == 0 {
		return "nothing"
	}
	return fmt.Sprintf("bytes %d-%d, %d chunks", e.Offset, e.Offset+e.Size-1, e.Chunks)
}

// printLines prints the lines that two regions of text do not share at their beginning and end.
func printLines(ctx context.Context, out io.Writer, before, after *drive.Drive, region drive.Region) error {
	old, ok, err := text(ctx, before, region.Old)
	if err != nil || !ok {
		return err
	}
	fresh, ok, err := text(ctx, after, region.New)
	if err != nil || !ok {
		return err
	}
	a, b := bytes.SplitAfter(old, []byte("\n")), bytes.SplitAfter(fresh, []byte("\n"))
	for len(a) > 0 && len(b) > 0 && bytes.Equal(a[0], b[0]) {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && bytes.Equal(a[len(a)-1], b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	for _, side := range []struct {
		sign  string
		lines [][]byte
	}{{"  -", a}, {"  +", b}} {
		for _, line := range side.lines {
			if len(line) == 0 {
				continue
			}
			if _, err := fmt.Fprintf(out, "%s%s\n", side.sign, bytes.TrimSuffix(line, []byte("\n"))); err != nil {
				return err
			}
		}
	}
	return nil
}

// text returns the bytes of chunks, and false where they are no text that a terminal takes, or too long.
func text(ctx context.Context, d *drive.Drive, e drive.Extent) ([]byte, bool, error) {
	if e.Size > mostPatch || !e.Whole() {
		return nil, false, nil
	}
	var b bytes.Buffer
	if err := d.ReadBlocks(ctx, e.Blocks, &b); err != nil {
		return nil, false, err
	}
	if !utf8.Valid(b.Bytes()) {
		return nil, false, nil
	}
	for _, r := range b.String() {
		if r < ' ' && r != '\n' && r != '\t' && r != '\r' || 0x7f <= r && r < 0xa0 {
			return nil, false, nil
		}
	}
	return b.Bytes(), true, nil
}
