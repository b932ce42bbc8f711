package folder

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hc/lib/stream"
)

// An editor edits a folder at random. Each edit shows in the stat, as the clock of the file system may stand still meanwhile.
type editor struct {
	t    testing.TB
	dice *rand.Rand
	dir  string
	tick int64
}

// path is one of few, so that they meet: as a file, a link and a folder.
func (e *editor) path() string {
	parts := make([]string, 1+e.dice.IntN(3))
	for i := range parts {
		parts[i] = string(rune('a' + e.dice.IntN(4)))
		if e.dice.IntN(8) == 0 {
			parts[i] += "-ü"
		}
	}
	return strings.Join(parts, "/")
}

// some is a path of something that is there, if there is something.
func (e *editor) some() string {
	var all []string
	check(e.t, filepath.WalkDir(e.dir, func(path string, _ fs.DirEntry, err error) error {
		if path != e.dir {
			all = append(all, path)
		}
		return err
	}))
	if len(all) == 0 {
		return filepath.Join(e.dir, "nothing")
	}
	return all[e.dice.IntN(len(all))]
}

// clear makes room for a path: what is there goes, and files where its folders should be.
func (e *editor) clear(path string) string {
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		above := filepath.Join(e.dir, path[:i])
		if info, err := os.Lstat(above); err == nil && !info.IsDir() {
			check(e.t, os.Remove(above))
		}
	}
	path = filepath.Join(e.dir, path)
	check(e.t, os.RemoveAll(path))
	check(e.t, os.MkdirAll(filepath.Dir(path), 0o755))
	return path
}

func (e *editor) touch(path string) {
	e.tick++
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
		check(e.t, os.Chtimes(path, time.Time{}, time.Unix(1_000_000+e.tick, e.tick)))
	}
}

func (e *editor) write(path string) {
	size := e.dice.IntN(100)
	if e.dice.IntN(20) == 0 {
		size = smallFile + e.dice.IntN(1000)
	}
	check(e.t, os.WriteFile(path, bytes.Repeat([]byte{byte(e.dice.IntN(4))}, size), 0o644))
	e.touch(path)
}

func (e *editor) edit() {
	switch e.dice.IntN(11) {
	case 0, 1, 2:
		e.write(e.clear(e.path()))
	case 3:
		if path := e.some(); isFile(path) {
			e.write(path)
		}
	case 4:
		path := e.clear(e.path())
		check(e.t, os.Symlink([]string{"a", "b/c", "../x", e.dir + "/a"}[e.dice.IntN(4)], path))
	case 5:
		check(e.t, os.RemoveAll(e.some()))
	case 6:
		e.touch(e.some())
	case 7:
		if path := e.some(); isFile(path) {
			check(e.t, os.Chmod(path, []fs.FileMode{0o644, 0o755, 0o600}[e.dice.IntN(3)]))
		}
	case 8: // what is renamed keeps its inode and times
		from := e.some()
		to := filepath.Join(e.dir, fmt.Sprintf("%c%d", 'a'+rune(e.dice.IntN(4)), e.dice.IntN(3)))
		check(e.t, os.RemoveAll(to))
		if _, err := os.Lstat(from); err == nil {
			check(e.t, os.Rename(from, to))
		}
	case 9:
		path := filepath.Join(e.dir, IgnoreFile)
		check(e.t, os.RemoveAll(path))
		check(e.t, os.WriteFile(path, []byte([]string{"/a/*\n", "b\n", "*-ü\n!a-ü\n", ""}[e.dice.IntN(4)]), 0o644))
		e.touch(path)
	case 10: // a store in it is not looked into
		path := filepath.Join(e.dir, "d", ".HC")
		if info, err := os.Lstat(filepath.Dir(path)); err == nil && info.IsDir() {
			check(e.t, os.MkdirAll(path, 0o755))
			check(e.t, os.WriteFile(path+"/secret", nil, 0o600))
		}
	}
}

func isFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

