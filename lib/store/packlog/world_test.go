package packlog_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"

	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
)

const storeDir = "/disk/store"

// world is a machine with writers, and what must be true of their log, by the invariants' names:
//
//	I1 an acknowledged append is there, with all that it needs      I4 what was announced stays
//	I2 an append is there whole or not at all                       I7 what derived state was made from stays
//	I3 an append that was found to be gone does not come back
type world struct {
	machine *memfs.Machine
	seed    uint64
	wrap    func(packlog.FS) packlog.FS // a mutation
	survive bool                        // a mutation

	writers  []*writer
	appends  map[string]*attempt
	needed   map[string]string // what must stay, and which invariant says so
	applied  packlog.Position
	derived  map[string]bool // what applied was made from
	number   int
	problems []string

	rewritten int // packs rewritten
	ahead     int // commits over zeros that their process has written in that pack
	trace     []string
}

// attempt is one append that somebody made.
type attempt struct {
	name  string
	runs  int
	needs string // an append that this one deduplicates against
	open  bool   // may still be committed
	gone  bool   // was not there after a recovery
}

// writer is one process.
type writer struct {
	name    string
	durable bool
	process *memfs.Process
	log     *packlog.Log
	current *packlog.Append
	attempt *attempt
	left    int // batches to write
}

func newWorld(seed uint64, names ...string) *world {
	w := &world{machine: memfs.New(seed), seed: seed, appends: map[string]*attempt{}, needed: map[string]string{}}
	for _, name := range names {
		w.writers = append(w.writers, &writer{name: name, durable: !strings.HasPrefix(name, "soft")})
	}
	return w
}

func (w *world) fs() (*memfs.Process, packlog.FS) {
	p := w.machine.Process()
	if w.wrap != nil {
		return p, w.wrap(p)
	}
	return p, p
}

func (w *world) options(fs packlog.FS) packlog.Options {
	return packlog.Options{
		FS: fs, Create: true, Late: len(w.trace)%2 == 1, LockWait: -1, PackSize: 3000, Program: "test",
		Applied: func() packlog.Position { return w.applied },
	}
}

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *world) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.note("VIOLATED %s", text)
	w.problems = append(w.problems, text)
}

func payloadOf(name string, i int) string {
	return strings.Repeat(fmt.Sprint(name, "/", i, " "), 3+7*i)
}

// step lets a writer take its next step: open, begin, a batch, commit. An error ends the append.
func (w *world) step(p *writer) {
	if p.process == nil || p.process.Dead() {
		w.abandon(p)
		process, fs := w.fs()
		p.process = process
		log, err := packlog.Open(context.Background(), storeDir, w.options(fs))
		if err != nil {
			w.note("%s: open: %v", p.name, err)
			process.Kill()
			return
		}
		if w.seed%3 > 0 {
			log.WriteAheadAfter(int(w.seed%3) - 1)
		}
		p.log = log
		return
	}
	if err := w.proceed(p); err != nil {
		w.note("%s: %v", p.name, err)
		w.abandon(p)
	}
}

// end lets a process end: it closes its log or is killed.
func (w *world) end(p *writer, well bool) {
	if p.process == nil {
		return
	}
	if well && p.log != nil {
		w.note("%s: close: %v", p.name, p.log.Close())
	}
	p.process.Kill()
}

func (w *world) abandon(p *writer) {
	if p.attempt != nil {
		p.attempt.open = false
	}
	p.current, p.attempt = nil, nil
}

