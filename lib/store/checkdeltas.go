package store

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/hash"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

// checkDeltas reads the runs that have a base, now that it is known where the bases are, and which are damaged. The
// shadow says where: the store's derived files may be wrong.
func (c *Checker) checkDeltas(ctx context.Context) error {
	if !c.deltas {
		return nil
	}
	index, err := c.openShadow()
	if err != nil {
		return err
	}
	k := logCheck{checker: c, ctx: ctx, index: index}
	k.start()
	err = c.store.log.Scan(ctx, c.view, packlog.Position{}, false, func(r packlog.Record) error {
		if r.Kind != packlog.KindRun || len(r.Meta) < 2 || r.Meta[1] != records.CodecDelta {
			return nil
		}
		return k.delta(r.Position)
	})
	return errors.Join(err, k.wait())
}

// delta checks one run with a base, unless it is already known to be damaged.
func (k *logCheck) delta(at packlog.Position) error {
	k.mu.Lock()
	known := k.checker.badRuns[at] != nil
	k.mu.Unlock()
	if known {
		return nil
	}
	record, err := k.checker.store.log.ReadRecord(k.ctx, at)
	if err != nil {
		return err
	}
	e, err := records.Decode(record)
	if err != nil {
		return nil // reported already
	}
	return k.check(&record, e)
}

// base returns a block that is stored without a base, in a run that can be read.
func (k *logCheck) base(leaf hash.Digest) (data []byte, err error) {
	c := k.checker
	why := fmt.Errorf("%w: no run has its leaf hash %v", ErrBlockMissing, leaf)
	err = k.index.Index.Places(k.ctx, leaf, func(p place) bool {
		var e *records.Entry
		if e, err = c.shadow.reader.Meta(k.ctx, p.Run, packlog.KindRun); err == nil && e.Run.Codec == records.CodecDelta {
			err = fmt.Errorf("%w: the run at %v has a base, too", ErrDamaged, p.Run)
		}
		if err == nil {
			data, err = c.shadow.reader.Block(k.ctx, p)
		}
		if err != nil {
			why = err
		}
		return err != nil
	})
	if err != nil {
		return nil, err
	}
	if data == nil {
		return nil, why
	}
	if hash.Leaf(data) != leaf {
		return nil, fmt.Errorf("%w: it does not have its leaf hash %v", ErrDamaged, leaf)
	}
	return data, nil
}
