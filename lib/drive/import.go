package drive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"hc/lib/hyperbee"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/store"
	"hc/lib/stream"
)

// Result describes what an import did.
type Result struct {
	Key       string `json:"key"`
	Length    uint64 `json:"length"` // of the names: the drive's version
	Added     uint64 `json:"added"`  // files and links
	Changed   uint64 `json:"changed"`
	Removed   uint64 `json:"removed"`
	Unchanged uint64 `json:"unchanged"` // files and links that the stream names
	Blocks    uint64 `json:"blocks"`    // appended to the blobs
	Bytes     uint64 `json:"bytes"`     // bytes of files in these blocks
	Reused    uint64 `json:"reused"`    // bytes of files that the blobs already had

	Since stream.Since `json:"-"` // this version, as named by a stream that builds on it
}

// ErrConflict is wrapped if the drive is not the one that the stream was made for.
var ErrConflict = hypercore.ErrConflict

// Import takes a stream of a folder into the drive that word names: all of it or, if the stream is not whole,
// nothing. A name that is not taken becomes a new drive. Unchanged entries are not written: an import that changes
// nothing keeps the drive's version. progress, which may be nil, is called with bytes and blocks of files.
func Import(ctx context.Context, in *store.Store, word string, from io.Reader, options hypercore.AppendOptions, progress func(bytes, blocks int)) (Result, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	items := begin(ctx, from)
	group, err := items.next(ctx) // a pipe that fails at once takes no lock
	if err != nil {
		return Result{}, err
	}
	if len(group.parts) == 0 && !errors.Is(group.err, io.EOF) {
		return Result{}, group.err
	}
	im, err := open(ctx, in, word, options)
	if err != nil {
		return Result{}, err
	}
	defer im.close()
	for {
		if err := im.takeAll(ctx, group, progress); err != nil {
			return Result{}, err
		}
		if group.err != nil {
			break
		}
		items.done(group)
		if group, err = items.next(ctx); err != nil {
			return Result{}, err
		}
	}
	if !errors.Is(group.err, io.EOF) {
		return Result{}, group.err
	}
	if err := im.removeUnnamed(ctx); err != nil {
		return Result{}, err
	}
	if err := im.checkAdded(ctx); err != nil {
		return Result{}, err
	}
	return im.commit(ctx)
}

// importer is one import under way.
type importer struct {
	names, blobs *hypercore.Writer
	old          *hyperdrive.Drive
	batch        *hyperbee.Batch
	result       Result

	tree    bool              // names that the stream does not have are removed
	changes bool              // the stream consists of changes only
	added   []string          // names that are new in the drive
	news    uint64            // bytes of files under new names
	listed  bool              // the old names are known:
	named   map[nameID]bool   // whether the stream has named them
	blocks  []uint64          // first blocks of their files, until a copy is looked for
	mapped  []hyperdrive.Blob // likewise, files with a map
	known   *known            // blocks of the blobs core
	offsets offsets           // of new blocks
	content content           // of the current file
	before  *hyperdrive.Item  // the file's last version, nil if there is none
	runs    []hyperdrive.Run  // where the content of that version is
	stood   stood             // the current position in it
	at      []uint64          // of findAll, reused
}

// open opens both cores for appending.
func open(ctx context.Context, in *store.Store, word string, options hypercore.AppendOptions) (*importer, error) {
	im := &importer{}
	options.Drive = true
	var err error
	if im.names, err = hypercore.OpenWriter(ctx, in, word, options); err != nil {
		return nil, err
	}
	if err := im.openBlobs(ctx); err != nil {
		im.close()
		return nil, err
	}
	view := im.names.View()
	im.old = hyperdrive.Open(viewNames{view}, view.Head().Length)
	im.batch = hyperbee.NewBatch(viewNames{view}, view.Head().Length)
	im.known = newKnown(im.blobs.View())
	im.offsets = offsets{first: im.blobs.Length(), end: im.blobs.ByteLength()}
	return im, nil
}

func (im *importer) openBlobs(ctx context.Context) error {
	key, manifest, err := blobsOf(ctx, im.names.View(), im.names.Key(), im.names.Manifest())
	if err != nil {
		return err
	}
	im.blobs, err = im.names.OpenCompanion(ctx, key, manifest)
	if errors.Is(err, keys.ErrKey) {
		return fmt.Errorf("the blobs of drive %v are signed with a different key than its names, so it can only be read: %w", im.names.Key(), err)
	}
	return err
}

