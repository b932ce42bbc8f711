package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"hc/lib/cli"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// run verifies standard input.
func (j job) run(ctx context.Context, std *cli.IO) (err error) {
	if err := cli.RefuseTyped(std, "hc-fetch KEY | hc-verify KEY"); err != nil {
		return err
	}
	progress := cli.NewProgress(std, cli.ProgressOptions{DataOut: true})
	defer progress.Done()
	j.options.Progress = func(bytes, blocks uint64) { progress.Add(int64(bytes), int64(blocks)) }

	words := bufio.NewWriterSize(std.Out, 1<<16)
	var files *files
	sinks := sinks{&watcher{job: j, std: std, progress: progress}}
	var explained *explanation
	switch {
	case j.list:
		sinks = append(sinks, &list{out: words, json: std.JSON})
	case j.explain:
		explained = &explanation{given: j.given}
		sinks = append(sinks, explained)
	case j.names:
		j.options.Names = func(item hyperdrive.Item) error { return writeName(words, item, std.JSON) }
	case j.folder != "":
		words.Reset(cli.DataOut(std, j.force))
		files = newFiles(j, std, words)
		j.options.Files = files
	case j.isPath():
		words.Reset(cli.DataOut(std, j.force)) // blocks may be small
		j.options.Out = words
	default:
		j.options.Out = cli.DataOut(std, j.force)
	}
	finish := func() error { return nil }
	if j.keep {
		in, err := store.Open(ctx, j.dir, store.Options{Create: true, Late: true})
		if err != nil {
			return err
		}
		defer in.Close()
		keeper := hypercore.NewKeepers(ctx, in)
		sinks = append(sinks, keeper)
		finish = keeper.Close
	}

	sum, err := proof.Verify(ctx, std.In, j.options, sinks)
	if finishErr := finish(); err == nil { // what was verified before an error is kept, too
		err = finishErr
	}
	if err == nil && files != nil {
		err = files.end()
	}
	if sum.Heads > 0 && explained != nil {
		explained.write(words, sum)
	}
	if err == nil && sum.Claim.Kind == proof.KindHead && !j.list && !j.explain {
		err = writeHead(words, sum, std.JSON)
	}
	if flushErr := words.Flush(); err == nil {
		err = flushErr
	}
	if errors.Is(err, hyperdrive.ErrNotDrive) {
		kind, _, _ := strings.Cut(sum.Claim.String(), " ")
		return cli.Hint(err, fmt.Sprintf("leave out --%s, and the same of hc-fetch", kind))
	}
	return hint(err, sum.Key)
}

// writeHead writes a head as it can be cited.
func writeHead(w io.Writer, sum proof.Summary, json bool) error {
	ref := keys.Ref{Key: sum.Key, Pinned: true, Fork: sum.Head.Fork, Length: sum.Head.Length}
	if sum.Claim.At != nil {
		ref.Length = *sum.Claim.At
	}
	tree := ""
	if sum.TreeHash != ([32]byte{}) {
		ref.TreeHash = &sum.TreeHash
		tree = sum.TreeHash.String()
	}
	if !json {
		_, err := fmt.Fprintln(w, ref)
		return err
	}
	return cli.WriteJSON(w, struct {
		Key      string `json:"key"`
		Fork     uint64 `json:"fork"`
		Length   uint64 `json:"length"`
		TreeHash string `json:"tree_hash,omitempty"` // not certain of a version before the head
		Cite     string `json:"cite"`
	}{sum.Key.String(), ref.Fork, ref.Length, tree, ref.String()})
}