// Whatever was edited, and whatever became of the imports before, an import by what is known makes of the drive what a full
// one makes of it that reads all files and lists all names.
func TestImportByCacheIsFullImport(t *testing.T) {
	seeds := uint64(8)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			e := &editor{t: t, dice: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir()}
			fast, full := publish(t, e.dir), publish(t, e.dir)
			full.opt.StatDir, full.opt.Checksum = "", true
			for range 30 {
				e.edit()
			}
			followed := 0
			for round := range 20 {
				for range e.dice.IntN(6) {
					e.edit()
				}
				exclude := []string(nil)
				if e.dice.IntN(4) == 0 {
					exclude = []string{"/b", "c-*"}
				}
				fast.opt.Exclude, full.opt.Exclude = exclude, exclude
				if e.dice.IntN(5) == 0 {
					e.others(fast, full)
				}
				if e.follows(fast) {
					followed++
				}
				e.publishSomehow(fast)
				full.publish()
				if got, want := fast.listing(), full.listing(); got != want {
					t.Fatalf("round %d: the drive has\n%s\nwant\n%s", round, got, want)
				}
				version := fast.newest().Version()
				if again := fast.publish(); again.Length != version || again.Blocks != 0 {
					t.Fatalf("round %d: nothing has changed, and version %d became %d, with %d blocks", round, version, again.Length, again.Blocks)
				}
			}
			e.sameAsDisk(fast)
			if followed < 5 {
				t.Errorf("%d imports went by the cache", followed)
			}
		})
	}
}

// follows reports whether the next import will believe the cache.
func (e *editor) follows(p *publication) bool {
	d := p.newest()
	if d == nil {
		return false
	}
	opt := p.opt
	opt.Since = d
	past, err := openPast(e.t.Context(), []*source{{places: []string{resolved(e.t, p.dir)}}}, &opt)
	check(e.t, err)
	defer past.close()
	return past.holds
}

// others lets somebody else write into both drives.
func (e *editor) others(to ...*publication) {
	path, link := e.path(), e.dice.IntN(2) == 0
	for _, p := range to {
		d := p.newest()
		if d == nil {
			return
		}
		since, err := d.Since(e.t.Context())
		check(e.t, err)
		var b bytes.Buffer
		w := stream.NewWriter(&b)
		check(e.t, w.Changes(since))
		if link {
			check(e.t, w.Link("theirs", "x"))
			check(e.t, w.Delete(path))
		} else {
			check(e.t, w.File(0o644, 5, "0/theirs"))
			check(e.t, w.Chunk([]byte("theirs")))
		}
		check(e.t, w.Close())
		p.take(&b)
	}
}

// publishSomehow publishes as hc share does, as a pipe does, or in a way that was interrupted.
func (e *editor) publishSomehow(p *publication) {
	saved, _ := os.ReadFile(p.cacheFile())
	from, done := p.stream()
	switch e.dice.IntN(6) {
	case 0, 1: // hc share
		result := p.take(from)
		check(e.t, done.Keep(&result))
	case 2: // a pipe
		check(e.t, done.Keep(nil))
		p.take(from)
	case 3: // killed behind the commit
		p.take(from)
		done.Drop()
	case 4: // killed before the commit, and once more, of which the cache got lost
		check(e.t, done.Keep(nil))
		again, more := p.stream()
		more.Drop()
		p.take(again)
	case 5: // two at once: the one that built on an older version writes its cache last
		result := p.take(from)
		check(e.t, done.Keep(&result))
		if saved != nil {
			check(e.t, os.WriteFile(p.cacheFile(), saved, 0o600))
		}
		if e.dice.IntN(3) == 0 {
			check(e.t, os.WriteFile(p.cacheFile(), flip(saved, e.dice), 0o600))
		}
	}
}

func flip(b []byte, dice *rand.Rand) []byte {
	b = bytes.Clone(b)
	if len(b) > 0 {
		b[dice.IntN(len(b))] ^= 1 << dice.IntN(8)
	}
	return b
}

// sameAsDisk sees that the drive has what the folder has, and its bytes.
func (e *editor) sameAsDisk(p *publication) {
	want := map[string]string{}
	var b bytes.Buffer
	w := stream.NewWriter(&b)
	_, err := Import(context.Background(), w, []Source{{Path: p.dir}}, Options{Exclude: p.opt.Exclude})
	check(e.t, err)
	check(e.t, w.Close())
	for _, i := range items(e.t, &b) {
		switch i.Kind {
		case stream.KindLink:
			want[i.Path] = "->" + i.Target
		case stream.KindFile:
			want[i.Path] = fmt.Sprintf("%v %s", i.Mode, i.content)
		}
	}
	sameContents(e.t, "the drive", p.contents(), want)
}
