package folder

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"hc/lib/hash"
	"hc/lib/stream"
)

// FORMAT.md, beside this file, has the format.
const (
	statMagic = "hc-stat 1\n"
	statPage  = 64 << 10 // the most bytes of a page's records
	statFixed = 5*8 + 32 // of a record, behind its path
	statHead  = 8        // of a page: length and checksum
)

// raceWindow is how much older than the moment of reading a file's times must be: less, and it might have been written
// once more without another time. The coarsest clock of a file system, FAT's, ticks every two seconds.
const raceWindow = 2 * time.Second

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A statCache knows the content of files by what stat says of them. It is read and written in one pass, in the order of
// keys: the one that the import before left, and the one that this import leaves.
type statCache struct {
	path string

	in   *bufio.Reader // nil at its end
	file *os.File
	page []byte // records that are still to be read
	name string // of the record that comes next; "" at first, and at the end
	next statRecord

	out    *os.File
	buf    *bufio.Writer
	filled []byte // the page to be written
	err    error  // of writing
}

type statRecord struct {
	fileStat
	sum [32]byte
}

// cacheName is the file in which what is known of the files of a folder stands.
func cacheName(folder string) string {
	sum := hash.SHA256([]byte(folder))
	return hex.EncodeToString(sum[:16])
}

// openStatCache opens a cache, or none where there is none that can be read.
func openStatCache(path string) *statCache {
	c := &statCache{path: path}
	file, err := os.Open(path)
	if err != nil {
		return c
	}
	c.file, c.in = file, bufio.NewReaderSize(file, statPage)
	magic := make([]byte, len(statMagic))
	if _, err := io.ReadFull(c.in, magic); err != nil || string(magic) != statMagic {
		c.in = nil
	}
	c.advance()
	return c
}

// create begins the file that will take the cache's place.
func (c *statCache) create() {
	dir := filepath.Dir(c.path)
	if c.err = os.MkdirAll(dir, 0o700); c.err != nil {
		return
	}
	removeLeftovers(c.path)
	c.out, c.err = os.CreateTemp(dir, filepath.Base(c.path)+".*.new")
	if c.err == nil {
		c.buf = bufio.NewWriterSize(c.out, statPage)
		_, c.err = c.buf.WriteString(statMagic)
	}
}

// removeLeftovers removes what was begun and never ended: nobody takes an hour, and who does loses the cache, no more.
func removeLeftovers(path string) {
	begun, _ := filepath.Glob(path + ".*.new")
	for _, name := range begun {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.Remove(name)
		}
	}
}

// lookup returns the sum of a file whose stat is as it was. Names come in ascending order.
func (c *statCache) lookup(name string, info fs.FileInfo) (sum [32]byte, ok bool) {
	for c.name != "" && c.name < name {
		c.advance()
	}
	if c.name != name || name == "" {
		return sum, false
	}
	stat, ok := statOf(info)
	return c.next.sum, ok && stat == c.next.fileStat
}

// advance reads the next record; where something is wrong the cache ends.
func (c *statCache) advance() {
	last := c.name
	c.name = ""
	if len(c.page) == 0 && !c.readPage() {
		return
	}
	n, used := binary.Uvarint(c.page)
	if used <= 0 || n == 0 || n > stream.MaxPath || uint64(len(c.page)-used) < n+statFixed {
		c.in, c.page = nil, nil
		return
	}
	name, rest := string(c.page[used:used+int(n)]), c.page[used+int(n):]
	if name <= last {
		c.in, c.page = nil, nil
		return
	}
	number := func(i int) uint64 { return binary.LittleEndian.Uint64(rest[8*i:]) }
	c.next.fileStat = fileStat{int64(number(0)), int64(number(1)), int64(number(2)), number(3), number(4)}
	copy(c.next.sum[:], rest[5*8:])
	c.name, c.page = name, rest[statFixed:]
}

// readPage reads a page, and reports whether there was a good one.
func (c *statCache) readPage() bool {
	if c.in == nil {
		return false
	}
	var head [statHead]byte
	in := c.in
	c.in = nil
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return false
	}
	length := binary.LittleEndian.Uint32(head[:])
	if length == 0 || length > statPage {
		return false
	}
	page := make([]byte, length)
	if _, err := io.ReadFull(in, page); err != nil {
		return false
	}
	if crc32.Checksum(page, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return false
	}
	c.in, c.page = in, page
	return true
}

// add notes the sum of a file whose stat was taken, unless it might have changed since without a trace. taken is the moment
// before it was read, zero for what the cache knew already.
func (c *statCache) add(name string, info fs.FileInfo, sum [32]byte, taken time.Time) {
	stat, ok := statOf(info)
	if !ok || c.err != nil || !taken.IsZero() && max(stat.mtime, stat.ctime) >= taken.Add(-raceWindow).UnixNano() {
		return
	}
	if len(c.filled)+binary.MaxVarintLen16+len(name)+statFixed > statPage {
		c.flush()
	}
	b := binary.AppendUvarint(c.filled, uint64(len(name)))
	b = append(b, name...)
	for _, n := range []uint64{uint64(stat.size), uint64(stat.mtime), uint64(stat.ctime), stat.inode, stat.device} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	c.filled = append(b, sum[:]...)
}

// flush writes a page.
func (c *statCache) flush() {
	if len(c.filled) == 0 || c.err != nil {
		return
	}
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(c.filled)))
	head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(c.filled, castagnoli))
	_, c.err = c.buf.Write(head)
	if c.err == nil {
		_, c.err = c.buf.Write(c.filled)
	}
	c.filled = c.filled[:0]
}

// closeIn closes what was read from.
func (c *statCache) closeIn() {
	if c.file != nil {
		_ = c.file.Close()
	}
}

// close puts what was noted in the place of the cache, with keep, or leaves that as it is.
func (c *statCache) close(keep bool) error {
	c.closeIn()
	if c.out == nil {
		return c.err
	}
	if keep {
		c.flush()
	}
	if c.err == nil {
		c.err = c.buf.Flush()
	}
	if err := c.out.Close(); c.err == nil {
		c.err = err
	}
	if c.err == nil && keep {
		c.err = os.Rename(c.out.Name(), c.path)
	}
	if c.err != nil || !keep {
		_ = os.Remove(c.out.Name())
	}
	if c.err != nil {
		return fmt.Errorf("writing %q: %w", c.path, c.err)
	}
	return nil
}
