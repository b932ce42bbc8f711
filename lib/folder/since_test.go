package folder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hc/lib/drive"
	"hc/lib/hyperbee"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/store"
	"hc/lib/stream"
)

// A publication is a folder that is imported into a drive again and again.
type publication struct {
	t   testing.TB
	in  *store.Store
	dir string
	opt Options
}

// later is a moment at which nothing that a test has written is racy any more.
func later() time.Time { return time.Now().Add(time.Hour) }

func publish(t testing.TB, dir string) *publication {
	t.Helper()
	in, err := store.Open(t.Context(), t.TempDir(), store.Options{Create: true})
	check(t, err)
	t.Cleanup(func() { check(t, in.Close()) })
	return &publication{t, in, dir, Options{now: later, StatDir: filepath.Join(in.Dir(), "stat")}}
}

// newest returns the drive, nil if there is none.
func (p *publication) newest() *drive.Drive {
	p.t.Helper()
	key, err := p.in.Resolve("d")
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	check(p.t, err)
	d, err := drive.Open(p.t.Context(), p.in, keys.Ref{Key: key})
	check(p.t, err)
	return d
}

// stream returns the folder as a stream that builds on the newest version.
func (p *publication) stream() (*bytes.Buffer, *Imported) {
	p.t.Helper()
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	opt := p.opt
	opt.Since = p.newest()
	done, err := Import(context.Background(), w, []Source{{Path: p.dir}}, opt)
	check(p.t, err)
	check(p.t, w.Close())
	return &out, done
}

func (p *publication) take(from io.Reader) drive.Result {
	p.t.Helper()
	result, err := drive.Import(p.t.Context(), p.in, "d", from, hypercore.AppendOptions{}, nil)
	check(p.t, err)
	return result
}

// publish imports the folder, as hc share does.
func (p *publication) publish() drive.Result {
	p.t.Helper()
	from, done := p.stream()
	result := p.take(from)
	check(p.t, done.Keep(&result))
	return result
}

// says is what a stream of the folder says, without any effect.
func (p *publication) says() []item {
	p.t.Helper()
	from, done := p.stream()
	done.Drop()
	return items(p.t, from)
}

// listing is what the drive has: each name with its entry.
func (p *publication) listing() string {
	p.t.Helper()
	var all strings.Builder
	check(p.t, p.newest().List(p.t.Context(), "/", func(item hyperdrive.Item) error {
		fmt.Fprintf(&all, "%q %s %v\n", item.Name, item.Entry.Encode(), item.Err)
		return nil
	}))
	return all.String()
}

// cacheFile is where the folder's stat cache is.
func (p *publication) cacheFile() string {
	p.t.Helper()
	path, ok := (&source{places: []string{resolved(p.t, p.dir)}}).cachePath(&p.opt)
	if !ok {
		p.t.Fatal("there is no cache")
	}
	return path
}

func resolved(t testing.TB, dir string) string {
	t.Helper()
	real, err := filepath.EvalSymlinks(dir)
	check(t, err)
	return real
}

// lie makes the cache say of all files that they hold nothing, and of the drive likewise: what is believed shows.
func (p *publication) lie() {
	p.t.Helper()
	all, ok := readCache(p.t, p.cacheFile())
	if !ok || len(all) == 0 {
		p.t.Fatal("there is no cache to lie")
	}
	c := openStatCache(p.cacheFile())
	origin := c.statOrigin
	c.close()
	for i := range all {
		if all[i].here == hereFile {
			all[i].entry.SHA256 = [32]byte{}
		}
	}
	writeCache(p.t, p.cacheFile(), origin, nil, all)
}