// hint adds to an error what to do next.
func hint(err error, key keys.Key) error {
	var claim *proof.ClaimError
	var at *proof.FrameError
	var other *proof.NotProofError
	switch {
	case errors.As(err, &other):
		err = cli.Exitf(proof.ErrUnverified, "the input is not an hc-proof stream (it begins with %q)", other.Begins)
		if strings.HasPrefix(other.Begins, "hc-stream/") {
			return cli.Hint(err, "hc-append takes it, and hc-fetch makes a proof")
		}
		return cli.Hint(err, "hc-fetch makes one")
	case errors.Is(err, proof.ErrCut) && errors.As(err, &at) && at.Offset == 0:
		return cli.Exitf(proof.ErrPartial, "the input is empty: see the error of the command before it")
	case errors.As(err, &claim):
		c := claim.Claim
		word := key.String()
		if c.At != nil {
			word = fmt.Sprintf("FORK.%d.%v", *c.At, key)
			c.At = nil
		}
		if c.Kind == proof.KindAll {
			return cli.Hint(err, "if that is what you want, run hc-verify "+word)
		}
		kind, what, _ := strings.Cut(c.String(), " ")
		if c.Kind == proof.KindTree {
			what += " --tar"
		}
		return cli.Hint(err, strings.TrimRight("if that is what you want, run hc-verify "+word+" --"+kind+" "+what, " "))
	case errors.Is(err, proof.ErrCut):
		return cli.Hint(err, "what came is verified; run the same hc-fetch again, which continues from what it has")
	}
	return err
}

// sinks is a sink that passes everything to several, in order.
type sinks []proof.GroupSink

func (s sinks) each(call func(proof.GroupSink) error) error {
	for _, sink := range s {
		if err := call(sink); err != nil {
			return err
		}
	}
	return nil
}

func (s sinks) Core(key keys.Key, manifest []byte) error {
	return s.each(func(to proof.GroupSink) error { return to.Core(key, manifest) })
}

func (s sinks) Head(head proof.Head, roots []merkle.Node) error {
	return s.each(func(to proof.GroupSink) error { return to.Head(head, roots) })
}

func (s sinks) Group(g *proof.Group) error {
	return s.each(func(to proof.GroupSink) error { return to.Group(g) })
}

func (s sinks) Nodes([]merkle.Node) error            { return nil } // Group is called instead
func (s sinks) Block(uint64, []byte, int, int) error { return nil }

// groups is embedded by sinks of which only Group is called.
type groups struct{}

func (groups) Core(keys.Key, []byte) error          { return nil }
func (groups) Head(proof.Head, []merkle.Node) error { return nil }
func (groups) Nodes([]merkle.Node) error            { return nil }
func (groups) Block(uint64, []byte, int, int) error { return nil }
func (groups) Group(*proof.Group) error             { return nil }

// watcher reports on the stream while it comes.
type watcher struct {
	groups
	told     bool
	job      job
	std      *cli.IO
	progress *cli.Progress
}

func (w *watcher) Core(key keys.Key, _ []byte) error {
	if !w.job.given && !w.told {
		w.told = true
		w.std.Notef("no KEY was given: trusting the stream's own, %v", key)
	}
	return nil
}

func (w *watcher) Head(head proof.Head, _ []merkle.Node) error {
	if w.job.options.Claim == nil && !w.job.options.AnyClaim {
		w.progress.SetTotal(int64(head.ByteLength))
	}
	w.std.Log.Info("head verified", "fork", head.Fork, "length", head.Length, "bytes", head.ByteLength)
	return nil
}

// list writes a line for each block.
type list struct {
	groups
	out  *bufio.Writer
	json bool
}

func (l *list) Group(g *proof.Group) error {
	offset := g.Offset
	for i, b := range g.Blocks {
		err := l.line(g.First+uint64(i), offset, len(b), g.Leaves[i].String())
		if err != nil {
			return err
		}
		offset += uint64(len(b))
	}
	return l.out.Flush()
}

func (l *list) line(block, offset uint64, length int, leaf string) error {
	if !l.json {
		_, err := fmt.Fprintf(l.out, "%d %d %d %s\n", block, offset, length, leaf)
		return err
	}
	return cli.WriteJSON(l.out, struct {
		Block  uint64 `json:"block"`
		Offset uint64 `json:"offset"`
		Length int    `json:"length"`
		Leaf   string `json:"leaf"`
	}{block, offset, length, leaf})
}
