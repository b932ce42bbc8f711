package worktree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"hc/lib/drive"
	"hc/lib/folder"
	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/store"
	"hc/lib/stream"
)

// PublishOptions say how a folder is imported.
type PublishOptions struct {
	Append   hypercore.AppendOptions
	Folder   folder.Options          // which files, and how they are cut
	Left     func(path string)       // called for each file that stays as it was in the drive, because something writes to it all the time; may be nil
	Progress func(bytes, blocks int) // called with what is imported; may be nil
}

// driveName is the name in its store of the drive of a working copy that was begun here.
const driveName = "drive"

// Begin makes a drive of the folder that a store is in, and its working copy, or continues if that was interrupted.
func Begin(ctx context.Context, in *store.Store, options PublishOptions) (*Tree, drive.Result, error) {
	t, err := Of(in)
	if err == nil {
		result, err := t.Publish(ctx, options)
		return t, result, err
	}
	if !errors.Is(err, ErrNone) {
		return nil, drive.Result{}, err
	}
	t = &Tree{in: in, Root: rootOf(in)}
	key, err := in.Resolve(driveName)
	if errors.Is(err, store.ErrNotFound) {
		result, err := t.importAll(ctx, driveName, nil, options)
		if err != nil {
			return nil, result, err
		}
		key, err = keys.ParseKey(result.Key)
		if err != nil {
			return nil, result, err
		}
		if t, err = Create(in, key, nil); err != nil {
			return nil, result, err
		}
		return t, result, t.noteNewest(context.WithoutCancel(ctx))
	}
	if err != nil {
		return nil, drive.Result{}, err
	}
	if t, err = Create(in, key, nil); err != nil {
		return nil, drive.Result{}, err
	}
	result, err := t.Publish(ctx, options)
	return t, result, err
}

// Publish imports the folder into its drive. Unchanged files are not read again. If nothing was edited, nothing changes, and
// the version stays.
func (t *Tree) Publish(ctx context.Context, options PublishOptions) (drive.Result, error) {
	if len(t.Parts) > 0 {
		return drive.Result{}, errors.New("only a part of the drive is here, and the rest would be deleted: clone all of it to publish")
	}
	for tries := 1; ; tries++ {
		result, err := t.publish(ctx, options)
		if err == nil { // one that failed may have got as far as its commit, and is treated as one that was killed
			_ = t.published() // if the file stays, the next update removes it
		}
		if tries == publishTries || !errors.Is(err, drive.ErrConflict) || !t.movedOn(ctx, result.Length) {
			return result, err
		}
	}
}

// publishTries is how often a publish is tried if the drive was at another version than it seemed to be: the commit of a process
// that was killed right after it is not seen until somebody else writes.
const publishTries = 3

// movedOn reports whether the drive is no longer at a version.
func (t *Tree) movedOn(ctx context.Context, version uint64) bool {
	newest, err := t.Newest(ctx)
	return err == nil && newest.Version() != version
}

// publish imports the folder. If that fails, the result has the version that it was to build on.
func (t *Tree) publish(ctx context.Context, options PublishOptions) (drive.Result, error) {
	newest, err := t.Newest(ctx)
	if errors.Is(err, store.ErrNotFound) && !t.at.Pinned { // the first publish was killed when it had a key, and nothing else
		result, err := t.importAll(ctx, t.begunAs(), nil, options)
		if err != nil {
			return drive.Result{}, err
		}
		return result, t.noteNewest(context.WithoutCancel(ctx)) // what is committed must be noted
	}
	if err != nil {
		return drive.Result{}, err
	}
	from := drive.Result{Length: newest.Version()}
	if t.Interrupted() {
		return from, fmt.Errorf("%w: a checkout was interrupted, and some files are of another version: check out the newest one first", drive.ErrConflict)
	}
	ours, err := t.publishedAs(ctx, newest)
	if err != nil {
		return from, err
	}
	if t.at.Pinned && t.at.Length != newest.Version() && !ours {
		return from, fmt.Errorf("%w: version %d is checked out, and the drive is at %d: check out the newest one first", drive.ErrConflict, t.at.Length, newest.Version())
	}
	options.Append.Signs = t.publishes
	result, err := t.importAll(ctx, t.key.String(), newest, options)
	if err != nil {
		return from, err
	}
	return result, t.noteNewest(context.WithoutCancel(ctx)) // what is committed must be noted
}

// begunAs returns the name of a drive that was begun here, else its key: a key alone does not begin a drive.
func (t *Tree) begunAs() string {
	if key, err := t.in.Resolve(driveName); err == nil && key == t.key {
		return driveName
	}
	return t.key.String()
}

// publishingName is a file in the store that says which version a publish was going to sign, and what it had built on.
const publishingName = "publishing"

func (t *Tree) publishingFile() string { return filepath.Join(t.in.Dir(), publishingName) }

