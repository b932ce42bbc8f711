package proof

import (
	"context"
	"errors"
	"io"

	"hc/lib/hyperdrive"
)

// FolderSink gets the files, links and refused records that a stream of a path or a tree proves, in the order of the
// names. An error of it ends Verify, which returns the error.
type FolderSink interface {
	// File is called for a file. Its content is written to the returned writer, block by block as it is verified.
	// Close is called only when all of it is verified, including its sha256 if the record has one. If File returns
	// nil, the content is verified all the same.
	File(item hyperdrive.Item) (io.WriteCloser, error)

	// Link is called for a symbolic link.
	Link(item hyperdrive.Item) error

	// Refused is called for a record that must not become a file: item.Err says why.
	Refused(item hyperdrive.Item) error
}

// file reads a file's content and passes it on.
func (f *folderReader) file(ctx context.Context, item hyperdrive.Item) error {
	out := &contentWriter{f: f}
	if err := out.open(item); err != nil {
		f.sinkErr = err
		return err
	}
	if err := f.content(ctx, item, out); err != nil {
		return err
	}
	f.v.sum.Files++
	if out.closer == nil {
		return nil
	}
	f.sinkErr = out.closer.Close()
	return f.sinkErr
}

// content reads a file's content. Its sha256 ties it to a tree hash, which says nothing about the blobs.
func (f *folderReader) content(ctx context.Context, item hyperdrive.Item, out io.Writer) error {
	blob := *item.Entry.Blob
	item.Err = nil
	if blob.Empty() {
		return hyperdrive.Content(ctx, &runBlobs{}, item, out)
	}
	if f.v.opt.TreeHash != nil && hyperdrive.ParseMeta(item.Entry.Metadata).SHA256 == nil {
		return f.v.in.fail("%.300q has no sha256, so the tree hash does not determine its content", item.Name)
	}
	if err := f.openBlobs(); err != nil {
		return err
	}
	from := &runBlobs{length: f.blobs.v.head.Length, blob: blob, placed: true}
	from.run = func(first, count uint64, each func(index, offset uint64, data []byte) error) error {
		return f.step(f.blobs, first, count, each)
	}
	err := hyperdrive.Content(ctx, from, item, out)
	if errors.Is(err, hyperdrive.ErrBehind) && !f.blobs.at.begun {
		return f.v.in.fail("%w, according to a head under which nothing came", err)
	}
	return err
}

func (f *folderReader) name(item hyperdrive.Item) error {
	f.v.sum.Files++
	if f.v.opt.Names != nil {
		f.sinkErr = f.v.opt.Names(item)
	}
	return f.sinkErr
}

// blobsHead reads the head of the blobs, if it comes, and the nodes that verify it.
func (f *folderReader) blobsHead(context.Context) error {
	word, err := f.v.in.peek()
	if err != nil || string(word) != wordCore {
		return err
	}
	if err := f.openBlobs(); err != nil {
		return err
	}
	_, err = f.blobs.group(&layout{length: f.blobs.v.head.Length, split: f.blobs.split})
	return err
}

func (f *folderReader) other(item hyperdrive.Item) error {
	if f.v.opt.Files == nil {
		return nil
	}
	if item.Err != nil {
		f.sinkErr = f.v.opt.Files.Refused(item)
	} else {
		f.sinkErr = f.v.opt.Files.Link(item)
	}
	return f.sinkErr
}

// contentWriter passes a file's content on, and keeps the receiver's error.
type contentWriter struct {
	f      *folderReader
	to     io.Writer // nil: nobody wants it
	closer io.Closer
}

// open finds out who wants a file's content.
func (c *contentWriter) open(item hyperdrive.Item) error {
	v := c.f.v
	switch files := v.opt.Files; {
	case v.sum.Claim.Kind == KindPath && files == nil: // a name that is bad for a disk was asked for, so it may be
		if v.opt.Out != nil {
			c.to = v.opt.Out
		}
	case files == nil:
	case item.Err != nil:
		return files.Refused(item)
	default:
		to, err := files.File(item)
		if to != nil {
			c.to, c.closer = to, to
		}
		return err
	}
	return nil
}

// Write implements io.Writer.
func (c *contentWriter) Write(p []byte) (n int, err error) {
	v := c.f.v
	v.sum.Bytes += uint64(len(p))
	if v.opt.Progress != nil {
		v.opt.Progress(uint64(len(p)), 1)
	}
	if c.to == nil {
		return len(p), nil
	}
	if n, err = c.to.Write(p); err != nil {
		c.f.sinkErr = err
	}
	return n, err
}
