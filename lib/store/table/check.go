package table

import (
	"context"
	"errors"
)

// Check reads the whole table, as Verify does, and returns also where the first page begins that is not right, in bytes.
func (t *Table) Check(ctx context.Context) (offset int64, err error) {
	if err = t.Verify(ctx); !errors.Is(err, ErrDamaged) {
		return 0, err
	}
	raw := make([]byte, pageSize)
	for number := uint64(1); number <= t.header.pages; number++ {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if readFull(t.file, raw, int64(number)*pageSize) != nil {
			return int64(number) * pageSize, err
		}
		if _, bad := decodePage(t.schema, raw, t.header.id, number, true); bad != nil {
			return int64(number) * pageSize, err
		}
	}
	return 0, err
}
