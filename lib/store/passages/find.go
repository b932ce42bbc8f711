package passages

import (
	"context"
	"errors"

	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

// In returns where the blocks of a passage are in a run; ok is false if the run does not have them in a row. The error
// is that of reading the run's record, and wraps packlog.ErrDamaged or packlog.ErrMoved if that is not there.
func In(ctx context.Context, r *runs.Reader, run packlog.Position, x *records.Passage) (at runs.Place, ok bool, err error) {
	e, err := r.Meta(ctx, run, packlog.KindRun)
	if err != nil {
		return runs.Place{}, false, err
	}
	number, ok := x.In(e.Run)
	if !ok {
		return runs.Place{}, false, nil
	}
	return runs.Place{Run: run, At: number}, true, nil
}

// Finder looks for passages where an index leads, in a log and with a reader of its runs. Safe for concurrent use.
type Finder struct {
	Log    *packlog.Log
	Reader *runs.Reader
}

// Indexed returns where a passage is; ok is false if the index does not lead to it.
func (f *Finder) Indexed(ctx context.Context, in derived.Index, x *records.Passage) (at runs.Place, ok bool, err error) {
	looking := in.Places(ctx, x.Leaf, func(p runs.Place) bool {
		at, ok, err = f.InRun(ctx, p.Run, x)
		return !ok && err == nil
	})
	if err == nil {
		err = looking
	}
	return at, ok, err
}

// InRun returns where a passage is in a run, if the run is there and has it. The run's blocks may be damaged: its meta
// still names them.
func (f *Finder) InRun(ctx context.Context, run packlog.Position, x *records.Passage) (at runs.Place, ok bool, err error) {
	if !f.Log.Current(run) {
		return runs.Place{}, false, nil
	}
	at, ok, err = In(ctx, f.Reader, run, x)
	if errors.Is(err, packlog.ErrDamaged) {
		return runs.Place{}, false, nil
	}
	return at, ok, err
}