func TestImportSince(t *testing.T) {
	dir := t.TempDir()
	big := strings.Repeat("0123456789abcdef", 1<<15)
	put(t, dir, map[string]string{"a/same": "same", "a/touched": "t", "big": big, "changed": "one", "gone": "g", "link": "->x", "moded": "m", "relinked": "->x"})
	p := publish(t, dir)
	p.publish()
	put(t, dir, map[string]string{"changed": "two", "new": "n"})
	check(t, os.Chtimes(dir+"/a/touched", time.Time{}, time.Unix(1, 0)))
	check(t, os.Chmod(dir+"/moded", 0o600))
	check(t, os.Remove(dir+"/gone"))
	check(t, os.Remove(dir+"/relinked"))
	check(t, os.Symlink("y", dir+"/relinked"))
	result := []string{
		`changes`, `file 0644 "changed" "two"`, `delete "gone"`, `file 0600 "moded" "m"`, `file 0644 "new" "n"`, `link "relinked" "y"`,
	}
	for how, before := range map[string]func(){
		"with a cache":     func() {},
		"once more":        func() {},
		"without one":      func() { check(t, os.Remove(p.cacheFile())) },
		"a damaged one":    func() { check(t, os.WriteFile(p.cacheFile(), []byte(statMagic+"damaged"), 0o600)) },
		"with checksums":   func() { p.opt.Checksum = true },
		"without a folder": func() { p.opt.StatDir = "" },
	} {
		saved, err := os.ReadFile(p.cacheFile())
		check(t, err)
		opt := p.opt
		before()
		from, done := p.stream()
		t.Run(how, func(t *testing.T) { want(t, items(t, from), result...) })
		if done.Kept != 4 || done.Files != 3 || done.Links != 1 {
			t.Errorf("%s: counted %+v", how, done.Stats)
		}
		done.Drop()
		p.opt = opt
		check(t, os.WriteFile(p.cacheFile(), saved, 0o600))
	}
	t.Run("listed", func(t *testing.T) {
		opt := p.opt
		opt.Since = p.newest()
		var listed []string
		check(t, List(context.Background(), []Source{{Path: dir}}, opt, func(l Listed) error { listed = append(listed, l.Path); return nil }))
		if want := []string{"a/touched", "changed", "moded", "new", "relinked"}; !slices.Equal(listed, want) {
			t.Errorf("listed %q, want %q", listed, want)
		}
	})
	p.publish()
	want(t, p.says(), `changes`)
	if again := p.publish(); again.Blocks != 0 || again.Length != p.newest().Version() {
		t.Errorf("nothing has changed: %+v", again)
	}
}

// What the cache says is believed, of files and of the drive: that nothing is read shows in a lie. With Checksum it is not.
func TestImportBelievesCache(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a": "a", "b": "b"})
	p := publish(t, dir)
	p.publish()
	p.lie()
	want(t, p.says(), `changes`)
	p.opt.Checksum = true
	want(t, p.says(), `changes`) // and the drive was right
	put(t, dir, map[string]string{"b": "c"})
	want(t, p.says(), `changes`, `file 0644 "b" "c"`)
}

// A file whose times are too near to the moment of reading is read again.
func TestImportRacy(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a": "a", "old": "o"})
	p := publish(t, dir)
	written := lstatOf(t, dir+"/old").youngest()
	p.opt.now = func() time.Time { return written } // whatever the store's disk takes
	p.publish()
	all, ok := readCache(t, p.cacheFile())
	if !ok || len(all) != 2 || all[0].told || all[1].told {
		t.Fatalf("the cache holds %+v", all)
	}
	// the same size and times: only reading tells
	check(t, os.Chtimes(dir+"/a", time.Time{}, time.Unix(1, 0)))
	p.publish()
	check(t, os.WriteFile(dir+"/a", []byte("b"), 0o644))
	check(t, os.Chtimes(dir+"/a", time.Time{}, time.Unix(1, 0)))
	want(t, p.says(), `changes`, `file 0644 "a" "b"`)
}

