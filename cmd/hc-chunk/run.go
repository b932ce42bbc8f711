package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"

	"hc/lib/chunk"
	"hc/lib/cli"
	"hc/lib/stream"
)

// outputBuffer is how many bytes are gathered before they are written.
const outputBuffer = 256 << 10

// yieldBytes is how many bytes are cut, usually in less than 10 ms, before the goroutine yields. No other one is waiting. But after 10 ms
// the runtime takes the processor away from a goroutine that waits for the system, as it does half of the time here, and for some time
// checks every 20 µs whether to do so again: that took a tenth of the processor time.
const yieldBytes = 4 << 20

// run does what opts say.
func run(ctx context.Context, std *cli.IO, opts options) error {
	if (opts.mode == writeStream || opts.mode == writeJoined) && !opts.folder.dryRun {
		if err := cli.RefuseTerminal(std, opts.force); err != nil {
			return cli.Hint(err, "or use --force")
		}
	}
	sources, err := findSources(opts)
	if err != nil {
		return err
	}
	if opts.folder.tar && (sources != nil || len(opts.files) > 1) {
		return cli.Usagef("--tar reads one tar: from a FILE, or else from standard input")
	}
	if !opts.folder.tar && sources == nil && opts.folder.set != "" {
		return cli.Usagef("--%s is for folders, and none is given", opts.folder.set)
	}
	var inputs []input
	if sources == nil {
		if inputs, err = findInputs(std, opts.files); err != nil {
			return err
		}
	}
	progress := cli.NewProgress(std, cli.ProgressOptions{Total: total(inputs), DataOut: true})
	defer progress.Done()
	seen := &stats{progress: progress}
	switch {
	case sources != nil:
		err = explainFolder(importFolder(ctx, std, opts, sources, seen))
	case opts.folder.tar:
		err = explainFolder(importTar(ctx, std, opts, inputs[0], seen))
	case opts.mode == writeJoined:
		err = join(ctx, std, inputs, seen)
	default:
		err = cut(ctx, std, opts, inputs, seen)
	}
	if errors.Is(err, chunk.ErrTooLong) {
		err = cli.Hint(err, "cut it with another --algorithm")
	}
	if err != nil {
		return err
	}
	progress.Done()
	if opts.stats {
		return seen.write(std)
	}
	return nil
}

// total returns the bytes of all inputs, 0 if one is not known.
func total(inputs []input) (sum int64) {
	for _, in := range inputs {
		if in.size == 0 {
			return 0
		}
		sum += in.size
	}
	return sum
}

// cut writes the chunks of the inputs, or what is asked about them.
func cut(ctx context.Context, std *cli.IO, opts options, inputs []input, seen *stats) (err error) {
	src := &source{ctx: ctx, std: std, inputs: inputs, cutter: opts.cutter}
	defer func() {
		if e := src.close(); err == nil {
			err = e
		}
	}()
	switch opts.mode {
	case writeList:
		err = list(ctx, std.Out, std.JSON, src, opts.largest, seen)
	case writeCuts:
		err = cuts(std.Out, std.JSON, src, seen)
	default:
		err = pack(std.Out, src, opts.lines, seen)
	}
	return err
}

// pack writes the chunks as a stream. If it fails the stream has no end.
func pack(out io.Writer, src *source, lines bool, seen *stats) error {
	w := stream.NewWriter(out)
	var n neighbours
	for yield := 0; ; {
		err := src.nextAll(&n)
		if err == io.EOF {
			return w.Close()
		}
		if err != nil {
			return err
		}
		if lines {
			err = putLines(w, n.chunks)
		} else {
			err = w.ChunksFrom(n.file, n.at, n.chunks...)
		}
		if err != nil {
			return err
		}
		for _, data := range n.chunks {
			seen.add(len(data))
			yield += len(data)
		}
		if yield >= yieldBytes {
			yield = 0
			runtime.Gosched()
		}
	}
}

func putLines(w *stream.Writer, lines [][]byte) error {
	for _, line := range lines {
		if err := w.Lines(line); err != nil {
			return err
		}
	}
	return nil
}

// cuts writes offset and length of each chunk.
func cuts(out io.Writer, json bool, src *source, seen *stats) error {
	w := bufio.NewWriterSize(out, outputBuffer)
	var line []byte
	for {
		data, offset, err := src.next()
		if err != nil {
			if e := w.Flush(); err == io.EOF {
				err = e
			}
			return err
		}
		if json {
			line = fmt.Appendf(line[:0], "{\"offset\":%d,\"length\":%d}\n", offset, len(data))
		} else {
			line = strconv.AppendUint(line[:0], offset, 10)
			line = strconv.AppendInt(append(line, ' '), int64(len(data)), 10)
			line = append(line, '\n')
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		seen.add(len(data))
	}
}

// join writes the bytes of the streams that the inputs are.
func join(ctx context.Context, std *cli.IO, inputs []input, seen *stats) error {
	w := bufio.NewWriterSize(std.Out, outputBuffer)
	for _, in := range inputs {
		if err := joinOne(ctx, std, w, in, seen); err != nil {
			if in.name != "-" {
				err = fmt.Errorf("reading %q: %w", in.name, err)
			}
			return err
		}
	}
	return w.Flush()
}

func joinOne(ctx context.Context, std *cli.IO, w io.Writer, in input, seen *stats) error {
	file, err := in.open(ctx, std)
	if err != nil {
		return err
	}
	defer file.Close() // only read from
	r := stream.NewReader(file)
	for {
		block, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := w.Write(block); err != nil {
			return err
		}
		seen.add(len(block))
	}
}
