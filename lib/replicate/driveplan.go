package replicate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/proof"
)

// DrivePlan lists what all files below a folder need.
type DrivePlan struct {
	Files   int    // with content or without
	Links   int    // symbolic links
	Refused int    // entries that should not be written to any disk
	Bytes   uint64 // of all files
	Blocks  uint64 // of the blobs, each counted once
	Missing uint64 // blocks that are not here

	runs []hypercore.BlockRange // ascending and apart once they are joined
	join int                    // the number from which runs are joined early, if more than mostApart
	most uint64                 // the least length of the blobs that has all runs
}

// mostApart is the number of runs from which they are joined early: a map may list the same blocks over and over.
const mostApart = 64 << 10

// Plan reads all names below a folder, "/" for all, and the maps of the files that have one, and returns what their
// content needs. For "/" it fetches the whole core of names, with its history.
func (d *Drive) Plan(ctx context.Context, folder string) (plan DrivePlan, err error) {
	if err := d.expect(ctx, folder); err != nil {
		return plan, err
	}
	var mapped []hyperdrive.Item
	err = d.files.List(ctx, folder, func(item hyperdrive.Item) error {
		switch blob := item.Entry.Blob; {
		case item.Err != nil:
			plan.Refused++
		case blob == nil:
			plan.Links++
		case blob.Map && !blob.Empty():
			mapped = append(mapped, item)
			fallthrough
		default:
			plan.Files++
			plan.add(*blob)
		}
		return nil
	})
	if err == nil {
		err = d.planMapped(ctx, &plan, mapped)
	}
	if err == nil && folder == "/" {
		err = d.names.AwaitWants(ctx) // history that no peer has is not needed by any file
	}
	if err == nil {
		err = d.count(ctx, &plan)
	}
	return plan, err
}

// expect asks for all names below a folder, for "/" with their history.
func (d *Drive) expect(ctx context.Context, folder string) error {
	if folder != "/" {
		return d.files.Prefetch(ctx, folder)
	}
	d.names.Want(hypercore.BlockRange{End: d.files.Version()})
	return nil
}

func (p *DrivePlan) add(blob hyperdrive.Blob) {
	if blob.Empty() {
		return
	}
	if !blob.Map {
		p.Bytes += blob.ByteLength
	}
	p.addRun(blob.BlockOffset, blob.BlockLength)
}

func (p *DrivePlan) addRun(first, count uint64) {
	end := first + count
	p.most = max(p.most, end)
	if last := len(p.runs) - 1; last >= 0 && p.runs[last].First <= first && first <= p.runs[last].End {
		p.runs[last].End = max(p.runs[last].End, end)
		return
	}
	if len(p.runs) >= max(p.join, mostApart) {
		p.joinRuns()
		p.join = 2 * len(p.runs)
	}
	p.runs = append(p.runs, hypercore.BlockRange{First: first, End: end})
}

// joinRuns sorts the runs, and joins those that touch.
func (p *DrivePlan) joinRuns() {
	slices.SortFunc(p.runs, func(a, b hypercore.BlockRange) int { return cmp.Compare(a.First, b.First) })
	joined := p.runs[:0]
	for _, r := range p.runs {
		if last := len(joined) - 1; last >= 0 && r.First <= joined[last].End {
			joined[last].End = max(joined[last].End, r.End)
			continue
		}
		joined = append(joined, r)
	}
	p.runs = joined
}

// planMapped reads the maps, which are asked for all at once, and adds the blocks that they list.
func (d *Drive) planMapped(ctx context.Context, plan *DrivePlan, mapped []hyperdrive.Item) error {
	if len(mapped) == 0 {
		return nil
	}
	blobs, err := d.openBlobs()
	if err != nil {
		return err
	}
	maps := DrivePlan{}
	for _, item := range mapped {
		maps.add(*item.Entry.Blob)
	}
	if err := d.reach(ctx, blobs, maps.most); err != nil {
		return err
	}
	blobs.Want(maps.runs...)
	for _, item := range mapped {
		err := hyperdrive.Pieces(ctx, arrivingBlobs{blobs}, item, func(pieces []hyperdrive.Piece) error {
			for _, p := range pieces {
				plan.Bytes += p.Length
			}
			for _, run := range hyperdrive.Runs(pieces) {
				if has, _ := blobs.Length(); run.First+run.Count > has {
					return fmt.Errorf("%q: %w: its map lists block %d, the blobs have %d", item.Name, hyperdrive.ErrContent, run.First+run.Count-1, has)
				}
				plan.addRun(run.First, run.Count)
			}
			return nil
		})
		if errors.Is(err, hyperdrive.ErrContent) { // not a file after all; whoever reads it gets the error
			plan.Files--
			plan.Refused++
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// count joins the runs, and counts their blocks.
func (d *Drive) count(ctx context.Context, plan *DrivePlan) error {
	plan.joinRuns()
	for _, r := range plan.runs {
		plan.Blocks += r.End - r.First
	}
	var err error
	plan.Missing, err = d.missing(ctx, plan)
	return err
}

func (d *Drive) missing(ctx context.Context, plan *DrivePlan) (missing uint64, err error) {
	if len(plan.runs) == 0 {
		return 0, nil
	}
	blobs, err := d.openBlobs()
	if err != nil {
		return 0, err
	}
	for _, r := range plan.runs {
		lacks, err := blobs.Missing(ctx, r)
		if err != nil {
			return 0, err
		}
		missing += lacks
	}
	return missing, nil
}

// FetchAll brings all blocks of a plan into the store, in the order of the blobs core. If the peers do not have all of
// them, it brings the rest, and returns an error that wraps proof.ErrPartial.
func (d *Drive) FetchAll(ctx context.Context, plan DrivePlan) error {
	if d.options.Store == nil {
		return errors.New("fetching a whole drive needs a store to keep it in")
	}
	if plan.Missing == 0 {
		return nil
	}
	blobs, err := d.openBlobs()
	if err != nil {
		return err
	}
	short := d.reach(ctx, blobs, plan.most)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	blobs.Want(plan.runs...)
	if err := blobs.AwaitWants(ctx); err != nil {
		return err
	}
	missing, err := d.missing(ctx, &plan)
	switch {
	case err != nil:
		return err
	case missing > 0 && short != nil:
		return fmt.Errorf("%w: %d of %d blocks: %w", proof.ErrPartial, missing, plan.Blocks, short)
	case missing > 0:
		return fmt.Errorf("%w: no peer has %d of %d blocks", proof.ErrPartial, missing, plan.Blocks)
	}
	return nil
}
