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

// run removes what goes, and writes what comes.
func (u *update) run(ctx context.Context) error {
	export, err := folder.OpenExport(u.tree.Root, folder.ExportOptions{Decide: u.decide})
	if err != nil {
		return err
	}
	defer export.Close()
	for _, name := range u.unended {
		if err := u.readOnlyBelow(name, export.Tidy(name[1:])); err != nil && !errors.Is(err, folder.ErrRefused) { // the next one tries again where it may
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

// complete has the store have the files that the folder had already.
func (u *update) complete(ctx context.Context) error {
	return u.getAll(ctx, u.same, func(ctx context.Context, items []hyperdrive.Item) ([]hyperdrive.Item, error) {
		return u.reached(ctx, items, func(ctx context.Context, items []hyperdrive.Item) error {
			err := u.to.Complete(ctx, items)
			if err != nil {
				err = fmt.Errorf("the folder has it, and nobody gives it to the store: %w", err)
			}
			return err
		})
	})
}

// writers is how many files are written at once: to make one is mostly to wait for the file system.
const writers = 2

// write writes files, several at once. left are those that it did not come to.
func (u *update) write(ctx context.Context, export *folder.Export, writes []hyperdrive.Item) (left []hyperdrive.Item, err error) {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	failed := make([]bool, len(writes)) // each is one goroutine's
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

// wrote takes in what came of a file.
func (u *update) wrote(name string, err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil {
		u.done.Written++
		if u.options.Wrote != nil {
			u.options.Wrote(name)
		}
	}
	if errors.Is(err, hyperdrive.ErrContent) { // so it was signed
		u.refuse(name, refusal(name, err))
		return nil
	}
	return u.skipRefused(name, err)
}

// soon says what will be read next, and returns it.
func (u *update) soon(ctx context.Context, writes []hyperdrive.Item) ([]hyperdrive.Item, error) {
	return u.reached(ctx, writes, u.to.Soon)
}

// reached asks for files, and returns them. What the blobs are too short for is left out: the next update tries it again.
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

// A retime is a file that is as it should be, but for its time.
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

// retime gives files their times that are as they should be otherwise. One that was edited since that was seen keeps its own.
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

// skipRefused goes on behind what must not, or cannot, be written here, having told of it.
func (u *update) skipRefused(name string, err error) error {
	err = u.readOnlyBelow(name, err)
	if !errors.Is(err, folder.ErrRefused) {
		return err
	}
	u.refuse(name, err)
	return nil
}

// readOnlyBelow makes an error about a name one that wraps folder.ErrRefused where that is on a disk of its own, mounted below the folder, which
// is read-only: the folder has others. If its own disk is, it has none.
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

// decide lets go of what stands in the way, if it is as the plan found it: nobody edited it, or the edit is to be lost.
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

// content writes a file's bytes: of a file that was written before and has the same, if there is one, else as the source
// has them.
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

// given writes a file's bytes as the source has them.
func (u *update) given(ctx context.Context, item hyperdrive.Item, w io.Writer) error {
	out := &counted{Writer: w, u: u, name: item.Name}
	err := u.to.Content(ctx, item, out)
	if err != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.done.Bytes -= out.written // of a file that is not there
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
	worthACopy  = 64 << 10 // bytes of a file of which it is remembered that it was written
	mostWritten = 64 << 10 // files
)

// copy makes a file of one that was written before, inside the file system where that can share or copy blocks. What came of
// it is read again: somebody may have edited that one meanwhile. copied is false if it is not what it should be.
func (u *update) copy(equal string, sum [32]byte, w io.Writer) (copied bool, err error) {
	into, ok := w.(*os.File)
	if !ok {
		return false, nil
	}
	from, err := folder.Open(u.root, equal[1:])
	if err != nil {
		return false, nil // it is not there any more
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

// counted tells the progress of what is written.
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