func (im *importer) close() {
	im.names.Abort()
	if im.blobs != nil {
		im.blobs.Abort()
	}
}

func (im *importer) takeAll(ctx context.Context, g *group, progress func(bytes, blocks int)) error {
	g.hash()
	for i := range g.parts {
		p := &g.parts[i]
		if err := im.take(ctx, p); err != nil {
			return err
		}
		bytes := 0
		for _, block := range p.blocks {
			bytes += len(block)
		}
		if progress != nil {
			progress(bytes, len(p.blocks))
		}
	}
	return nil
}

func (im *importer) take(ctx context.Context, p *part) error {
	item := p.item
	switch item.Kind {
	case stream.KindTree:
		return im.beginTree(ctx, item.Since)
	case stream.KindChanges:
		im.changes = true
		return im.checkSince(item.Since)
	case stream.KindPurge:
		return im.purge(ctx)
	}
	if p.first {
		if err := im.name(item); err != nil {
			return err
		}
	}
	name := "/" + item.Path
	switch item.Kind {
	case stream.KindFile:
		return im.file(ctx, name, p)
	case stream.KindKeep:
		return im.keep(name)
	case stream.KindLink:
		return im.put(ctx, name, hyperdrive.Entry{Link: &item.Target})
	case stream.KindDelete:
		return im.remove(ctx, name)
	case stream.KindSame:
		return im.same(ctx, name, "/"+item.Target)
	}
	return fmt.Errorf("%w: a frame of an unknown kind %v", stream.ErrFormat, item.Kind)
}

// lookUp returns what the drive had under a name; nil if nothing. For a stream of changes the batch looks it up, as
// it will need the nodes on the way there. Otherwise the batch would hold the way to each name that stays.
func (im *importer) lookUp(ctx context.Context, name string) (*hyperdrive.Item, error) {
	get := im.old.Get
	if im.changes {
		get = im.get
	}
	item, err := get(ctx, name)
	if errors.Is(err, hyperbee.ErrNotFound) {
		return nil, nil
	}
	if errors.Is(err, hyperdrive.ErrEntry) || errors.Is(err, hyperdrive.ErrName) { // it will be replaced
		return &hyperdrive.Item{Name: name}, nil
	}
	return &item, err
}

func (im *importer) get(ctx context.Context, name string) (hyperdrive.Item, error) {
	found, err := im.batch.Get(ctx, hyperdrive.Key(name))
	if err != nil {
		return hyperdrive.Item{}, err
	}
	item := hyperdrive.ItemOf(found)
	return item, item.Err
}

func (im *importer) file(ctx context.Context, name string, p *part) (err error) {
	if p.first {
		if im.before, err = im.lookUp(ctx, name); err != nil {
			return err
		}
	}
	if im.isBefore(p) {
		im.result.Reused += p.bytes
		return im.putFile(ctx, name, p, *im.before.Entry.Blob)
	}
	if p.first {
		if err := im.beginFile(ctx, p); err != nil {
			return err
		}
	}
	if err := im.place(ctx, p); err != nil || !p.last {
		return err
	}
	blob, err := im.blob(ctx)
	if err != nil {
		return fmt.Errorf("%q: %w", name[1:], err)
	}
	return im.putFile(ctx, name, p, blob)
}

// isBefore reports whether a small file equals the drive's file of that name. It compares digests, so the blobs need
// not be here.
func (im *importer) isBefore(p *part) bool {
	if !p.first || !p.last || im.before == nil || im.before.Entry.Blob == nil {
		return false
	}
	meta := hyperdrive.ParseMeta(im.before.Entry.Metadata)
	return meta.SHA256 != nil && *meta.SHA256 == p.sha256
}

// onlyTouched reports whether a file has the content and mode that the drive has, and differs in its time at most. A
// different time alone is no change: a checkout in a CI job, or a copy, would make a new version of every file. So
// the time in the drive is that of the last change.
func (im *importer) onlyTouched(p *part) bool {
	if im.before == nil || im.before.Entry.Blob == nil {
		return false
	}
	meta := hyperdrive.ParseMeta(im.before.Entry.Metadata)
	return meta.SHA256 != nil && *meta.SHA256 == p.sha256 && meta.HasMode && meta.Mode == p.item.Mode.Perm() && meta.HasModTime
}

