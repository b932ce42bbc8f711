package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A FolderReader reads a stream of a folder: its items, and the blocks of its files. As with a Reader, the results
// count only once Next has returned io.EOF.
//
//	for {
//		item, err := r.Next()
//		if err == io.EOF {
//			break // every item came, in order and unharmed
//		}
//		…
//		for item.Kind == stream.KindFile {
//			batch, lines, err := r.NextBatch(batch[:0], 1<<20)
//			if err == io.EOF {
//				break // of this file
//			}
//			…
//		}
//	}
type FolderReader struct {
	r Reader
}

// errItem says that a folder frame comes next.
var errItem = errors.New("hc-stream: internal error: a folder frame")

// NewFolderReader returns a FolderReader of r. It reads ahead.
func NewFolderReader(r io.Reader) *FolderReader {
	return &FolderReader{Reader{r: r, buf: make([]byte, readBuffer), folder: &folderRules{}}}
}

// Next returns the next item, and skips unread blocks of the one before. It returns io.EOF after a valid end frame
// with nothing after it, and only there. Errors are those of a Reader, and final.
func (f *FolderReader) Next() (Item, error) {
	r := &f.r
	for {
		r.data, r.left = nil, nil
		switch err := r.advance(false); err {
		case nil:
		case errItem:
			it, err := r.readItem()
			r.err = err
			return it, err
		default:
			return Item{}, err
		}
	}
}

// NextBatch appends to dst the next blocks of the file that Next returned last, as a Reader's NextBatch does. It
// returns io.EOF at the file's end, and at once for an item that is no file; that says nothing yet about the stream.
func (f *FolderReader) NextBatch(dst [][]byte, maxBytes int) (batch [][]byte, lines bool, err error) {
	if f.r.err == nil && !f.r.folder.inFile {
		return dst, false, io.EOF
	}
	batch, lines, err = f.r.NextBatch(dst, maxBytes)
	if err == errItem {
		err = io.EOF
	}
	return batch, lines, err
}

// readItem reads the folder frame that comes next.
func (r *Reader) readItem() (Item, error) {
	r.frame++
	r.at = r.offset
	size, err := r.findHeader(false)
	if err != nil {
		return Item{}, err
	}
	word, rest, more := cutWord(r.buf[r.start : r.start+size-1])
	it, length, err := parseItem(kindOf(word), rest, more)
	if err != nil {
		return Item{}, r.malformed(err)
	}
	switch it.Kind {
	case KindLink:
		it.Target, size, err = r.readTarget(size, length)
	case KindSame:
		it.Target, size, err = r.readEarlier(size)
	}
	if err != nil {
		return Item{}, err
	}
	if err := r.folder.admit(it); err != nil {
		return Item{}, r.malformed(err)
	}
	r.consume(size)
	return it, nil
}

// readTarget returns the target of a link, which is length bytes after a header of size bytes, and the size of the
// frame.
func (r *Reader) readTarget(size, length int) (string, int, error) {
	whole := size + length + 1
	if err := r.need(whole, false); err != nil {
		return "", 0, r.unexpected(err)
	}
	if r.buf[r.start+whole-1] != '\n' {
		return "", 0, r.malformed(fmt.Errorf("no LF after its target of %d bytes", length))
	}
	return string(r.buf[r.start+size : r.start+whole-1]), whole, nil
}

// readEarlier returns the path on the second line of a frame, after size bytes, and the size of the frame.
func (r *Reader) readEarlier(size int) (string, int, error) {
	n, err := r.findLine(size, false)
	if err != nil {
		return "", 0, err
	}
	line := bytes.TrimSuffix(r.buf[r.start+size:r.start+size+n], []byte("\n"))
	path, err := unquote(line)
	if err != nil {
		return "", 0, r.malformed(err)
	}
	return path, size + n, nil
}
