package replicate

import (
	"context"
	"slices"

	"hc/lib/lent"
	"hc/lib/merkle"
)

// parking keeps answers that build on nodes which another answer will bring.
type parking struct {
	answers []parked
	bytes   int // of their blocks
}

// parked is an answer that waits: a proof, or one for many blocks.
type parked struct {
	proof  *merkle.Proof
	memory *lent.Memory   // a hold on the memory of proof
	answer *objectsAnswer // instead of proof; holds its own memory
	asked  *asked
	doubts uint64 // the plan after which its nodes were first seen not to come; 0: they do
}

func (p parked) size() int {
	if p.answer != nil {
		return p.answer.bytes()
	}
	return valueSize(p.proof)
}

func (p parked) hold() {
	p.memory.Hold()
	if p.answer != nil {
		p.answer.hold()
	}
}

func (p parked) release() {
	p.memory.Release()
	if p.answer != nil {
		p.answer.release()
	}
}

// park keeps an answer if there is room for it in the window. Otherwise its blocks are asked for again, and it counts
// against its peer, which answered out of order.
func (f *fetcher) park(p parked) {
	if f.parking.bytes+p.size() > f.options.Window {
		f.takeBack(p.asked)
		p.asked.session.broken += overflow
		return
	}
	p.hold()
	f.parking.answers = append(f.parking.answers, p)
	f.parking.bytes += p.size()
}

// unpark applies the parked answers whose nodes have arrived, and asks again for those whose nodes are not coming, even
// after another plan: if an answer was cut short, the next plan asks for the rest of it, which brings them.
func (f *fetcher) unpark(ctx context.Context) error {
	for i := 0; i < len(f.parking.answers); {
		waits := &f.parking.answers[i]
		known, coming := f.buildsOn(ctx, waits.asked)
		if !known && f.mayCome(&waits.doubts, coming && f.underWayCount() > 0) { // if nothing is under way, those left build only on each other
			i++
			continue
		}
		p := *waits
		f.parking.answers = slices.Delete(f.parking.answers, i, i+1)
		f.parking.bytes -= p.size()
		if !known {
			f.takeBack(p.asked)
			p.release()
		} else if err := f.applyParked(ctx, p); err != nil {
			return err
		}
		i = 0 // others may build on it
	}
	return nil
}

// mayCome reports whether to wait for nodes: they are coming, or no plan has been made since they were first seen not to be.
func (f *fetcher) mayCome(doubts *uint64, coming bool) bool {
	switch {
	case coming:
		*doubts = 0
	case *doubts == 0:
		*doubts = f.plans
	}
	return *doubts == 0 || *doubts == f.plans
}

// buildsOn reports whether the nodes that an answer builds on are here and, if not, whether all of them are on their way.
func (f *fetcher) buildsOn(ctx context.Context, a *asked) (known, coming bool) {
	if a.question == nil {
		return f.d.Knows(ctx, a.anchor), f.underWay.nodes[a.anchor] > 0
	}
	known, coming = true, true
	for _, n := range a.question.Anchors {
		if !f.d.Usable(ctx, n) {
			known, coming = false, coming && f.underWay.nodes[n] > 0
		}
	}
	return known, coming
}

func (f *fetcher) applyParked(ctx context.Context, p parked) error {
	defer p.release()
	if p.answer != nil {
		return f.applyAnswer(ctx, p.asked, p.answer)
	}
	return f.apply(ctx, p.asked, p.proof, p.memory)
}
