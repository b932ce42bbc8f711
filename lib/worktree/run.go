package worktree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"hc/lib/folder"
	"hc/lib/hash/simd"
	"hc/lib/hyperbee"
	"hc/lib/hyperdrive"
)

// run removes and writes files as planned.
func (u *update) run(ctx context.Context) error {
	export, err := folder.OpenExport(u.tree.Root, folder.ExportOptions{Decide: u.decide})
	if err != nil {
		return err
	}
	defer export.Close()
	for _, name := range u.unended {
		if err := u.readOnlyBelow(name, export.Tidy(name[1:])); err != nil && !errors.Is(err, folder.ErrRefused) { // the next update tries again
			return err
		}
	}
	var writes []hyperdrive.Item
	for _, s := range u.steps {
		if s.item != nil {
			writes = append(writes, *s.item)
			continue
		}
		err := export.Remove(s.name[1:])
		if err == nil {
			u.done.Removed++
		}
		if err := u.skipRefused(s.name, err); err != nil {
			return err
		}
	}
	err = u.getAll(ctx, writes, func(ctx context.Context, items []hyperdrive.Item) ([]hyperdrive.Item, error) {
		left, err := u.soon(ctx, items)
		if err != nil {
			return left, err
		}
		return u.write(ctx, export, left)
	})
	if err != nil {
		return err
	}
	if err := u.retime(); err != nil {
		return err
	}
	return u.complete(ctx)
}

// complete brings the files into the store that the folder had already.
func (u *update) complete(ctx context.Context) error {
	return u.getAll(ctx, u.same, func(ctx context.Context, items []hyperdrive.Item) ([]hyperdrive.Item, error) {
		return u.reached(ctx, items, func(ctx context.Context, items []hyperdrive.Item) error {
			err := u.to.Complete(ctx, items)
			if err != nil {
				err = fmt.Errorf("the folder has it, but no peer gives it to the store: %w", err)
			}
			return err
		})
	})
}

// writers is how many files are written at once: making one is mostly waiting for the file system.
const writers = 2

