package checkpoint

import (
	"hc/lib/store/commits"
	"hc/lib/store/packlog"
)

// read takes in the log from a position on. An append that this process has just committed is not read back: its
// records are at hand.
func (cp *Writer) read(from packlog.Position) error {
	if !cp.knows(from, cp.own) {
		return cp.reader.Run(cp.ctx, cp.view, from, cp.apply)
	}
	if from.Less(cp.own.First) {
		before := cp.view
		before.Readable = cp.own.First
		if err := cp.reader.Run(cp.ctx, before, from, cp.apply); err != nil {
			return err
		}
	}
	if err := cp.reader.TakeWhole(cp.own, cp.apply); err != nil {
		return err
	}
	if !cp.own.End.Less(cp.view.Readable) {
		return nil
	}
	return cp.reader.Run(cp.ctx, cp.view, cp.own.End, cp.apply)
}

// knows reports whether an append is in the log where it was written, wholly after a position and before the readable
// end. Packs are not rewritten while the checkpoint's lock is held.
func (cp *Writer) knows(from packlog.Position, own *commits.Written) bool {
	if own == nil || own.Empty() || own.First.Less(from) || cp.view.Readable.Less(own.End) {
		return false
	}
	return cp.source.Log.Current(own.First) && cp.source.Log.Current(own.Head())
}
