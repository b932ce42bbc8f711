package commits

import "hc/lib/store/packlog"

const (
	// mostWrote is how many bytes of a transaction's records, without the payloads of runs, are held for the checkpoint
	// after its commit: those of 4 GiB in blocks of 64 KiB. A longer transaction is read back: its memory does not
	// depend on how much it writes.
	mostWrote = 4 << 20
	// recordCost is what a record takes in memory besides its bytes.
	recordCost = 128
)

// Written is the records that a transaction wrote, without the payloads, if they are not too many and follow one
// another in one pack; otherwise it is empty.
type Written struct {
	ID         packlog.AppendID
	First, End packlog.Position // of the first one, and after the last
	Bytes      int              // of memory
	records    []writtenRecord
	over       bool // too much was written, or somebody else wrote in between, or it continues in another pack: nothing is kept
}

// writtenRecord is one of these records. Its bytes are not copied: nobody changes them.
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

// Empty reports whether there are no records.
func (w *Written) Empty() bool { return len(w.records) == 0 }

// Head returns where the head is, which is the last record. There must be one.
func (w *Written) Head() packlog.Position { return w.record(len(w.records) - 1).Position }
