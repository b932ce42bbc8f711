package store

import "hc/lib/store/packlog"

const (
	deadShare = 10       // percent of a pack that must be dead before it is rewritten
	tinyPack  = 64 << 10 // bytes; a smaller pack joins a neighbour that is rewritten
)

// candidate is a pack, and whether it is to be rewritten.
type candidate struct {
	packlog.Pack
	live   uint64 // bytes
	chosen bool
	barred bool // must not be
}

// choose decides which packs are worth rewriting, and seals the last one if it is among them.
func (g *collector) choose() ([]candidate, error) {
	list := g.candidates()
	last := &list[len(list)-1]
	if !last.chosen {
		last.barred = true
		return list, nil
	}
	if g.options.DryRun {
		return list, nil
	}
	if err := g.store.log.Seal(g.ctx); err != nil {
		return nil, err
	}
	if err := g.look(); err != nil {
		return nil, err
	}
	list = g.candidates()
	last = &list[len(list)-1]
	last.chosen, last.barred = false, true
	return list, nil
}

func (g *collector) candidates() []candidate {
	list := make([]candidate, 0, len(g.packs))
	for _, p := range g.packs {
		c := candidate{Pack: p, barred: p.Damaged}
		dead := p.Bytes - min(p.Bytes, p.Counted)
		if counted := g.census.Packs[p.First.Pack]; counted != nil {
			dead += counted.Dead
			c.barred = c.barred || counted.Damaged && !g.options.damaged[p.First.Pack]
		}
		c.live = p.Bytes - min(p.Bytes, dead)
		switch {
		case c.barred:
		case g.options.damaged != nil:
			c.chosen = g.options.damaged[p.First.Pack]
		case g.repack != nil:
			c.chosen = p.Counted > emptyPack
		default:
			c.chosen = dead > 0 && (g.options.All || dead*100 >= p.Bytes*deadShare)
		}
		list = append(list, c)
	}
	return list
}

// emptyPack is more than the size of a pack without records.
const emptyPack = 1024 + 64

// tell adds up the report.
func (g *collector) tell(list []candidate) {
	g.report.Damaged, g.report.Dead = 0, 0
	after := uint64(0)
	for _, c := range list {
		g.report.Dead += c.Bytes - c.live
		after += c.Bytes
		if c.barred && !c.Last {
			g.report.Damaged++
		}
		if c.chosen && g.options.DryRun {
			g.report.Rewritten++
			after -= c.Bytes - c.live
		}
	}
	g.report.After = after
}

// group joins chosen neighbours, and tiny packs beside them, up to the size of a pack.
func group(list []candidate, size uint64) [][]candidate {
	for i := range list {
		tiny := !list[i].barred && list[i].live <= min(tinyPack, size/16)
		before := i > 0 && list[i-1].chosen
		behind := i+1 < len(list) && list[i+1].chosen
		list[i].chosen = list[i].chosen || tiny && (before || behind)
	}
	var groups [][]candidate
	bytes, joins := uint64(0), false
	for _, c := range list {
		if !c.chosen {
			joins = false
			continue
		}
		if !joins || bytes+c.live > size {
			groups = append(groups, nil)
			bytes = 0
		}
		joins = true
		bytes += c.live
		groups[len(groups)-1] = append(groups[len(groups)-1], c)
	}
	return groups
}
