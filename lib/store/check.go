package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/store/blockmap"
	"hc/lib/store/checkpoint"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

// Harm says what a finding costs.
type Harm int

const (
	HarmNone    Harm = iota // nothing depends on it: it was never complete, or nothing refers to it any more
	HarmDerived             // everything is still there, and Repair makes this whole
	HarmData                // something that was stored cannot be read any more
)

// Finding is one thing that a check found wrong.
type Finding struct {
	Harm   Harm
	File   string // below the store's folder; empty: no single one
	Offset uint64 // of the first byte in it that cannot be used, as far as can be told
	Length uint64 // bytes that cannot be used; 0: unknown
	Core   keys.Key
	HasKey bool // Core is one
	First  uint64
	End    uint64 // blocks First … End-1 of Core are damaged; none if both are the same
	What   string // what is wrong
	Next   string // what to do about it; empty: nothing
}

// CheckOptions say how a store is checked.
type CheckOptions struct {
	Found    func(Finding)           // called with each finding, one at a time; required
	Progress func(bytes, blocks int) // called with what was read of packs, one call at a time; nil: not called
	Scratch  string                  // folder for data that does not fit into memory, removed at the end
	Repair   bool                    // Repair may be called, which writes to the store

	fs        packlog.FS // nil: the real one
	scratchFS packlog.FS // nil: the real one
	tuning    tuning
}

// Checker checks one store. It reads every byte: it checks each record against its checksums, each block against its
// leaf hash, each tree against its head, each head against its signature, and all derived files against the log. Its
// memory does not grow with the store. It checks the store as it was when Run began, whatever is written to it
// meanwhile. Not for concurrent use.
type Checker struct {
	dir     string
	options CheckOptions
	fs      packlog.FS
	store   *Store
	view    packlog.View
	scratch string // folder of this checker in options.Scratch; empty: none yet
	shadow  *Store // what the log says, with derived files of its own
	shadows int    // shadows made so far

	told      map[Finding]bool
	malformed map[string]bool                  // errors about records that were reported
	badRuns   map[packlog.Position]*badRun     // runs whose blocks cannot be read
	headless  map[packlog.AppendID]*lostAppend // appends without a head, so far
	unknown   []*packlog.Fault                 // places that any record may have been in
	gone      map[keys.Key][]blockmap.Range    // blocks that spans name, whose runs are not there
	hurt      map[keys.Key][]blockmap.Range    // blocks whose bytes are lost, by core
	moved     map[keys.Key][]blockmap.Range    // blocks whose own run is damaged, but which another run has
	short     map[keys.Key]uint64              // cores whose newest head may be lost, and their lengths without it
	absent    map[keys.Key]bool                // cores that have a name or a secret key, but no record
	doubted   map[keys.Key]uint64              // cores with a secret key whose newest head may be lost without a trace, and their lengths
	wanted    map[hash.Digest]bool             // leaf hashes of hurt blocks, as far as known
	was       map[keys.Key]coreWas             // cores at the position of the store's derived files
	witness   map[keys.Key]bool                // cores about which derived files know more than the log
	broken    map[keys.Key]BlockRange          // cores whose tree, head or manifest is wrong, and the blocks that may mend it
	deltas    bool                             // there are runs with a base
	derived   bool                             // derived files must be built again
	marred    bool                             // the mark, or a copy of a pack's header, must be written again
	secrets   []keys.Key                       // those whose file is damaged
}

// badRun is a run whose payload cannot be read.
type badRun struct {
	fault  *packlog.Fault
	meta   *records.Run // nil: it is damaged, too
	blocks uint64       // of cores, that are reported as hurt by it
}

// lostAppend is an append whose head has not come.
type lostAppend struct {
	key        keys.Key
	known      bool // key is one
	first, end uint64
	at         packlog.Position
}

// NewChecker opens the store in dir for a check. Close must be called. It returns ErrNoStore or ErrNotStore if dir holds
// no store. If the store's format file is damaged and options.Repair is set, the file is mended at once; otherwise the
// damage is reported to Found, and nothing else can be checked.
func NewChecker(ctx context.Context, dir string, options CheckOptions) (*Checker, error) {
	c := &Checker{dir: dir, options: options, fs: options.fs, told: make(map[Finding]bool)}
	if c.fs == nil {
		c.fs = packlog.OS()
	}
	if err := c.checkFormat(); err != nil {
		return nil, err
	}
	tuning := options.tuning
	tuning.never = true // no checkpoint may come between what is compared
	var err error
	c.store, err = Open(ctx, dir, Options{ReadOnly: !options.Repair, fs: options.fs, tuning: tuning})
	return c, err
}

