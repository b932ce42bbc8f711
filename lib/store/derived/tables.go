package derived

import (
	"sync"

	"hc/lib/keys"
)

// Tables are the derived files that one file `applied` names. Safe for concurrent use.
type Tables struct {
	Files   *Files
	Applied *Applied
	Index   Index

	mu    sync.Mutex
	cores map[keys.Key]*Core
}

// Open opens the tables of the index. Those of a core are opened when they are first used.
func Open(f *Files, a *Applied) (*Tables, error) {
	d := &Tables{Files: f, Applied: a, cores: make(map[keys.Key]*Core)}
	for _, ref := range a.Index {
		t, err := f.Table(f.IndexPath(ref.Number), IndexSchema)
		if err != nil {
			return nil, err
		}
		d.Index = append(d.Index, t)
	}
	return d, nil
}

// Core returns the derived state of a core, nil if there is none.
func (d *Tables) Core(key keys.Key) (*Core, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.cores[key]; c != nil {
		return c, nil
	}
	ref, ok := d.Applied.Core(key)
	if !ok {
		return nil, nil
	}
	c, err := d.Files.OpenCore(ref)
	if err != nil {
		return nil, err
	}
	d.cores[key] = c
	return c, nil
}