func (im *importer) putFile(ctx context.Context, name string, p *part, blob hyperdrive.Blob) error {
	meta := hyperdrive.Meta{
		Mode: p.item.Mode.Perm(), HasMode: true,
		ModTime: p.item.ModTime, HasModTime: true,
		SHA256: &p.sha256,
		Size:   p.bytes, HasSize: blob.Map,
	}
	if im.onlyTouched(p) {
		im.result.Unchanged++
		return nil
	}
	entry := hyperdrive.Entry{Executable: p.item.Mode&0o100 != 0, Blob: &blob, Metadata: meta.Encode()}
	return im.putOver(ctx, name, im.before, entry)
}

// bytesPerName is how many bytes of new files justify a look at each name of the drive, which finds files that were
// there under another name. (Their blocks cost nothing on disk anyway, nor on the way to a reader who has them.)
const bytesPerName = 16

// beginFile looks for files that may have the current file's blocks already.
func (im *importer) beginFile(ctx context.Context, p *part) (err error) {
	im.content.runs, im.content.lengths = im.content.runs[:0], im.content.lengths[:0]
	im.stood = newStood()
	im.runs = nil
	if im.before != nil && im.before.Entry.Blob != nil {
		im.runs, err = hyperdrive.BlobRuns(ctx, viewBlobs{im.known.view}, *im.before.Entry.Blob)
		if err == nil {
			return im.known.begin(ctx, im.runs)
		}
		if ctx.Err() != nil {
			return err
		}
		im.runs = nil // an unreadable version is ignored
	}
	for _, block := range p.blocks {
		im.news += uint64(len(block))
	}
	if im.news < bytesPerName*im.names.Length() && !im.listed {
		return im.known.begin(ctx, nil)
	}
	if err := im.list(ctx); err != nil {
		return err
	}
	for _, block := range im.blocks {
		if err := im.known.addFirst(ctx, block); err != nil {
			return err
		}
	}
	im.blocks = nil
	if err := im.addMapped(ctx); err != nil {
		return err
	}
	return im.known.begin(ctx, nil)
}

// addMapped records where each run of a file with a map begins: such a file, renamed or copied, is found run by run.
// It skips files that it cannot read.
func (im *importer) addMapped(ctx context.Context) error {
	for _, blob := range im.mapped {
		runs, err := hyperdrive.BlobRuns(ctx, viewBlobs{im.known.view}, blob)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			continue
		}
		for _, run := range runs {
			if err := im.known.addFirst(ctx, run.First); err != nil {
				return err
			}
		}
	}
	im.mapped = nil
	return nil
}

// put writes an entry, if it differs from the drive's.
func (im *importer) put(ctx context.Context, name string, entry hyperdrive.Entry) error {
	before, err := im.lookUp(ctx, name)
	if err != nil {
		return err
	}
	return im.putOver(ctx, name, before, entry)
}

func (im *importer) putOver(ctx context.Context, name string, before *hyperdrive.Item, entry hyperdrive.Entry) error {
	value := entry.Encode()
	switch {
	case before == nil:
		im.result.Added++
		if !im.tree {
			im.added = append(im.added, name)
		}
	case bytes.Equal(before.Entry.Encode(), value):
		im.result.Unchanged++
		return nil
	default:
		im.result.Changed++
	}
	return im.batch.Put(ctx, hyperdrive.Key(name), value)
}

// same writes the entry that the stream has put under an earlier name, which may be equal to what the drive had
// there.
func (im *importer) same(ctx context.Context, name, earlier string) error {
	record, err := im.batch.Get(ctx, hyperdrive.Key(earlier))
	if err != nil {
		return fmt.Errorf("%q: %w", earlier[1:], err)
	}
	entry, err := hyperdrive.ParseEntry(record.Value)
	if err != nil {
		return fmt.Errorf("%q: %w", earlier[1:], err)
	}
	return im.put(ctx, name, entry)
}

// commit commits both cores, the blobs first: names never point at missing bytes.
func (im *importer) commit(ctx context.Context) (Result, error) {
	if _, err := im.blobs.Commit(ctx); err != nil {
		return Result{}, fmt.Errorf("committing the blobs: %w", err)
	}
	changes, err := im.batch.Flush(ctx)
	if err != nil {
		return Result{}, err
	}
	if im.names.Length() == 0 {
		changes = append([][]byte{hyperbee.Header()}, changes...)
	}
	if err := im.names.Append(ctx, changes...); err != nil {
		return Result{}, err
	}
	head, err := im.names.Commit(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("committing the names: %w", err)
	}
	im.result.Key, im.result.Length = im.names.Key().String(), im.names.Length()
	im.result.Since = stream.Since{Fork: head.Fork, Length: head.Length, TreeHash: head.TreeHash}
	return im.result, nil
}
