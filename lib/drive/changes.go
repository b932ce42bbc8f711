package drive

import (
	"context"

	"hc/lib/hyperbee"
	"hc/lib/hyperdrive"
)

// Change is what happened to one name between two versions. Old is nil for a new name, New for a removed one.
type Change struct {
	Name     string
	Old, New *hyperdrive.Item
}

// Letter returns A, M or D: added, modified, deleted.
func (c Change) Letter() string {
	switch {
	case c.Old == nil:
		return "A"
	case c.New == nil:
		return "D"
	}
	return "M"
}

// Changes calls each for every difference below a folder between an older version of the drive and this one, in the
// order of names. An equal entry that was written again, as stock does, is no change.
func (d *Drive) Changes(ctx context.Context, older *Drive, folder string, each func(Change) error) error {
	return d.Diff(ctx, older.Drive, folder, func(before, after *hyperdrive.Item) error {
		if before != nil && after != nil && before.Err == nil && after.Err == nil && string(before.Entry.Encode()) == string(after.Entry.Encode()) {
			return nil
		}
		c := Change{Old: before, New: after}
		if c.Name = ""; after != nil {
			c.Name = after.Name
		} else {
			c.Name = before.Name
		}
		return each(c)
	})
}

// Record is a block of the names, in historical order: a name that was put, or deleted.
type Record struct {
	Seq     uint64 // it led to version Seq+1, if an append ended with it
	Item    hyperdrive.Item
	Deleted bool
}

// History calls each for the records from block from up to the drive's version, in order. It skips records that are
// not a file's.
func (d *Drive) History(ctx context.Context, from uint64, each func(Record) error) error {
	return d.Names().History(ctx, max(from, 1), func(change hyperbee.Change) error {
		name, err := hyperdrive.NameOf(change.Key)
		if err != nil {
			return nil
		}
		r := Record{Seq: change.Seq, Deleted: change.Deleted, Item: hyperdrive.Item{Name: name, Seq: change.Seq}}
		if !r.Deleted {
			r.Item.Entry, r.Item.Err = hyperdrive.ParseEntry(change.Value)
		}
		return each(r)
	})
}

// Folder is an item of a listing: a file, or a folder that has files below it.
type Folder struct {
	Name string           // as in the drive; a folder's has no slash at its end
	Item *hyperdrive.Item // nil: a folder
}

// Shallow calls each for the files and folders directly in a folder: each takes one look-up, however many files are
// below it.
func (d *Drive) Shallow(ctx context.Context, folder string, each func(Folder) error) error {
	all := hyperdrive.FolderRange(folder)
	base := len(trimmed(folder)) + 1
	for {
		all.Limit = 1
		var next *hyperbee.Entry
		err := d.Names().Walk(ctx, all, func(e hyperbee.Entry) error { next = &e; return nil })
		if err != nil || next == nil {
			return err
		}
		name, err := hyperdrive.NameOf(next.Key)
		if err != nil {
			return err
		}
		if slash := indexFrom(name, base); slash >= 0 {
			if err := each(Folder{Name: name[:slash]}); err != nil {
				return err
			}
			all.GT, all.GTE = nil, hyperdrive.Key(name[:slash]+"0") // "0" is the byte after "/"
			continue
		}
		item := hyperdrive.ItemOf(*next)
		if err := each(Folder{Name: name, Item: &item}); err != nil {
			return err
		}
		all.GT, all.GTE = next.Key, nil
	}
}

// indexFrom returns the index of the next slash, at or after from; -1 if there is none.
func indexFrom(name string, from int) int {
	for i := min(from, len(name)); i < len(name); i++ {
		if name[i] == '/' {
			return i
		}
	}
	return -1
}

// trimmed returns a folder's name without slashes at its end: "" for the root.
func trimmed(folder string) string {
	for len(folder) > 0 && folder[len(folder)-1] == '/' {
		folder = folder[:len(folder)-1]
	}
	return folder
}
