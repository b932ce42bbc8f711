package store

import (
	"fmt"
	"sort"

	"hc/lib/keys"
)

// coreCache holds the tables of the cores that were looked at last.
type coreCache struct {
	files   *files
	applied *applied
	cores   map[keys.Key]*coreTables
}

const cachedCores = 64

// core returns the derived state of a core. ErrNotFound if there is none.
func (c *coreCache) core(key keys.Key) (*coreTables, error) {
	if core := c.cores[key]; core != nil {
		return core, nil
	}
	refs := c.applied.cores
	i := sort.Search(len(refs), func(i int) bool { return string(refs[i].key[:]) >= string(key[:]) })
	if i == len(refs) || refs[i].key != key {
		return nil, fmt.Errorf("core %v: %w", key, ErrNotFound)
	}
	if len(c.cores) >= cachedCores {
		if err := c.close(); err != nil {
			return nil, err
		}
	}
	core, err := c.files.openCore(key, refs[i].number)
	if err != nil {
		return nil, err
	}
	if c.cores == nil {
		c.cores = make(map[keys.Key]*coreTables)
	}
	c.cores[key] = core
	return core, nil
}

func (c *coreCache) close() error {
	clear(c.cores)
	return c.files.close()
}
