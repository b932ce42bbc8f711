package folder

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hc/lib/stream"
)

// raceWindow is how much older than the moment of reading a file's times must be. Otherwise it might be written again without
// getting another time. The coarsest clock of a file system, FAT's, ticks every two seconds.
const raceWindow = 2 * time.Second

// isRacy reports whether a file might have changed without a trace since it was read at a moment.
func isRacy(stat fileStat, taken time.Time) bool {
	return !stat.telling() || !stat.youngest().Before(taken.Add(-raceWindow))
}

// A statWriter writes the stat cache that an import leaves.
type statWriter struct {
	statOrigin
	path string
	out  *os.File // nil once it is closed
	buf  *bufio.Writer
	page []byte // to be written
	crc  uint32
	err  error
}

// createStatCache begins the file that will replace a cache.
func createStatCache(path string, origin statOrigin) *statWriter {
	c := &statWriter{path: path, statOrigin: origin}
	dir := filepath.Dir(path)
	if c.err = os.MkdirAll(dir, 0o700); c.err != nil {
		return c
	}
	removeLeftovers(path)
	c.out, c.err = os.CreateTemp(dir, filepath.Base(path)+".*.new")
	if c.err == nil {
		c.buf = bufio.NewWriterSize(c.out, statPage)
		c.write([]byte(statMagic))
		c.write(c.encode())
	}
	return c
}

// removeLeftovers removes files that were begun and never finished. No import takes an hour; one that did would only lose the
// cache.
func removeLeftovers(path string) {
	begun, _ := filepath.Glob(path + ".*.new")
	for _, name := range begun {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.Remove(name)
		}
	}
}

func (c *statWriter) write(b []byte) {
	if c.err == nil {
		_, c.err = c.buf.Write(b)
	}
}

// add appends whole records, at most a page of them.
func (c *statWriter) add(records []byte) {
	if len(c.page)+len(records) > statPage {
		c.flush()
	}
	c.page = append(c.page, records...)
}

// flush writes a page.
func (c *statWriter) flush() {
	c.crc = pageSum(c.crc, c.page)
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(c.page)))
	c.write(binary.LittleEndian.AppendUint32(head, c.crc))
	c.write(c.page)
	c.page = c.page[:0]
}

// keep replaces the cache with the file that was written. led is the version of the drive that has what the folder had, nil if
// that is not known.
func (c *statWriter) keep(led *stream.Since) error {
	defer c.drop()
	if c.err == nil && c.out != nil {
		c.err = c.end(led)
	}
	if c.err != nil {
		return fmt.Errorf("writing %q: %w", c.path, c.err)
	}
	return nil
}

func (c *statWriter) end(led *stream.Since) error {
	if len(c.page) > 0 {
		c.flush()
	}
	c.flush() // an empty page ends the file
	if c.err != nil {
		return c.err
	}
	if err := c.buf.Flush(); err != nil {
		return err
	}
	if led != nil {
		c.led = *led
	}
	if _, err := c.out.WriteAt(c.encode(), int64(len(statMagic))); err != nil {
		return err
	}
	if err := c.out.Close(); err != nil {
		return err
	}
	return os.Rename(c.out.Name(), c.path)
}

// drop removes the file that was written, unless it was kept.
func (c *statWriter) drop() {
	if c.out != nil {
		_ = c.out.Close()
		_ = os.Remove(c.out.Name()) // fails if it was renamed
		c.out = nil
	}
}