// errFormatDamaged says that the store's format file is damaged, so that nothing else was looked at.
var errFormatDamaged = fmt.Errorf("%w: its format file is damaged, so nothing else was checked", ErrNotStore)

func (c *Checker) checkFormat() error {
	fault, newer, err := packlog.CheckFormat(c.fs, c.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, dir, err := c.fs.Stat(filepath.Join(c.dir, "packs")); err == nil && dir {
			fault = &packlog.Fault{File: "format", Reason: errors.New("it is missing")}
			break
		}
		return fmt.Errorf("checking store %s: %w", c.dir, ErrNoStore)
	case err != nil:
		return fmt.Errorf("checking store %s: %w", c.dir, err)
	case fault == nil:
		return nil
	}
	f := Finding{Harm: HarmDerived, File: fault.File, Offset: fault.Offset, Length: fault.Length,
		What: fmt.Sprintf("the store cannot be opened: %v", fault.Reason), Next: "hc fsck --repair writes it again"}
	if newer {
		f.Harm, f.Next = HarmData, "use the hc that wrote the store; if that was this one, write `hc-store 2` into the file"
	}
	c.found(f)
	if newer || !c.options.Repair {
		return errFormatDamaged
	}
	return packlog.MendFormat(c.fs, c.dir)
}

// Close removes what the checker wrote beside the store, and closes the store.
func (c *Checker) Close() error {
	var errs []error
	if c.shadow != nil {
		errs = append(errs, c.shadow.files.Close())
	}
	if c.store != nil {
		errs = append(errs, c.store.Close())
	}
	if c.scratch != "" {
		errs = append(errs, os.RemoveAll(c.scratch))
	}
	return errors.Join(errs...)
}

// Bytes returns roughly how many bytes Run will report to Progress.
func (c *Checker) Bytes() (total int64) {
	dir := filepath.Join(c.dir, "packs")
	names, _ := c.fs.ReadDir(dir) // Run will report the error
	for _, name := range names {
		if size, _, err := c.fs.Stat(filepath.Join(dir, name)); err == nil {
			total += size
		}
	}
	return total
}

// moveTries is how often a check begins again because packs were rewritten meanwhile.
const moveTries = 5

// Run checks everything. It returns an error if it could not continue, not for its findings. It may be called again.
func (c *Checker) Run(ctx context.Context) error {
	c.told = make(map[Finding]bool)
	for try := 1; ; try++ {
		err := c.run(ctx)
		if errors.Is(err, packlog.ErrMoved) && try < moveTries && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return fmt.Errorf("checking store %s: %w", c.dir, err)
		}
		return nil
	}
}

func (c *Checker) run(ctx context.Context) error {
	c.derived, c.marred, c.deltas = false, false, false
	c.malformed = make(map[string]bool)
	c.badRuns = make(map[packlog.Position]*badRun)
	c.headless = make(map[packlog.AppendID]*lostAppend)
	c.unknown, c.secrets = nil, nil
	c.was, c.witness, c.broken = make(map[keys.Key]coreWas), make(map[keys.Key]bool), make(map[keys.Key]BlockRange)
	c.hurt, c.short = make(map[keys.Key][]blockmap.Range), make(map[keys.Key]uint64)
	c.gone = make(map[keys.Key][]blockmap.Range)
	c.moved = make(map[keys.Key][]blockmap.Range)
	c.absent, c.doubted = make(map[keys.Key]bool), make(map[keys.Key]uint64)
	c.wanted = make(map[hash.Digest]bool)
	var err error
	if c.view, err = c.store.log.View(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		c.checkDerived, c.checkLog, c.finishShadow, c.checkDeltas, c.checkCores, c.judge, c.checkNames, c.checkSecrets, c.checkGrants,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// found reports a finding, once: a check may have begun again.
func (c *Checker) found(f Finding) {
	if !c.told[f] {
		c.told[f] = true
		c.options.Found(f)
	}
}

func (c *Checker) progress(bytes, blocks int) {
	if c.options.Progress != nil {
		c.options.Progress(bytes, blocks)
	}
}

// missing notes blocks of a core that the log names but does not have. A dropped core has nothing in common with a
// later one under the same key.
func (c *Checker) missing(key keys.Key, r blockmap.Range, lost bool) {
	if r == checkpoint.EveryBlock {
		delete(c.was, key)
	}
	switch {
	case lost:
		c.gone[key] = blockmap.AddRange(slices.Clone(c.gone[key]), r)
	case len(c.gone[key]) > 0:
		c.gone[key] = blockmap.RemoveRange(c.gone[key], r)
	}
}
