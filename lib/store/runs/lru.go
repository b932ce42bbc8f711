package runs

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// lru holds the values used most recently, within bounds. Safe for concurrent use. A value that several goroutines want
// at once is loaded once.
type lru[K comparable, V any] struct {
	maxCount, maxCost int
	cost              func(V) int
	letGo             func(V) // called with a value that is neither held nor used any more; may be nil

	mu    sync.Mutex
	items map[K]*list.Element // of *lruItem[K, V]
	order list.List           // most recently used first
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

// get returns the value of key. If it is not held, load makes it, as long as ctx is not done. An error is not kept. get
// is for values that need no letGo.
func (l *lru[K, V]) get(ctx context.Context, key K, load func(context.Context) (V, error)) (value V, err error) {
	err = l.use(ctx, key, load, func(v V) { value = v })
	return value, err
}

// use is get for a caller that uses the value while with runs: the value is not let go before that returns.
func (l *lru[K, V]) use(ctx context.Context, key K, load func(context.Context) (V, error), with func(V)) error {
	for {
		own, err := l.useOnce(key, func() (V, error) { return load(ctx) }, with)
		if own || err == nil || ctx.Err() != nil || !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		// It was loaded for somebody else, who gave up.
	}
}

// useOnce is use of a value that is held, or being loaded; own reports that it was loaded here.
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

// begin returns the element of a key and begins a use of it.
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

// unused lets go of the value of a dropped item, if nobody uses it any more. l.mu is held.
func (l *lru[K, V]) unused(item *lruItem[K, V]) {
	if item.dropped && item.users == 0 && item.err == nil && l.letGo != nil {
		l.letGo(item.value)
	}
}

// loaded counts a loaded value, and drops others while there are too many; never the one used last.
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
