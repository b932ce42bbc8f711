package folder

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"hc/lib/hash/simd"
	"hc/lib/keys"
	"hc/lib/stream"
)

// FORMAT.md, beside this file, has the format.
const (
	statMagic   = "hc-stat 2\n"
	statVersion = 8 + 8 + 32                // bytes of a version in the head
	statHead    = 32 + 2*statVersion + 4    // bytes of the head
	statPage    = 64 << 10                  // the most bytes of a page's records
	statFirst   = len(statMagic) + statHead // where the pages begin
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errStatCache says that a stat cache is damaged, or not one at all.
var errStatCache = errors.New("not a whole stat cache")

// statOrigin says which drive a cache is of.
type statOrigin struct {
	key   keys.Key
	since stream.Since // the version that its records are about; its length is 0 if there is none
	led   stream.Since // the version that has what the folder had, likewise
}

func (o statOrigin) encode() []byte {
	b := append([]byte(nil), o.key[:]...)
	for _, v := range []stream.Since{o.since, o.led} {
		b = binary.LittleEndian.AppendUint64(b, v.Fork)
		b = binary.LittleEndian.AppendUint64(b, v.Length)
		b = append(b, v.TreeHash[:]...)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func (o *statOrigin) parse(b []byte) error {
	if crc32.Checksum(b[:statHead-4], castagnoli) != binary.LittleEndian.Uint32(b[statHead-4:]) {
		return errStatCache
	}
	b = b[copy(o.key[:], b):]
	for _, v := range []*stream.Since{&o.since, &o.led} {
		v.Fork, v.Length = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		copy(v.TreeHash[:], b[16:])
		b = b[statVersion:]
	}
	return nil
}

// cacheName returns the name of the file with the cache of a folder.
func cacheName(folder string) string {
	sum := simd.SHA256([]byte(folder))
	return hex.EncodeToString(sum[:16])
}

// A statCache is read in one pass, in the order of paths.
type statCache struct {
	statOrigin
	file *os.File
	in   *bufio.Reader
	crc  uint32
	buf  []byte
	page []byte // records that are still to be read

	next record
	ok   bool   // next is a record
	last []byte // path of the one before
}

// openStatCache opens a cache. It returns nil if there is none, or it is damaged.
func openStatCache(path string) *statCache {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	c := &statCache{file: file, in: bufio.NewReaderSize(file, statPage), buf: make([]byte, statPage)}
	if err := c.check(); err != nil {
		c.close()
		return nil
	}
	return c
}

// check reads the whole cache, so that a damaged one is not used at all, and then returns to its first record.
func (c *statCache) check() error {
	head := make([]byte, statFirst)
	if _, err := io.ReadFull(c.in, head); err != nil {
		return err
	}
	if string(head[:len(statMagic)]) != statMagic {
		return errStatCache
	}
	if err := c.parse(head[len(statMagic):]); err != nil {
		return err
	}
	err := c.advance()
	for err == nil && c.ok {
		err = c.advance()
	}
	if err != nil {
		return err
	}
	if _, err := c.in.ReadByte(); err != io.EOF {
		return errStatCache
	}
	if _, err := c.file.Seek(int64(statFirst), io.SeekStart); err != nil {
		return err
	}
	c.in.Reset(c.file)
	c.crc, c.page, c.next = 0, nil, record{}
	return c.advance()
}

// advance moves to the next record; c.ok is false after the last one.
func (c *statCache) advance() (err error) {
	c.ok = false
	c.last = append(c.last[:0], c.next.path...)
	if len(c.page) == 0 {
		if c.page, err = c.readPage(); err != nil || len(c.page) == 0 {
			return err
		}
	}
	if c.page, err = c.next.parse(c.page); err != nil {
		return err
	}
	if bytes.Compare(c.next.path, c.last) <= 0 {
		return errStatCache
	}
	c.ok = true
	return nil
}

// readPage returns the records of the next page; it has none at the end.
func (c *statCache) readPage() ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(head[:])
	if length > statPage {
		return nil, errStatCache
	}
	page := c.buf[:length]
	if _, err := io.ReadFull(c.in, page); err != nil {
		return nil, err
	}
	c.crc = pageSum(c.crc, page)
	if c.crc != binary.LittleEndian.Uint32(head[4:]) {
		return nil, errStatCache
	}
	return page, nil
}

// pageSum returns the checksum of a page, given that of the page before it.
func pageSum(before uint32, records []byte) uint32 {
	sum := crc32.Checksum(binary.LittleEndian.AppendUint32(nil, before), castagnoli)
	return crc32.Update(sum, castagnoli, records)
}

func (c *statCache) close() {
	if c != nil {
		_ = c.file.Close() // only read from
	}
}

// failed returns the error of reading a cache that was whole a moment ago.
func (c *statCache) failed(err error) error {
	return fmt.Errorf("reading %q again: %w: import again", c.file.Name(), err)
}
