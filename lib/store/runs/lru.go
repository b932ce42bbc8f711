package runs

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// lru holds what was used last, within bounds. Safe for concurrent use. What several goroutines want at once is loaded once.
type lru[K comparable, V any] struct {
	maxCount, maxCost int
	cost              func(V) int
	letGo             func(V) // told of a value that is neither held nor used any more; may be nil

	mu    sync.Mutex
	items map[K]*list.Element // of *lruItem[K, V]
	order list.List           // last used first
	total int
}

type lruItem[K comparable, V any] struct {
	key   K
	once  sync.Once
	value V
	err   error

	// Guarded by lru.mu.
	cost    int // counted in total; 0 until loaded
	users   int // calls of use that have not returned
	dropped bool
}

func newLRU[K comparable, V any](maxCount, maxCost int, cost func(V) int) *lru[K, V] {
	return &lru[K, V]{maxCount: maxCount, maxCost: maxCost, cost: cost, items: make(map[K]*list.Element)}
}

// get returns the value of key, which load makes, as long as ctx is not done, if it is not held. An error is not kept. It is for values
// that nobody is told of when they are let go.
func (l *lru[K, V]) get(ctx context.Context, key K, load func(context.Context) (V, error)) (value V, err error) {
	err = l.use(ctx, key, load, func(v V) { value = v })
	return value, err
}

// use is get for who uses the value while with runs: before that returns it is not let go.
func (l *lru[K, V]) use(ctx context.Context, key K, load func(context.Context) (V, error), with func(V)) error {
	for {
		own, err := l.useOnce(key, func() (V, error) { return load(ctx) }, with)
		if own || err == nil || ctx.Err() != nil || !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		// It was loaded for somebody else, who does not want it any more.
	}
}

// useOnce is use of what is held, or is being loaded; own reports that it was loaded here.
func (l *lru[K, V]) useOnce(key K, load func() (V, error), with func(V)) (own bool, err error) {
	element := l.begin(key)
	item := element.Value.(*lruItem[K, V])
	defer l.end(item)
	item.once.Do(func() {
		item.value, item.err = load()
		own = true
	})
	if own {
		l.loaded(item, element)
	}
	if item.err == nil {
		with(item.value)
	}
	return own, item.err
}

// begin returns the element of a key, which is used from now on.
func (l *lru[K, V]) begin(key K) *list.Element {
	l.mu.Lock()
	defer l.mu.Unlock()
	element := l.items[key]
	if element == nil {
		element = l.order.PushFront(&lruItem[K, V]{key: key})
		l.items[key] = element
	} else {
		l.order.MoveToFront(element)
	}
	element.Value.(*lruItem[K, V]).users++
	return element
}

// end ends a use.
func (l *lru[K, V]) end(item *lruItem[K, V]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	item.users--
	l.unused(item)
}

// unused lets go of the value of an item that was dropped, if nobody uses it any more. l.mu is held.
func (l *lru[K, V]) unused(item *lruItem[K, V]) {
	if item.dropped && item.users == 0 && item.err == nil && l.letGo != nil {
		l.letGo(item.value)
	}
}

// loaded counts what was loaded and lets go of what is too much; never of what came last.
func (l *lru[K, V]) loaded(item *lruItem[K, V], element *list.Element) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.items[item.key] != element {
		return
	}
	if item.err != nil {
		l.drop(element)
		return
	}
	item.cost = l.cost(item.value)
	l.total += item.cost
	for l.order.Len() > 1 && (l.order.Len() > l.maxCount || l.total > l.maxCost) {
		last := l.order.Back()
		if last == element {
			return
		}
		l.drop(last)
	}
}

func (l *lru[K, V]) drop(element *list.Element) {
	item := element.Value.(*lruItem[K, V])
	l.order.Remove(element)
	delete(l.items, item.key)
	l.total -= item.cost
	item.dropped = true
	l.unused(item)
}
