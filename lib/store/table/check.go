package table

import (
	"context"
	"errors"
)

// Check reads the whole table, as Verify does, and also returns the offset in bytes of the first page that is wrong.
func (t *Table) Check(ctx context.Context) (offset int64, err error) {
	if err = t.Verify(ctx); !errors.Is(err, ErrDamaged) {
		return 0, err
	}
	raw := make([]byte, pageSize)
	if at, bad := t.checkFilter(ctx, raw); bad {
		return at, err
	}
	for number := uint64(1); number <= t.header.pages; number++ {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if readFull(t.file, raw, t.header.at(number)) != nil {
			return t.header.at(number), err
		}
		if _, bad := decodePage(t.schema, raw, t.header.id, number, true); bad != nil {
			return t.header.at(number), err
		}
	}
	return 0, err
}