// publishedAs reports whether a version is that of a publish that built on what is checked out, and was killed after its commit:
// then the folder is at least as new as the version.
func (t *Tree) publishedAs(ctx context.Context, version *drive.Drive) (bool, error) {
	text, err := os.ReadFile(t.publishingFile())
	if err != nil || !t.at.Pinned {
		return false, nil
	}
	ref, err := version.Ref(ctx)
	return err == nil && string(text) == t.step(ref), err
}

// step returns the text of the file: the version that is checked out, and another one.
func (t *Tree) step(to keys.Ref) string { return t.at.String() + " " + to.String() }

// publishes writes which version is about to be signed. The file is not synced: if it is lost, the user is asked to check out
// the newest version.
func (t *Tree) publishes(head keys.Head) error {
	to := keys.Ref{Key: t.key, Pinned: true, Fork: head.Fork, Length: head.Length, TreeHash: &head.TreeHash}
	return os.WriteFile(t.publishingFile(), []byte(t.step(to)), 0o666)
}

// published removes the file: the publish has ended well, or the files are about to be noted as those of another version.
func (t *Tree) published() error {
	if err := os.Remove(t.publishingFile()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// noteNewest notes that the files are those of the newest version.
func (t *Tree) noteNewest(ctx context.Context) error {
	newest, err := t.Newest(ctx)
	if err != nil {
		return err
	}
	ref, err := newest.Ref(ctx)
	if err != nil || t.at.String() == ref.String() && !t.Interrupted() {
		return err
	}
	return t.ended(ref, nil)
}

// mostRestless is how many large files may be left: for each the folder is imported once more.
const mostRestless = 16

// importAll imports the folder into the drive that word names, which is at version before; nil: it is a new one. Files that
// something writes to all the time stay as they are in the drive, so that everything else is published.
func (t *Tree) importAll(ctx context.Context, word string, before *drive.Drive, options PublishOptions) (drive.Result, error) {
	options.Folder.Leave = map[string]bool{}
	for {
		result, err := t.importOnce(ctx, word, before, options)
		var changed *folder.ChangedError
		if !errors.As(err, &changed) || len(options.Folder.Leave) == mostRestless || options.Folder.Leave[changed.Path] {
			return result, err
		}
		options.Folder.Leave[changed.Path] = true
	}
}

func (t *Tree) importOnce(ctx context.Context, word string, before *drive.Drive, options PublishOptions) (drive.Result, error) {
	from := t.read(ctx, before, options.Folder)
	defer from.stop()
	result, err := drive.Import(ctx, t.in, word, from, options.Append, options.Progress)
	if err != nil {
		return result, from.cause(err)
	}
	result.Unchanged += from.end(&result)
	if options.Left != nil {
		for _, path := range from.imported.Left {
			options.Left(path)
		}
	}
	return result, nil
}

// A reading is the folder as a stream, which fails if the folder cannot be read. The caller stops it at the end.
type reading struct {
	*io.PipeReader
	cancel   context.CancelFunc
	done     chan struct{} // closed once the reading has ended
	imported *folder.Imported
	whole    bool  // the stream is complete
	failure  error // why it is not
	warn     func(text string)
}

// read reads the folder as a stream that builds on a version; nil: on none.
func (t *Tree) read(ctx context.Context, before *drive.Drive, options folder.Options) *reading {
	ctx, cancel := context.WithCancel(ctx)
	from, to := io.Pipe()
	r := &reading{PipeReader: from, cancel: cancel, done: make(chan struct{}), warn: options.Warn}
	options.StatDir = t.statDir()
	if before != nil && before.Version() > 0 {
		options.Since = before
	}
	go func() {
		defer close(r.done)
		r.failure = r.write(ctx, to, []folder.Source{{Path: t.Root}}, options)
		r.whole = r.failure == nil
		_ = to.CloseWithError(r.failure)
	}()
	return r
}

func (r *reading) write(ctx context.Context, to io.Writer, sources []folder.Source, options folder.Options) (err error) {
	w := stream.NewWriter(to)
	if r.imported, err = folder.Import(ctx, w, sources, options); err != nil {
		return err
	}
	return w.Close()
}

// end saves what is known of the files, once the stream has been read to its end. result, if there is one, is that of its
// import. It returns how many files the stream does not name because the version has the same.
func (r *reading) end(result *drive.Result) (kept uint64) {
	<-r.done
	if !r.whole {
		return 0
	}
	if err := r.imported.Keep(result); err != nil && r.warn != nil {
		r.warn(err.Error())
	}
	return r.imported.Kept
}

// cause returns why the folder could not be read, if that is the cause of an import's error: the user has never seen the stream
// that the error is about.
func (r *reading) cause(err error) error {
	r.cancel()
	_ = r.Close()
	<-r.done
	if r.failure != nil && errors.Is(err, r.failure) {
		return r.failure
	}
	return err
}

// stop ends the reading, and waits for it.
func (r *reading) stop() {
	r.cancel()
	_ = r.Close()
	<-r.done
	r.imported.Drop()
}
