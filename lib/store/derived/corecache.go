package derived

import "hc/lib/keys"

// CoreCache holds the tables of the cores used most recently, so that going through many cores keeps few files open.
// Not for concurrent use.
type CoreCache struct {
	Files   *Files // used by nobody else
	Applied *Applied
	cores   map[keys.Key]*Core
}

const cachedCores = 64

// Core returns the derived state of a core, nil if there is none.
func (c *CoreCache) Core(key keys.Key) (*Core, error) {
	if core := c.cores[key]; core != nil {
		return core, nil
	}
	ref, ok := c.Applied.Core(key)
	if !ok {
		return nil, nil
	}
	if len(c.cores) >= cachedCores {
		if err := c.Close(); err != nil {
			return nil, err
		}
	}
	core, err := c.Files.OpenCore(ref)
	if err != nil {
		return nil, err
	}
	if c.cores == nil {
		c.cores = make(map[keys.Key]*Core)
	}
	c.cores[key] = core
	return core, nil
}

// Close closes all tables.
func (c *CoreCache) Close() error {
	clear(c.cores)
	return c.Files.Close()
}
