package worktree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"hc/lib/folder"
	"hc/lib/hyperdrive"
	"hc/lib/merkle"
)

// lying is a source of which no file is as it was signed.
type lying struct {
	Source
	asked  *atomic.Int64
	afresh *int
}

func (l lying) Soon(context.Context, []hyperdrive.Item) error { return nil }

func (l lying) Content(context.Context, hyperdrive.Item, io.Writer) error {
	l.asked.Add(1)
	return merkle.ErrUnverified
}

func (l lying) Afresh(context.Context) (Source, error) {
	*l.afresh++
	return l, nil
}

// Who lies each time is asked for so many files, each of which is named, and then no more; the error says so.
func TestGivesUpOnLiars(t *testing.T) {
	export, err := folder.OpenExport(t.TempDir(), folder.ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer export.Close()
	var refused, afresh int
	var asked atomic.Int64 // several at once
	u := &update{to: lying{asked: &asked, afresh: &afresh}, written: map[[32]byte]string{}, options: UpdateOptions{
		Refused: func(string, error) { refused++ },
	}}
	var items []hyperdrive.Item
	for i := range mostFaulty + 10 {
		items = append(items, hyperdrive.Item{Name: fmt.Sprintf("/f%d", i), Entry: hyperdrive.Entry{Blob: &hyperdrive.Blob{BlockLength: 1, ByteLength: 1}}})
	}
	err = u.writeAll(t.Context(), export, items)
	if !errors.Is(err, merkle.ErrUnverified) || !strings.Contains(fmt.Sprint(err), "64 files were left out") {
		t.Errorf("it ends with %v", err)
	}
	if refused != mostFaulty || len(u.left) != mostFaulty || afresh != 1+mostFaulty || int(asked.Load()) >= len(items) {
		t.Errorf("%d files left out, %d noted, %d asked for, %d times afresh", refused, len(u.left), asked.Load(), afresh)
	}
}
