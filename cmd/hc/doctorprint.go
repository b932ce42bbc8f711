package main

import (
	"bytes"
	"fmt"
	"slices"

	"hc/lib/cli"
	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/replicate"
	"hc/lib/store"
)

// headJSON is a head as programs read it.
type headJSON struct {
	Fork     uint64  `json:"fork"`
	Length   uint64  `json:"length"`
	TreeHash string  `json:"tree_hash,omitempty"`
	Relation string  `json:"relation,omitempty"`
	Common   *uint64 `json:"common,omitempty"` // blocks, where the logs were compared
}

func toJSON(head store.Head) headJSON {
	h := headJSON{Fork: head.Fork, Length: head.Length}
	if head.Length > 0 {
		h.TreeHash = head.TreeHash.String()
	}
	return h
}

// report prints which heads were seen of a core.
func (d *doctor) report(found hypercore.Diagnosis) error {
	if len(found.Seen) > 0 {
		d.conflict++
	}
	if d.std.JSON {
		return d.reportJSON(found)
	}
	var text bytes.Buffer
	here, name := found.View.Head(), d.nameOf(found.Key)
	fmt.Fprintf(&text, "log %s", name)
	if name != found.Key.String() {
		fmt.Fprintf(&text, " (%v)", found.Key)
	}
	fmt.Fprintf(&text, "\n  here: %s\n", hypercore.HeadWords(here))
	for _, seen := range found.Seen {
		fmt.Fprintf(&text, "  seen: %s\n        %s\n", hypercore.HeadWords(seen.Head), meaning(here, seen))
	}
	switch {
	case len(found.Seen) == 0:
		text.WriteString("  no head was seen that conflicts with it\n")
	case found.Owned || metByOwner(found):
		d.ownersWays(&text, found)
	default:
		readersWays(&text, found)
	}
	_, err := d.std.Out.Write(text.Bytes())
	return err
}

// metByOwner reports whether a head was met by somebody who was about to append, with the secret key from elsewhere: a
// reader of a log follows a longer head.
func metByOwner(found hypercore.Diagnosis) bool {
	return slices.ContainsFunc(found.Seen, func(seen hypercore.SeenHead) bool { return seen.Relation == hypercore.Ahead })
}

// meaning says in words how a head that was seen relates to the one that is here.
func meaning(here store.Head, seen hypercore.SeenHead) string {
	goesOn := seen.Compared && seen.Common == here.Length
	switch {
	case seen.Head.Fork > here.Fork && seen.Compared:
		return fmt.Sprintf("the log was signed again under a higher fork; it shares the first %s", plural(int(seen.Common), "block"))
	case seen.Head.Fork > here.Fork:
		return "the log was signed again under a higher fork"
	case goesOn:
		return "it continues what is here: this copy is old, like a restored backup"
	case seen.Compared:
		return fmt.Sprintf("it differs from block %d on: the key was used in two places", seen.Common)
	case seen.Relation == hypercore.Ahead:
		return "it is longer: this copy is old, like a restored backup, or the key was used in two places; a --peer that has it can tell"
	case seen.Relation == hypercore.Untold:
		return "it cannot be compared, since this store lacks the nodes for that; a --peer that has it can tell"
	}
	return "it belongs to another history: the key was used in two places"
}

// ownersWays prints what the log's writer can do.
func (d *doctor) ownersWays(text *bytes.Buffer, found hypercore.Diagnosis) {
	name, fork := d.nameOf(found.Key), found.View.Head().Fork
	adoptable, higher := false, false
	for _, seen := range found.Seen {
		fork = max(fork, seen.Head.Fork)
		higher = higher || seen.Head.Fork > found.View.Head().Fork
		adoptable = adoptable || !seen.Compared && seen.Relation == hypercore.Ahead || seen.Compared && seen.Common == found.View.Head().Length
	}
	text.WriteString("  nothing is appended until you do one of these:\n")
	if adoptable {
		fmt.Fprintf(text, "  hc doctor %s --adopt --peer HOST\n      continue from what was seen, if it continues what is here; nothing is lost\n", name)
	}
	if higher {
		fmt.Fprintf(text, "  hc doctor %s --adopt --peer HOST\n      switch to the higher fork; blocks of this log that it does not have are given up\n", name)
	}
	if found.View.Head().Length == 0 {
		return
	}
	fmt.Fprintf(text, "  hc doctor %s --new-fork\n      continue from what is here, as fork %d; what was seen is given up, and its readers switch to this one\n", name, fork+1)
}

// readersWays prints what a reader of the log can do.
func readersWays(text *bytes.Buffer, found hypercore.Diagnosis) {
	for _, seen := range found.Seen {
		if seen.Head.Fork > found.View.Head().Fork {
			fmt.Fprintf(text, "  what is here can be read as before; this replaces it with the newer one:\n  hc-fetch %v --follow-fork --peer HOST\n", found.Key)
			return
		}
	}
	text.WriteString("  what is here can be read as before; only its owner can say which one is right\n")
}

func (d *doctor) reportJSON(found hypercore.Diagnosis) error {
	line := struct {
		Key   string     `json:"key"`
		Name  string     `json:"name,omitempty"`
		Owned bool       `json:"owned"`
		Here  headJSON   `json:"here"`
		Seen  []headJSON `json:"seen"`
	}{found.Key.String(), d.names[found.Key], found.Owned, toJSON(found.View.Head()), []headJSON{}}
	for _, seen := range found.Seen {
		h := toJSON(seen.Head)
		h.Relation = relationWord(found.View.Head(), seen)
		if seen.Compared {
			h.Common = &seen.Common
		}
		line.Seen = append(line.Seen, h)
	}
	return cli.WriteJSON(d.std.Out, line)
}

func relationWord(here store.Head, seen hypercore.SeenHead) string {
	switch {
	case seen.Head.Fork > here.Fork:
		return "higher-fork"
	case seen.Compared && seen.Common == here.Length:
		return "goes-on"
	case seen.Compared:
		return "differs"
	case seen.Relation == hypercore.Ahead:
		return "longer"
	case seen.Relation == hypercore.Untold:
		return "unknown"
	}
	return "differs"
}

// done prints how a core was settled.
func (d *doctor) done(key keys.Key, a replicate.Adopted) error {
	if d.std.JSON {
		return cli.WriteJSON(d.std.Out, struct {
			Key    string   `json:"key"`
			Before headJSON `json:"before"`
			After  headJSON `json:"after"`
			Common uint64   `json:"common"`
		}{key.String(), toJSON(a.Before), toJSON(a.After), a.Common})
	}
	name := d.nameOf(key)
	_, err := fmt.Fprintf(d.std.Out, "log %s continues from %s; it was at %s\n", name, hypercore.HeadWords(a.After), hypercore.HeadWords(a.Before))
	if err != nil {
		return err
	}
	if a.Common < a.Before.Length {
		d.std.Notef("it shares the first %s; those after them are no longer part of the log here", plural(int(a.Common), "block"))
	}
	if a.Common < a.After.Length {
		d.std.Notef("its blocks from %d on are still to be fetched: hc-fetch %s --peer HOST > /dev/null", a.Common, name)
	}
	return nil
}