// Versions of the drive that the cache does not know are followed from the one that it knows.
func TestImportFollowsDrive(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a": "a", "b": "b", "c": "c", "l": "->a"})
	p := publish(t, dir)
	p.publish()
	p.publish()
	p.lie() // whoever lists the names instead sees files that differ from the cache
	add := func(build func(w *stream.Writer)) {
		var b bytes.Buffer
		w := stream.NewWriter(&b)
		build(w)
		check(t, w.Close())
		p.take(&b)
	}
	add(func(w *stream.Writer) {
		check(t, w.File(0o644, 1, "other"))
		check(t, w.Delete("b"))
		check(t, w.Link("l", "elsewhere"))
		check(t, w.File(0o600, 1, "c"))
	})
	want(t, p.says(), `changes`, `file 0644 "b" "b"`, `file 0644 "c" "c"`, `link "l" "a"`, `delete "other"`)
	// one that is not of this drive is not followed
	c := openStatCache(p.cacheFile())
	origin := c.statOrigin
	c.close()
	all, _ := readCache(t, p.cacheFile())
	for what, wrong := range map[string]func(o *statOrigin){
		"another drive":     func(o *statOrigin) { o.key[0]++ },
		"another fork":      func(o *statOrigin) { o.since.Fork++; o.led.Fork++ },
		"another tree":      func(o *statOrigin) { o.since.TreeHash[0]++; o.led.TreeHash[0]++ },
		"a version to come": func(o *statOrigin) { o.since.Length += 100; o.led.Length += 100 },
		"half a version":    func(o *statOrigin) { o.since.Length--; o.led.Length-- },
		"none":              func(o *statOrigin) { o.since, o.led = stream.Since{}, stream.Since{} },
	} {
		other := origin
		wrong(&other)
		writeCache(t, p.cacheFile(), other, nil, all)
		opt := p.opt
		opt.Since = p.newest()
		past, err := openPast(t.Context(), []*source{{places: []string{resolved(t, dir)}}}, &opt)
		check(t, err)
		if past.holds {
			t.Errorf("a cache of %s is followed", what)
		}
		past.close()
	}
}

// What has changed since is held in memory, so it is bounded: where it is more, all names are listed.
func TestChangedNamesAreBounded(t *testing.T) {
	n := &names{batch: make([]named, mostChanged-1)}
	item := hyperdrive.Item{Name: "/x"}
	if err := n.note(nil, &item); err != nil {
		t.Errorf("%d changes: %v", mostChanged, err)
	}
	if err := n.note(&item, nil); !errors.Is(err, errManyChanged) {
		t.Errorf("one more: %v", err)
	}
}

// Several folders, and one that is not at the root, go the long way, and come to the same.
func TestImportSinceOfSources(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"one/x": "1", "one/y": "1", "three": "3", "two/z": "2"})
	p := publish(t, dir)
	sources := []Source{{dir + "/one", "one"}, {dir + "/three", "three"}, {dir + "/two", "two"}}
	run := func(sources ...Source) *bytes.Buffer {
		var out bytes.Buffer
		w := stream.NewWriter(&out)
		opt := p.opt
		opt.Since = p.newest()
		done, err := Import(context.Background(), w, sources, opt)
		check(t, err)
		check(t, w.Close())
		check(t, done.Keep(nil))
		return &out
	}
	p.take(run(sources...))
	for range 2 {
		want(t, items(t, run(sources...)), `changes`)
	}
	want(t, items(t, run(sources[2])), `changes`, `delete "one/x"`, `delete "one/y"`, `delete "three"`)
	want(t, items(t, run(sources[0])), `changes`, `delete "three"`, `delete "two/z"`)
	want(t, items(t, run(sources[1])), `changes`, `delete "one/x"`, `delete "one/y"`, `delete "two/z"`)
	want(t, items(t, run(Source{Path: dir + "/one"})), `changes`, `delete "one/x"`, `delete "one/y"`, `delete "three"`, `delete "two/z"`, `file 0644 "x" "1"`, `file 0644 "y" "1"`)
	p.take(run(Source{Path: dir + "/one"}))
	p.dir = dir + "/one"
	p.publish()
	want(t, p.says(), `changes`)
	want(t, items(t, run(sources...)), `changes`, `file 0644 "one/x" "1"`, `file 0644 "one/y" "1"`, `file 0644 "three" "3"`, `file 0644 "two/z" "2"`, `delete "x"`, `delete "y"`)
	want(t, p.says(), `changes`)
}

