package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"hc/lib/hidden"
	"hc/lib/stream"
)

// An entry is what a folder holds under a name.
type entry struct {
	name string // a folder's ends in /, as in the keys of its content
	stat fileStat
}

// A listing is what is in a folder and not left out, in the order of keys.
type listing struct {
	root    *os.Root
	prefix  string // of its paths in the drive: its own path, and a /
	rules   *rules // its own, and those of the folders above
	entries []entry
	gone    bool // the folder is gone
	err     error
}

// list reads an open folder. Its ignore file adds to the rules of the folders above. Any goroutine may call it.
func (w *walker) list(l *listing) {
	l.entries, l.err = readFolder(l.root)
	if l.err != nil {
		l.err = fmt.Errorf("reading folder %q: %w", l.root.Name(), l.err)
		return
	}
	if l.err = l.readRules(); l.err != nil {
		return
	}
	if l.rules == nil && len(w.opt.rules.list) == 0 {
		return
	}
	l.entries = slices.DeleteFunc(l.entries, func(e entry) bool {
		return w.leftOut(l.rules, l.prefix+strings.TrimSuffix(e.name, "/"), e.stat.mode.IsDir())
	})
}

// listedAhead is how many folders in a folder are listed before their turn comes.
const listedAhead = 8

// statTogether is how many files of a folder one goroutine looks at.
const statTogether = 512

// readFolder returns what is in a folder, in the order of keys, except for a store and unfinished files.
func readFolder(at *os.Root) ([]entry, error) {
	dir, err := at.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close() // only read from
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return hidden.Path(name) || isTemp(name) })
	slices.Sort(names) // leaves next to nothing to sort afterwards
	entries := make([]entry, len(names))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < len(names); from += statTogether {
		to := min(from+statTogether, len(names))
		look := func() error { return lookAt(at, dir, names[from:to], entries[from:to]) }
		if to == len(names) { // no goroutine for a small folder
			err = look()
			break
		}
		group.Go(look)
	}
	if err := errors.Join(group.Wait(), err); err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e entry) bool { return e.name == "" })
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return entries, nil
}

// lookAt fills in the entries of names, except for those that have gone since the names were read.
func lookAt(at *os.Root, dir *os.File, names []string, entries []entry) error {
	for i, name := range names {
		stat, err := lstat(at, dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if stat.mode.IsDir() {
			name += "/"
		}
		entries[i] = entry{name, stat}
	}
	return nil
}

// open opens and lists a folder that was seen in another one, and makes sure that it is still the same.
func (w *walker) open(in *listing, e entry) *listing {
	l := &listing{prefix: in.prefix + e.name, rules: in.rules}
	l.root, l.err = in.root.OpenRoot(strings.TrimSuffix(e.name, "/"))
	if errors.Is(l.err, fs.ErrNotExist) {
		l.gone, l.err = true, nil // since it was seen
	}
	if l.gone || l.err != nil {
		return l
	}
	if l.err = l.isStill(e.stat); l.err == nil {
		w.list(l)
	}
	return l
}

// isStill returns an error if the folder is not the one that was seen.
func (l *listing) isStill(seen fileStat) error {
	dir, err := l.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close() // only read from
	stat, err := fstat(dir)
	if err == nil && !stat.sameAs(seen) {
		err = fmt.Errorf("folder %q: %w", strings.TrimSuffix(l.prefix, "/"), ErrChanged)
	}
	return err
}

func (l *listing) close() {
	if l.root != nil {
		_ = l.root.Close() // only read from
	}
}

// children are the folders in a folder. They are listed in order, some of them before their turn comes.
type children struct {
	w       *walker
	of      *listing
	next    int // the next entry of of to look at
	started []chan *listing
}

// get returns the listing of the next folder. The caller closes it.
func (c *children) get() *listing {
	c.start()
	first := c.started[0]
	c.started = c.started[1:]
	return <-first
}

// start begins to list folders, up to listedAhead at once.
func (c *children) start() {
	for len(c.started) < listedAhead && c.next < len(c.of.entries) {
		e := c.of.entries[c.next]
		c.next++
		if !e.stat.mode.IsDir() || stream.CheckPath(c.of.prefix+strings.TrimSuffix(e.name, "/")) != nil {
			continue
		}
		ready := make(chan *listing, 1)
		c.started = append(c.started, ready)
		go func() {
			c.w.slots <- struct{}{}
			defer func() { <-c.w.slots }()
			ready <- c.w.open(c.of, e)
		}()
	}
}

// close waits for listings that were begun and are not wanted any more.
func (c *children) close() {
	for _, child := range c.started {
		(<-child).close()
	}
}