func (w *world) proceed(p *writer) (err error) {
	ctx := context.Background()
	switch {
	case p.current == nil:
		if p.current, err = p.log.Begin(ctx); err != nil {
			return err
		}
		w.number++
		p.attempt = &attempt{name: fmt.Sprint(p.name, w.number), open: true}
		if p.left = 0; w.seed/3%2 == 0 { // else everything at once
			p.left = 1 + w.number%3
		}
		state, err := w.look(p.log, false)
		if err != nil {
			return err
		}
		for name := range state {
			if p.attempt.needs < name {
				p.attempt.needs = name
			}
		}
		w.appends[p.attempt.name] = p.attempt
		w.note("%s: begin %s, needs %q", p.name, p.attempt.name, p.attempt.needs)
	case p.left > 0:
		if w.survive {
			p.current.Survive(ctx)
		}
		p.left--
		var records []packlog.Record
		for range 1 + p.attempt.runs%2 {
			records = append(records, run(p.attempt.name, payloadOf(p.attempt.name, p.attempt.runs)))
			p.attempt.runs++
		}
		positions, err := p.current.Write(ctx, records...)
		w.note("%s: write %s %v %v", p.name, p.attempt.name, positions, err)
		return err
	default:
		if w.survive {
			p.current.Survive(ctx)
		}
		var last []packlog.Record
		if w.number%2 == 0 {
			last = append(last, run(p.attempt.name, payloadOf(p.attempt.name, p.attempt.runs)))
			p.attempt.runs++
		}
		at, err := p.current.WriteCommit(ctx, last, head(p.attempt.name), p.durable)
		w.note("%s: commit %s %v %v", p.name, p.attempt.name, at, err)
		if err != nil {
			return err
		}
		if p.durable {
			w.need(p.attempt.name, "I1 acknowledged")
		}
		if p.log.WroteAhead() {
			w.ahead++
		}
		w.abandon(p)
	}
	return nil
}

// need notes that an append must stay. If it needs others, they must, too.
func (w *world) need(name, why string) {
	if w.needed[name] == "" {
		w.needed[name] = why
	}
	if a := w.appends[name]; a != nil && a.needs != "" && w.needed[a.needs] == "" {
		w.need(a.needs, why)
	}
}

// look returns the appends that count, up to what is synced or what is readable, and checks that each is whole.
func (w *world) look(l *packlog.Log, synced bool) (map[string]bool, error) {
	view, err := l.View(context.Background())
	if err != nil {
		return nil, err
	}
	if view.Readable.Less(view.Synced) {
		w.fail("view's readable %v is before its synced %v", view.Readable, view.Synced)
	}
	return w.scan(l, view, synced)
}

func (w *world) scan(l *packlog.Log, view packlog.View, synced bool) (map[string]bool, error) {
	runs := map[packlog.AppendID][]string{}
	state := map[string]bool{}
	damage := len(l.Damage())
	err := l.Scan(context.Background(), view, packlog.Position{}, true, func(r packlog.Record) error {
		if synced && !r.Position.Less(view.Synced) {
			return nil
		}
		if !r.Commit {
			runs[r.Append] = append(runs[r.Append], string(r.Payload))
			return nil
		}
		name := string(r.Meta)
		a := w.appends[name]
		state[name] = true
		if a == nil {
			w.fail("I2 append %q was never made", name)
		} else if got := runs[r.Append]; len(l.Damage()) == damage && !slices.Equal(got, payloadsOf(a)) {
			w.fail("I2 append %s has %d of %d runs", name, len(got), a.runs)
		}
		return nil
	})
	for _, d := range l.Damage()[damage:] {
		if d.Position.Less(view.Synced) && !injected(d) {
			w.fail("I1 damage: %v", d)
		}
		if !synced {
			return nil, d // pages that were evicted after a failed sync, from which nobody has recovered yet
		}
	}
	return state, err
}

func payloadsOf(a *attempt) (payloads []string) {
	for i := range a.runs {
		payloads = append(payloads, payloadOf(a.name, i))
	}
	return payloads
}

// announce is a server: what it sees before synced must stay. It looks without locks, at any moment.
func (w *world) announce() {
	process, fs := w.fs()
	defer process.Kill()
	options := w.options(fs)
	options.ReadOnly, options.Create = true, false
	l, err := packlog.Open(context.Background(), storeDir, options)
	if err != nil {
		if len(w.needed) > 0 && !process.Dead() {
			w.fail("I1 a reader cannot open the store: %v", err)
		}
		return
	}
	state, err := w.look(l, true)
	if err != nil {
		return
	}
	for name := range state {
		w.need(name, "I4 announced")
	}
}