// Names that no stream can name go, and no cache tells of them.
func TestImportPurges(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a": "a", "z": "z"})
	p := publish(t, dir)
	p.publish()
	for _, how := range []string{"followed", "listed"} {
		putLinks(t, p, "/a/../b", "/.hc/x", "/\xff", "/plain")
		if how == "listed" {
			check(t, os.Remove(p.cacheFile()))
		}
		from, done := p.stream()
		check(t, done.Keep(nil)) // of the version that has them
		want(t, items(t, bytes.NewReader(from.Bytes())), `changes`, `delete "plain"`, `purge`)
		want(t, p.says(), `changes`, `delete "plain"`, `purge`)
		if result := p.take(from); result.Removed != 4 {
			t.Errorf("%s: %+v", how, result)
		}
		want(t, p.says(), `changes`)
		p.publish()
	}
}

// putLinks puts links into the drive, past all rules.
func putLinks(t testing.TB, p *publication, names ...string) {
	t.Helper()
	ctx := context.Background()
	w, err := hypercore.OpenWriter(ctx, p.in, "d", hypercore.AppendOptions{Drive: true})
	check(t, err)
	defer w.Abort()
	batch := hyperbee.NewBatch(blocksOf{w}, w.View().Head().Length)
	target := "x"
	for _, name := range names {
		check(t, batch.Put(ctx, hyperdrive.Key(name), hyperdrive.Entry{Link: &target}.Encode()))
	}
	blocks, err := batch.Flush(ctx)
	check(t, err)
	check(t, w.Append(ctx, blocks...))
	_, err = w.Commit(ctx)
	check(t, err)
}

type blocksOf struct{ *hypercore.Writer }

func (b blocksOf) Block(ctx context.Context, seq uint64) ([]byte, error) {
	return b.View().Block(ctx, seq)
}

// A file that goes while it is read goes from the drive; one that comes back stays.
func TestImportGoneWhileRead(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a": "a", "b": strings.Repeat("b", smallFile+1), "c": "c"})
	p := publish(t, dir)
	p.publish()
	d := p.newest()
	for _, name := range []string{"a", "b"} {
		f := &found{source: &source{root: openRoot(t, dir)}, name: name, stat: lstatOf(t, filepath.Join(dir, name))}
		item, err := d.Get(t.Context(), "/"+name)
		check(t, err)
		r := record{path: []byte(name)}
		r.hold(entryOf(item))
		j := newJob(t.Context(), f, &r, &p.opt)
		check(t, p.opt.prepare())
		j.known = nil // so that the large one is not compared first
		saved, err := os.ReadFile(filepath.Join(dir, name))
		check(t, err)
		check(t, os.Remove(filepath.Join(dir, name)))
		j.load(&p.opt)
		var out bytes.Buffer
		w := stream.NewWriter(&out)
		since, err := d.Since(t.Context())
		check(t, err)
		check(t, w.Changes(since))
		check(t, (&output{w: w, opt: &p.opt}).job(j))
		check(t, w.Close())
		want(t, items(t, &out), `changes`, fmt.Sprintf("delete %q", name))
		if r := j.record(); r.here != hereNothing || r.drive != hasOther {
			t.Errorf("%s is noted as %+v", name, r)
		}
		check(t, os.WriteFile(filepath.Join(dir, name), saved, 0o644))
	}
}

func openRoot(t testing.TB, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	check(t, err)
	t.Cleanup(func() { check(t, root.Close()) })
	return root
}

// contents is what the drive has, with the bytes of files, and the mode that matters.
func (p *publication) contents() map[string]string {
	p.t.Helper()
	all := map[string]string{}
	d := p.newest()
	check(p.t, d.List(p.t.Context(), "/", func(item hyperdrive.Item) error {
		if item.Err != nil {
			return item.Err
		}
		if item.Entry.Link != nil {
			all[item.Name[1:]] = "->" + *item.Entry.Link
			return nil
		}
		var data bytes.Buffer
		err := hyperdrive.Content(p.t.Context(), d.Blobs(), item, &data)
		all[item.Name[1:]] = fmt.Sprintf("%v %s", hyperdrive.ParseMeta(item.Entry.Metadata).Mode, data.Bytes())
		return err
	}))
	return all
}

func sameContents(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: %q is %.60q, want %.60q", what, name, got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %q is too many", what, name)
		}
	}
	t.FailNow()
}
