package packlog

import (
	"errors"
	"os"
	"slices"
)

const maxOpenFiles = 64 // packs kept open for reading, besides those in use

// openPack is a pack that is open for reading.
type openPack struct {
	name string
	file File
	uses int
	last uint64 // when it was last taken, by the cache's count
}

// fileCache keeps packs open for reading. It is guarded by Log.mu.
type fileCache struct {
	open  map[string]*openPack
	count uint64
}

// takeFile opens a pack for reading; giveFile must be called when done.
func (l *Log) takeFile(name string) (*openPack, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	c := &l.files
	p := c.open[name]
	if p == nil {
		file, err := l.fs.OpenFile(l.path(packsDir, name), os.O_RDONLY, 0)
		if err != nil {
			return nil, err
		}
		if c.open == nil {
			c.open = map[string]*openPack{}
		}
		p = &openPack{name: name, file: file}
		c.open[name] = p
	}
	c.count++
	p.uses, p.last = p.uses+1, c.count
	return p, nil
}

func (l *Log) giveFile(p *openPack) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.uses--
	c := &l.files
	if c.open[p.name] != p && p.uses == 0 {
		_ = p.file.Close() // dropped in the meantime; it was only read
		return
	}
	if len(c.open) <= maxOpenFiles {
		return
	}
	var oldest *openPack
	for _, other := range c.open {
		if other.uses == 0 && (oldest == nil || other.last < oldest.last) {
			oldest = other
		}
	}
	if oldest != nil {
		delete(c.open, oldest.name)
		_ = oldest.file.Close()
	}
}

// keep closes packs that are not in the folder any more; those in use are closed by their last user.
func (c *fileCache) keep(names []string) {
	for name, p := range c.open {
		if _, found := slices.BinarySearch(names, name); !found {
			delete(c.open, name)
			if p.uses == 0 {
				_ = p.file.Close()
			}
		}
	}
}

func (c *fileCache) close() error {
	var errs []error
	for _, p := range c.open {
		errs = append(errs, p.file.Close())
	}
	c.open = nil
	return errors.Join(errs...)
}
