package store

import (
	"context"
	"fmt"
	"slices"

	"hc/lib/keys"
	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
)

// judge reports the damaged places in packs, now that it is known what they cost.
func (c *Checker) judge(ctx context.Context) error {
	for _, bad := range c.badRuns {
		if bad.blocks == 0 {
			c.found(c.placeFinding(bad.fault, HarmNone, fmt.Sprintf("a run of blocks is damaged (%v), but nothing needs it: "+
				"its blocks are stored elsewhere, or nothing refers to them any more", bad.fault.Reason)))
		}
	}
	lost := false // a head may be lost
	for _, f := range c.unknown {
		lost = lost || !f.Torn && !f.Known
		c.found(c.unknownFinding(f))
	}
	if !lost {
		return nil
	}
	if err := c.judgeHeads(); err != nil {
		return err
	}
	return c.judgeOurs()
}

// judgeOurs reports logs that have a name or a secret key here but no block: they may be lost to the damage. It also
// reports logs with a secret key that have blocks, since their end may be lost.
func (c *Checker) judgeOurs() error {
	d, err := c.openShadow()
	if err != nil {
		return err
	}
	known, lengths := make(map[keys.Key]bool), make(map[keys.Key]uint64)
	for _, ref := range d.Applied.Cores {
		tables, err := d.Core(ref.Key)
		if err != nil {
			return err
		}
		lengths[ref.Key] = tables.File.Head.Length
		known[ref.Key] = lengths[ref.Key] > 0
	}
	ours, err := c.store.Secrets()
	if err != nil {
		return err
	}
	c.judgeEnds(ours, lengths)
	for key := range c.Names() {
		ours = append(ours, key)
	}
	for _, key := range ours {
		if known[key] {
			continue
		}
		known[key] = true
		c.absent[key] = true
		c.found(Finding{Harm: HarmNone, Core: key, HasKey: true, What: "the store knows the log, but has nothing of it: it was never appended to, or is lost in the damage",
			Next: "hc fsck --repair --peer ADDR looks for it; if it is yours, append nothing to it before that"})
	}
	return nil
}

// judgeEnds reports logs with a secret key that may have been longer, since nobody knows what the damaged places held.
func (c *Checker) judgeEnds(ours []keys.Key, lengths map[keys.Key]uint64) {
	for _, key := range ours {
		if _, told := c.short[key]; told || lengths[key] == 0 {
			continue
		}
		c.doubted[key] = lengths[key]
		c.found(Finding{Harm: HarmNone, Core: key, HasKey: true,
			What: fmt.Sprintf("the log has %d blocks, and may have had more: its newest head may be lost in the damage", lengths[key]),
			Next: "hc fsck --repair --peer ADDR looks for it; append nothing to the log before that"})
	}
}

const leftBehind = "hc fsck --repair leaves the damaged bytes behind"

func (c *Checker) placeFinding(f *packlog.Fault, harm Harm, what string) Finding {
	return Finding{Harm: harm, File: f.File, Offset: f.Offset, Length: f.Length, What: what, Next: leftBehind}
}

// unknownFinding is about bytes in a pack whose former content is unknown.
func (c *Checker) unknownFinding(f *packlog.Fault) Finding {
	switch {
	case f.Torn:
		found := c.placeFinding(f, HarmNone, fmt.Sprintf("a crash left this unfinished: %v", f.Reason))
		found.Next = "the next write to the store leaves it behind"
		return found
	case f.Position.IsZero() && f.Length == 0 || f.Position.IsZero() && f.Offset > 0:
		found := c.placeFinding(f, HarmData, f.Reason.Error())
		found.Next = "restore the file from a backup, or run hc fsck --repair --peer ADDR"
		return found
	case f.Position.IsZero():
		found := c.placeFinding(f, HarmData, fmt.Sprintf("the pack cannot be read: %v", f.Reason))
		found.Next = "restore the file from a backup, or run hc fsck --repair --peer ADDR"
		return found
	}
	what := "a record"
	if f.Kind != 0 {
		what = fmt.Sprintf("a record (apparently %v, and maybe others)", f.Kind)
	}
	found := c.placeFinding(f, HarmData, fmt.Sprintf("%s is damaged: %v", what, f.Reason))
	if f.Length == 0 {
		found.What = f.Reason.Error()
	}
	found.Next = "hc fsck --repair mends what follows from it, --peer ADDR fetches the rest"
	return found
}

// judgeHeads reports which cores may be longer than it seems: the head of an append to them is missing.
func (c *Checker) judgeHeads() error {
	d, err := c.openShadow()
	if err != nil {
		return err
	}
	lost := c.lostHeads()
	for key, a := range lost {
		tables, err := d.Core(key)
		if err != nil {
			return err
		}
		length := uint64(0)
		if tables != nil {
			length = tables.File.Head.Length
		}
		if a.first == a.end || a.end <= length || c.isPending(a) {
			continue
		}
		c.short[key] = length
		c.found(Finding{Harm: HarmData, Core: key, HasKey: true, First: max(length, a.first), End: a.end,
			File: c.store.log.FileOf(a.at), Offset: a.at.Offset,
			What: "these blocks were written, but the head that would make them count is missing: the append was given up, or its head is damaged",
			Next: "if the log is yours, append nothing to it until hc fsck --repair --peer ADDR has found out"})
	}
	return nil
}

// isPending reports whether an append without a head may just continue: nothing after its records is damaged.
func (c *Checker) isPending(a *lostAppend) bool {
	for _, f := range c.unknown {
		if !f.Torn && a.at.Less(f.Position) {
			return false
		}
	}
	return true
}

// CoreHurt is a core that has parts to be fetched again.
type CoreHurt struct {
	Key   keys.Key
	Parts []BlockRange
}

// BlockRange is the blocks First … End-1 of a core; if both are the same, no block, but the head and what goes with it.
// Beyond: also everything that a longer head than the one here covers.
type BlockRange struct {
	First, End uint64
	Beyond     bool
}

// CoresHurt returns what must be fetched again, after Run or Repair, in ascending order.
func (c *Checker) CoresHurt() []CoreHurt {
	parts := make(map[keys.Key][]BlockRange)
	for key, part := range c.broken {
		parts[key] = append(parts[key], part)
	}
	for key, ranges := range c.hurt {
		if part := c.broken[key]; part.First < part.End { // these blocks are named already
			ranges = blockmap.RemoveRange(ranges, blockmap.Range{First: part.First, End: part.End})
		}
		for _, r := range ranges {
			parts[key] = append(parts[key], BlockRange{First: r.First, End: r.End})
		}
	}
	for key := range c.absent {
		parts[key] = append(parts[key], BlockRange{Beyond: true})
	}
	for key, length := range c.short {
		parts[key] = append(parts[key], BlockRange{First: length, End: length, Beyond: true})
	}
	for key, length := range c.doubted {
		parts[key] = append(parts[key], BlockRange{First: length, End: length, Beyond: true})
	}
	var all []CoreHurt
	for key, p := range parts {
		all = append(all, CoreHurt{key, p})
	}
	slices.SortFunc(all, func(a, b CoreHurt) int { return slices.Compare(a.Key[:], b.Key[:]) })
	return all
}
