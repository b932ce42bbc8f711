package hypercore

import (
	"context"

	"hc/lib/keys"
	"hc/lib/store"
)

// Diagnosis is what a store knows of a core's heads.
type Diagnosis struct {
	Key   keys.Key
	Owned bool // the store holds its secret key
	View  *store.View
	Seen  []SeenHead // oldest first; none: all is well
}

// SeenHead is a signed head that conflicts with the stored one.
type SeenHead struct {
	Head     store.Head
	Relation Relation
	Compared bool   // its whole log was compared with ours, and
	Common   uint64 // this many blocks, from the first one on, are the same
}

// Examine reports on the heads that were seen of a core.
func Examine(ctx context.Context, in *store.Store, key keys.Key) (Diagnosis, error) {
	d := Diagnosis{Key: key, Owned: Owned(in, key)}
	seen, err := in.SeenHeads(ctx, key)
	if err != nil {
		return d, err
	}
	if d.View, err = in.View(ctx, key, false); err != nil {
		return d, err
	}
	for _, head := range seen {
		relation, err := relate(ctx, d.View, head, nil)
		if err != nil {
			return d, err
		}
		d.Seen = append(d.Seen, SeenHead{Head: head, Relation: relation})
	}
	return d, nil
}

// Compared records how many blocks the log of a head shares with ours.
func (d *Diagnosis) Compared(head store.Head, common uint64) {
	for i, seen := range d.Seen {
		if sameHead(seen.Head, head) {
			d.Seen[i].Compared, d.Seen[i].Common = true, common
		}
	}
}

// Meet keeps a head that was proved elsewhere as seen if it conflicts with the stored one. The two logs share the
// first common blocks. A store that only reads the core does not count a longer log that extends its own as a
// conflict.
func Meet(ctx context.Context, in *store.Store, proved Proved, common uint64) error {
	here, relation, err := relateStored(ctx, in, proved)
	if err != nil {
		return err
	}
	goesOn := relation == Ahead && common == here.Length && !Owned(in, proved.Key)
	if proved.Head.Length == 0 || relation == Behind || relation == Untold || goesOn {
		return nil
	}
	return keepSeen(ctx, in, proved.Key, proved.Manifest, proved.Head)
}
