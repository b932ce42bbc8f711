package commits

import (
	"fmt"
	"slices"
	"testing"

	"hc/lib/keys"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

// writer writes one append to a core, record by record.
type writer struct {
	t     *testing.T
	to    *packlog.Append
	key   keys.Key
	wrote Written
}

func begin(t *testing.T, log *packlog.Log, key keys.Key) *writer {
	t.Helper()
	to, err := log.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &writer{t: t, to: to, key: key}
}

// clear writes a record that identifies itself: it says that a block is forgotten.
func (w *writer) clear(key keys.Key, block uint64) {
	w.t.Helper()
	r := packlog.Record{Kind: packlog.KindClear, Meta: records.Clear{Key: key, First: block, End: block + 1}.Encode()}
	at, err := w.to.Write(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.wrote.Add([]packlog.Record{r}, at)
}

func (w *writer) commit() {
	w.t.Helper()
	head := packlog.Record{Kind: packlog.KindHead, Meta: records.EncodeHead(w.key, records.Head{Length: 7, Signature: []byte("s")})}
	at, err := w.to.Commit(w.t.Context(), func() (packlog.Record, error) { return head, nil }, true)
	if err != nil {
		w.t.Fatal(err)
	}
	w.wrote.Add([]packlog.Record{head}, []packlog.Position{at})
	w.wrote.ID = w.to.ID()
}

// told gathers what a reader says of each append: its core, and the blocks of its records.
type told []string

func (l *told) apply(c *Commit) error {
	text := fmt.Sprint(c.Key[0], ":")
	err := c.Each(func(e *records.Entry) error {
		text += fmt.Sprint(" ", e.Clear.First)
		return nil
	})
	*l = append(*l, text)
	return err
}

func view(t *testing.T, log *packlog.Log) packlog.View {
	t.Helper()
	v, err := log.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Appends with interleaved records come whole, each after its head, whether or not they are held until then; one
// without a head does not come, and a record of another core is skipped.
func TestReader(t *testing.T) {
	for _, many := range []int{0, 8000} { // records of the second append, which do not all fit into memory if they are many
		log, err := packlog.Open(t.Context(), t.TempDir(), packlog.Options{Create: true})
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		first, second, third := begin(t, log, keys.Key{1}), begin(t, log, keys.Key{2}), begin(t, log, keys.Key{3})
		first.clear(keys.Key{1}, 10)
		second.clear(keys.Key{2}, 20)
		third.clear(keys.Key{3}, 30)
		second.clear(keys.Key{9}, 29)
		blocks := " 20"
		for i := range many {
			second.clear(keys.Key{2}, uint64(100+i))
			blocks += fmt.Sprint(" ", 100+i)
		}
		first.clear(keys.Key{1}, 11)
		second.commit()
		middle := view(t, log).Readable
		first.commit()
		want := told{"2:" + blocks, "1: 10 11"}

		var got told
		bad := 0
		r := NewReader(log, nil, func(error) { bad++ })
		if err := r.Run(t.Context(), view(t, log), packlog.Position{}, got.apply); err != nil || !slices.Equal(got, want) || bad != 1 {
			t.Fatalf("%d records: %.100q, %d passed over, %v, want %.100q", many, got, bad, err, want)
		}
		open := r.Open()
		if len(open) != 1 || open[0].ID != third.to.ID() {
			t.Errorf("%v have no head, want the third append", open)
		}
		if whole := r.Bytes(); whole == 0 {
			t.Error("no bytes went through")
		}
		// A reader that continues from a position that others have left reads what is before it again.
		got = nil
		r = NewReader(log, []derived.OpenAppend{{ID: first.to.ID(), First: positionOf(t, log, first.to.ID())}}, func(error) { bad++ })
		if err := r.Run(t.Context(), view(t, log), middle, got.apply); err != nil || !slices.Equal(got, want[1:]) {
			t.Errorf("from the middle on: %q, %v, want %q", got, err, want[1:])
		}
	}
}

// positionOf returns where the first record of an append is.
func positionOf(t *testing.T, log *packlog.Log, id packlog.AppendID) (at packlog.Position) {
	t.Helper()
	err := log.Scan(t.Context(), view(t, log), packlog.Position{}, false, func(r packlog.Record) error {
		if r.Append == id && at.IsZero() {
			at = r.Position
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// The records that this process has written say the same as those read back, unless somebody else wrote in between.
func TestWritten(t *testing.T) {
	log, err := packlog.Open(t.Context(), t.TempDir(), packlog.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	w := begin(t, log, keys.Key{1})
	w.clear(keys.Key{1}, 10)
	w.clear(keys.Key{1}, 11)
	w.commit()
	want := told{"1: 10 11"}
	none := func(err error) { t.Error(err) }
	var read, own, whole told
	if err := NewReader(log, nil, none).Run(t.Context(), view(t, log), packlog.Position{}, read.apply); err != nil || !slices.Equal(read, want) {
		t.Fatalf("read back: %q, %v", read, err)
	}
	if err := NewReader(log, nil, none).TakeOwn(t.Context(), view(t, log), &w.wrote, own.apply); err != nil || !slices.Equal(own, want) {
		t.Errorf("as it was written: %q, %v", own, err)
	}
	if err := NewReader(log, nil, none).TakeWhole(&w.wrote, whole.apply); err != nil || !slices.Equal(whole, want) {
		t.Errorf("by itself: %q, %v", whole, err)
	}
	if w.wrote.End != view(t, log).Readable || w.wrote.Empty() {
		t.Errorf("it ends at %v, and the log at %v", w.wrote.End, view(t, log).Readable)
	}

	beside, other := begin(t, log, keys.Key{1}), begin(t, log, keys.Key{2})
	beside.clear(keys.Key{1}, 12)
	other.clear(keys.Key{2}, 20)
	beside.clear(keys.Key{1}, 13)
	beside.commit()
	if !beside.wrote.Empty() {
		t.Error("it has what stands apart in the log")
	}
}
