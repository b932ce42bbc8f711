package replicate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/store"
)

// registry holds the cores that are served, by the discovery key that peers know them by. The server's mu guards it.
type registry struct {
	byID  map[keys.Key]keys.Key
	known map[keys.Key]bool
	stale bool      // the store has changed since the last look
	fixed bool      // only these are served
	again time.Time // when to look again without notice of a change: the notice may still be on its way
}

func (r *registry) add(list []keys.Key) {
	for _, key := range list {
		if !r.known[key] {
			r.known[key] = true
			r.byID[keys.DiscoveryKey(key)] = key
		}
	}
}

func (r *registry) changed() { r.stale = !r.fixed }

// key returns the core with that discovery key, or an error wrapping store.ErrNotFound. Asking for an unknown core makes
// the server read the store's list of cores, but not so often that it would take up much of its time.
func (s *Server) key(ctx context.Context, id keys.Key) (keys.Key, error) {
	s.mu.Lock()
	key, ok := s.registry.byID[id]
	look := s.registry.stale || !s.registry.fixed && time.Now().After(s.registry.again)
	s.mu.Unlock()
	if ok {
		return key, nil
	}
	if look {
		began := time.Now()
		s.mu.Lock()
		s.registry.stale = false // before the look: a change during it counts
		s.mu.Unlock()
		list, err := s.store.Cores(ctx)
		if err != nil {
			return key, err
		}
		s.mu.Lock()
		s.registry.add(list)
		s.registry.again = time.Now().Add(restFactor * time.Since(began))
		key, ok = s.registry.byID[id]
		s.mu.Unlock()
	}
	if !ok {
		return key, fmt.Errorf("core of discovery key %v: %w", id, store.ErrNotFound)
	}
	return key, nil
}

// take returns the core with that discovery key for one more reader, which gives it back with leave. The error wraps
// store.ErrNotFound if the core is not here, or not served.
func (s *Server) take(ctx context.Context, id keys.Key) (*servedCore, error) {
	s.mu.Lock()
	core := s.cores[id]
	if core != nil {
		core.users++
	}
	s.mu.Unlock()
	if core != nil {
		return core, nil
	}
	key, err := s.key(ctx, id)
	if errors.Is(err, store.ErrNotFound) && s.widen(ctx) {
		key, err = s.key(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	if core, err = openCore(ctx, s.store, key, s.accepts(key)); err != nil {
		return nil, err
	}
	core.guarded = s.options.Guard != nil && !core.accepted && hypercore.Owned(s.store, key)
	s.mu.Lock()
	if other := s.cores[id]; other != nil {
		core = other
	}
	s.cores[id] = core
	core.users++
	s.mu.Unlock()
	s.failed(ctx, core.refresh(ctx)) // nobody else would notice commits made between the look and now
	return core, nil
}

// leave gives a core back. A core without readers is no longer looked at.
func (s *Server) leave(core *servedCore) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if core.users--; core.users == 0 {
		delete(s.cores, keys.DiscoveryKey(core.key))
		s.leaves.Forget(core.key)
	}
}
