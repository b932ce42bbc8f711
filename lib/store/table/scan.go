package table

import (
	"bytes"
	"context"
	"fmt"
	"iter"
)

// readAhead is how many pages a scan reads at once after a while.
const readAhead = 16

// A Row is a key and its value. Both are valid until the next row is requested.
type Row struct {
	Key, Value []byte
}

// Scan returns the rows in ascending order of keys, from the first that is not below from; nil means from the
// beginning. An error, of ctx or of the table, comes as the last pair, with a zero Row. A scan bypasses the cache,
// which it leaves to look-ups.
func (t *Table) Scan(ctx context.Context, from []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		c := cursor{table: t}
		ok, err := c.seek(ctx, from)
		for ok && err == nil {
			if !yield(c.row(), nil) {
				return
			}
			ok, err = c.next(ctx)
		}
		if err != nil {
			yield(Row{}, t.failed(err))
		}
	}
}

// Verify reads the whole table and returns an error wrapping ErrDamaged if any bit is not as it was written.
func (t *Table) Verify(ctx context.Context) error {
	h, err := readHeader(t.file, t.schema)
	if err != nil {
		return t.failed(err)
	}
	if h.id != t.header.id {
		return t.failed(fmt.Errorf("%w: its header was replaced", ErrDamaged))
	}
	rows := uint64(0)
	filter := newFilterCheck(t)
	for row, err := range t.Scan(ctx, nil) {
		if err == nil {
			err = filter.add(row.Key)
		}
		if err != nil {
			return err
		}
		rows++
	}
	if err := filter.finish(); err != nil {
		return err
	}
	if rows != h.rows {
		return t.failed(fmt.Errorf("%w: %d rows, but %d by its header", ErrDamaged, rows, h.rows))
	}
	return nil
}

// cursor is at a row of a table. Its zero value, with a table, is not at any row: seek first.
type cursor struct {
	table *Table
	at    page   // the page it is in
	index int    // of the row in it
	key   []byte // of that row
	last  []byte // last key of the previous page

	buffer []byte // that pages are read into
	raw    []byte // pages read, from the current one on
	number uint64 // of the current page; 0 before the first
	ahead  int    // number of pages in the last read
}

func (c *cursor) row() Row { return Row{Key: c.key, Value: c.at.value(c.index)} }

// seek goes to the first row that is not below from, and reports whether there is one.
func (c *cursor) seek(ctx context.Context, from []byte) (bool, error) {
	h := c.table.header
	if from != nil {
		if err := c.table.schema.checkKey(from); err != nil {
			return false, err
		}
	}
	if h.rows == 0 || bytes.Compare(from, h.last) > 0 {
		return false, nil
	}
	if bytes.Compare(from, h.first) <= 0 { // nil, too
		return c.nextPage(ctx)
	}
	number, err := c.copyPage(ctx, from)
	if err != nil {
		return false, err
	}
	if c.at, err = decodePage(c.table.schema, c.raw, h.id, number, false); err != nil {
		return false, err
	}
	c.number = number
	if c.index, _ = c.at.search(from); c.index == c.at.count {
		return c.nextPage(ctx)
	}
	c.key = c.at.appendKey(c.key[:0], c.index)
	return true, nil
}

// copyPage copies the page where key is, or would be, out of the cache: no page stays pinned while a caller holds a
// row.
func (c *cursor) copyPage(ctx context.Context, key []byte) (number uint64, err error) {
	f, _, err := c.table.find(ctx, key)
	if err != nil {
		return 0, err
	}
	defer f.release()
	c.raw = bytes.Clone(f.page[:])
	return f.key.number, nil
}

// next goes to the next row and reports whether there is one.
func (c *cursor) next(ctx context.Context) (bool, error) {
	if c.index+1 == c.at.count {
		return c.nextPage(ctx)
	}
	c.index++
	c.key = c.at.appendKey(c.key[:0], c.index)
	return true, nil
}

// nextPage goes to the first row of the next page and reports whether there is one.
func (c *cursor) nextPage(ctx context.Context) (bool, error) {
	if c.number == c.table.header.pages {
		return false, nil
	}
	if c.number > 0 {
		c.last = c.at.appendKey(c.last[:0], c.at.count-1)
		c.raw = c.raw[pageSize:]
	}
	if len(c.raw) == 0 {
		if err := c.readPages(ctx); err != nil {
			return false, err
		}
	}
	p, err := decodePage(c.table.schema, c.raw[:pageSize], c.table.header.id, c.number+1, true)
	if err != nil {
		return false, err
	}
	b := c.table.bracket()
	if c.number > 0 {
		b.from, b.low = c.number+1, c.last
	}
	if err := c.table.checkPlace(b, p, c.number+1); err != nil {
		return false, err
	}
	c.number++
	c.at, c.index = p, 0
	c.key = p.appendKey(c.key[:0], 0)
	return true, nil
}

// readPages reads the pages that follow, more each time.
func (c *cursor) readPages(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.ahead = min(max(2*c.ahead, 1), readAhead)
	pages := min(uint64(c.ahead), c.table.header.pages-c.number)
	size := int(pages) * pageSize
	if cap(c.buffer) < size {
		c.buffer = make([]byte, size)
	}
	c.raw = c.buffer[:size]
	return readFull(c.table.file, c.raw, c.table.header.at(c.number+1))
}
