package commits

import "hc/lib/store/packlog"

const (
	// mostWrote is how many bytes of the records of a transaction, without the payloads of runs, are held for the checkpoint behind its
	// commit: those of 4 GiB in blocks of 64 KiB. A longer transaction is read back: its memory does not depend on how much it writes.
	mostWrote = 4 << 20
	// recordCost is what a record costs in memory beside its bytes.
	recordCost = 128
)

// Written is the records that a transaction wrote, without the payloads, if they are not too many and stand one behind the other in one pack; else
// nothing.
type Written struct {
	ID         packlog.AppendID
	First, End packlog.Position // of the first one, and behind the last
	Bytes      int              // of memory
	records    []writtenRecord
	over       bool // it was too much, or somebody else wrote between, or it goes on in another pack: there is nothing
}

// writtenRecord is a record of them. Its bytes are not copied: nobody changes them.
type writtenRecord struct {
	kind    packlog.Kind
	meta    []byte
	payload int    // bytes
	offset  uint64 // in the pack
}

// Add notes a batch that was written.
func (w *Written) Add(records []packlog.Record, at []packlog.Position) {
	for i, r := range records {
		if len(w.records) == 0 {
			w.First, w.End = at[i], at[i]
		}
		w.Bytes += len(r.Meta) + recordCost
		if w.over = w.over || w.Bytes > mostWrote || at[i] != w.End; w.over {
			w.records = nil
			return
		}
		w.End = r.Behind(at[i])
		w.records = append(w.records, writtenRecord{kind: r.Kind, meta: r.Meta, payload: r.Length(), offset: at[i].Offset})
	}
}

// record returns a record as a scan of the log would. The last one is the head that commits them.
func (w *Written) record(i int) packlog.Record {
	at := w.First
	at.Offset = w.records[i].offset
	return packlog.Record{
		Kind: w.records[i].kind, Append: w.ID, Commit: i == len(w.records)-1, Position: at,
		Meta: w.records[i].meta, PayloadLen: w.records[i].payload,
	}
}

// Empty reports whether it has none.
func (w *Written) Empty() bool { return len(w.records) == 0 }

// Head returns where the head is: the last record, of those that are not empty.
func (w *Written) Head() packlog.Position { return w.record(len(w.records) - 1).Position }