// checkpoint makes derived state up to the synced position.
func (w *world) checkpoint() {
	process, fs := w.fs()
	defer process.Kill()
	options := w.options(fs)
	options.ReadOnly, options.Create = true, false
	l, err := packlog.Open(context.Background(), storeDir, options)
	if err != nil {
		return
	}
	view, err := l.View(context.Background())
	if err != nil {
		return
	}
	state, err := w.scan(l, view, true)
	if err != nil || view.Synced.Less(w.applied) {
		return
	}
	w.applied, w.derived = view.Synced, state
	w.note("checkpoint at %v", view.Synced)
	for name := range state {
		w.need(name, "I7 derived")
	}
}

// rewrite replaces some neighbouring packs by one without what nobody committed. Appends under way may continue: their
// records stay.
func (w *world) rewrite(random *rand.Rand) {
	process, fs := w.fs()
	defer process.Kill()
	l, err := packlog.Open(context.Background(), storeDir, w.options(fs))
	if err != nil {
		return
	}
	if err := w.tryRewrite(l, random); err != nil {
		w.note("rewriting: %v", err)
	}
}

func (w *world) tryRewrite(l *packlog.Log, random *rand.Rand) error {
	ctx := context.Background()
	if random.IntN(4) == 0 {
		if _, err := l.CloseVoid(ctx); err != nil {
			return err
		}
	}
	if _, err := l.Sweep(ctx); err != nil {
		return err
	}
	if random.IntN(2) == 0 {
		if err := l.Seal(ctx); err != nil {
			return err
		}
	}
	view, err := l.View(ctx)
	if err != nil {
		return err
	}
	state, err := w.scan(l, view, false)
	if err != nil {
		return err
	}
	packs, err := l.Packs(ctx, view)
	if err != nil || len(packs) < 2 {
		return err
	}
	first := random.IntN(len(packs) - 1)
	last := first + random.IntN(len(packs)-1-first)
	r, err := l.NewRewrite(ctx, view, packs[first].First.Pack, packs[last].First.Pack)
	if err != nil {
		return err
	}
	defer r.Abort()
	err = r.Scan(ctx, func(record packlog.Record) error {
		if a := w.appends[string(record.Meta)]; a != nil && !a.open && !state[a.name] {
			return nil
		}
		_, err := r.Add(&record)
		return err
	})
	if err == nil {
		err = r.Finish()
	}
	if err != nil {
		return err
	}
	w.note("rewrite packs %d to %d", packs[first].First.Pack, packs[last].Through)
	err = l.Publish(ctx, []*packlog.Rewrite{r}, func(packlog.View) error { return nil }, func() error {
		if at := w.applied.Pack; at >= packs[first].First.Pack && at <= packs[last].Through {
			w.applied = packlog.Position{}
		}
		return nil
	})
	if err == nil {
		w.rewritten += last - first + 1
	}
	return err
}

// check opens the log as a writer, which recovers if need be, and checks all invariants.
func (w *world) check() {
	process, fs := w.fs()
	defer process.Kill()
	l, err := packlog.Open(context.Background(), storeDir, w.options(fs))
	if err != nil {
		if !process.Dead() && !injected(err) {
			w.fail("I1 open: %v", err)
		}
		return
	}
	if _, err := l.Begin(context.Background()); err != nil {
		if !process.Dead() && !injected(err) {
			w.fail("I1 begin: %v", err)
		}
		return
	}
	state, err := w.look(l, false)
	if err != nil {
		if !process.Dead() {
			w.fail("I1 look: %v", err)
		}
		return
	}
	for _, name := range slices.Sorted(maps.Keys(w.needed)) {
		if !state[name] {
			w.fail("%s append %s is gone", w.needed[name], name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.appends)) {
		a := w.appends[name]
		switch {
		case state[name] && a.gone:
			w.fail("I3 append %s came back", name)
		case state[name] && a.needs != "" && !state[a.needs]:
			w.fail("I1 append %s needs %s, which is gone", name, a.needs)
		case !state[name] && !a.open:
			a.gone = true
		}
	}
	w.note("checked: %d appends", len(state))
}

func injected(err error) bool { return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC) }

// crash is a power loss.
func (w *world) crash() {
	w.machine.PowerLoss()
	w.note("--- power loss")
}