// write writes files, several at once. left are those that it did not get to.
func (u *update) write(ctx context.Context, export *folder.Export, writes []hyperdrive.Item) (left []hyperdrive.Item, err error) {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	failed := make([]bool, len(writes)) // each element belongs to one goroutine
	begun := 0
	for i, item := range writes {
		if groupCtx.Err() != nil {
			break
		}
		begun++
		write, err := export.Begin(item, func(w io.Writer) error { return contentErr(u.content(groupCtx, item, w)) })
		if err != nil || write == nil {
			write = func() error { return err }
		}
		group.Go(func() error {
			err := u.wrote(item.Name, write())
			failed[i] = err != nil
			return err
		})
	}
	err = group.Wait()
	for i, item := range writes {
		if i >= begun || failed[i] {
			left = append(left, item)
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	return left, err
}

// wrote takes in the result of writing a file.
func (u *update) wrote(name string, err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil {
		u.done.Written++
		if u.options.Wrote != nil {
			u.options.Wrote(name)
		}
	}
	if errors.Is(err, hyperdrive.ErrContent) { // it was signed like that
		u.refuse(name, refusal(name, err))
		return nil
	}
	return u.skipRefused(name, err)
}

// soon announces the files that will be read next, and returns them.
func (u *update) soon(ctx context.Context, writes []hyperdrive.Item) ([]hyperdrive.Item, error) {
	return u.reached(ctx, writes, u.to.Soon)
}

// reached asks for files, and returns them. Those that the blobs are too short for are left out: the next update tries them
// again.
func (u *update) reached(ctx context.Context, items []hyperdrive.Item, ask func(context.Context, []hyperdrive.Item) error) ([]hyperdrive.Item, error) {
	behind := ask(ctx, items)
	if !errors.Is(behind, hyperdrive.ErrBehind) {
		return items, behind
	}
	has, err := u.to.Length()
	if err != nil {
		return items, err
	}
	var ready []hyperdrive.Item
	for _, item := range items {
		if blob := item.Entry.Blob; blob != nil && !blob.Empty() && blob.BlockOffset+blob.BlockLength > has {
			u.refuse(item.Name, fmt.Errorf("%q: %w", item.Name[1:], behind))
			continue
		}
		ready = append(ready, item)
	}
	return ready, ask(ctx, ready)
}

// A retime is a file that is as it should be, except for its time.
type retime struct {
	path string
	was  fs.FileInfo // before it was read
	to   time.Time
}

func appendRetime(to []retime, here *onDisk, item hyperdrive.Item) []retime {
	meta := hyperdrive.ParseMeta(item.Entry.Metadata)
	if when := time.Unix(0, meta.ModTime); meta.HasModTime && !when.Equal(here.info.ModTime()) {
		return append(to, retime{here.path, here.info, when})
	}
	return to
}

// retime sets the times of files that are as they should be otherwise. A file that was edited meanwhile keeps its own.
func (u *update) retime() error {
	for _, r := range u.retimes {
		is, err := u.root.Lstat(r.path)
		if err == nil && folder.Untouched(r.was, is) {
			err = u.root.Chtimes(r.path, time.Time{}, r.to)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) { // another user's file keeps its time
			return err
		}
	}
	return nil
}

// skipRefused reports a file that must not, or cannot, be written here, and drops the error; other errors it returns.
func (u *update) skipRefused(name string, err error) error {
	err = u.readOnlyBelow(name, err)
	if !errors.Is(err, folder.ErrRefused) {
		return err
	}
	u.refuse(name, err)
	return nil
}

// readOnlyBelow makes an error about a name wrap folder.ErrRefused if the name is on a read-only disk mounted below the folder:
// other names may still work. If the folder's own disk is read-only, none would.
func (u *update) readOnlyBelow(name string, err error) error {
	if !errors.Is(err, syscall.EROFS) || errors.Is(err, folder.ErrRefused) || errors.Is(syscall.Access(u.tree.Root, mayWrite), syscall.EROFS) {
		return err
	}
	return fmt.Errorf("%q: %w: %w", name[1:], folder.ErrRefused, syscall.EROFS)
}

const mayWrite = 2 // W_OK of access(2)

func (u *update) refuse(name string, why error) {
	u.done.Refused++
	u.left = append(u.left, name)
	if u.options.Refused != nil {
		u.options.Refused(name, why)
	}
}

// decide gives up a file that is in the way if it is as the plan found it: nobody edited it, or the edit is to be lost.
func (u *update) decide(there folder.Existing) (folder.Decision, error) {
	seen, planned := u.seen["/"+there.Path]
	switch {
	case u.options.Force, planned && folder.Untouched(seen, there.Info):
		return folder.Replace, nil
	case planned:
		return folder.Refuse, fmt.Errorf("%q: it was edited meanwhile: %w", there.Path, folder.ErrRefused)
	}
	return folder.Refuse, nil
}

// content writes a file's bytes: from an equal file that was written before, if there is one, else from the source.
func (u *update) content(ctx context.Context, item hyperdrive.Item, w io.Writer) error {
	sum := hyperdrive.ParseMeta(item.Entry.Metadata).SHA256
	size, _ := item.Entry.Size()
	if sum == nil || size < worthACopy {
		return u.given(ctx, item, w)
	}
	if equal, ok := u.equal(*sum); ok {
		if copied, err := u.copy(equal, *sum, w); copied || err != nil {
			return err
		}
	}
	err := u.given(ctx, item, w)
	if err == nil {
		u.remember(*sum, item.Name)
	}
	return err
}

// given writes a file's bytes from the source.
func (u *update) given(ctx context.Context, item hyperdrive.Item, w io.Writer) error {
	out := &counted{Writer: w, u: u, name: item.Name}
	err := u.to.Content(ctx, item, out)
	if err != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.done.Bytes -= out.written // the file is not there after all
	}
	return err
}

// equal returns a file that was written and has the same bytes.
func (u *update) equal(sum [32]byte) (name string, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	name, ok = u.written[sum]
	return name, ok
}

func (u *update) remember(sum [32]byte, name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.written) < mostWritten {
		u.written[sum] = name
	}
}

const (
	worthACopy  = 64 << 10 // bytes of a file from which it is remembered for copies
	mostWritten = 64 << 10 // files
)

// copy makes a file from one that was written before, inside the file system if that can share or copy blocks. The result is
// read back: somebody may have edited that one meanwhile. copied is false if it is not what it should be.
func (u *update) copy(equal string, sum [32]byte, w io.Writer) (copied bool, err error) {
	into, ok := w.(*os.File)
	if !ok {
		return false, nil
	}
	from, err := folder.Open(u.root, equal[1:])
	if err != nil {
		return false, nil // it is gone
	}
	defer from.Close() // only read from
	if err := folder.CopyFile(into, from); err != nil {
		return false, err
	}
	got := simd.NewSHA256()
	if _, err := into.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	size, err := io.Copy(got, into)
	if err != nil || [32]byte(got.Sum(nil)) == sum {
		u.tell(equal, int(size))
		return err == nil, err
	}
	if err := into.Truncate(0); err != nil {
		return false, err
	}
	_, err = into.Seek(0, io.SeekStart)
	return false, err
}

// counted reports the progress of a file being written.
type counted struct {
	io.Writer
	u       *update
	name    string
	written uint64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.written += uint64(n)
	c.u.tell(c.name, n)
	return n, err
}

func (u *update) tell(name string, bytes int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.done.Bytes += uint64(bytes)
	if u.options.Progress != nil {
		u.options.Progress(name, uint64(bytes), u.total)
	}
}

// isAbsent reports whether a drive has no file of that name that could have been written.
func isAbsent(err error) bool {
	return errors.Is(err, hyperbee.ErrNotFound) || errors.Is(err, hyperdrive.ErrEntry) || errors.Is(err, hyperdrive.ErrName)
}
