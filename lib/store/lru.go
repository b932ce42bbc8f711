package store

import (
	"container/list"
	"sync"
)

// lru holds what was used last, within bounds. Safe for concurrent use. What several goroutines want at once is loaded once.
type lru[K comparable, V any] struct {
	maxCount, maxCost int
	cost              func(V) int

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
	cost  int // counted in total; 0 until loaded
}

func newLRU[K comparable, V any](maxCount, maxCost int, cost func(V) int) *lru[K, V] {
	return &lru[K, V]{maxCount: maxCount, maxCost: maxCost, cost: cost, items: make(map[K]*list.Element)}
}

// get returns the value of key, which load makes if it is not held. An error is not kept.
func (l *lru[K, V]) get(key K, load func() (V, error)) (V, error) {
	l.mu.Lock()
	element := l.items[key]
	if element == nil {
		element = l.order.PushFront(&lruItem[K, V]{key: key})
		l.items[key] = element
	} else {
		l.order.MoveToFront(element)
	}
	item := element.Value.(*lruItem[K, V])
	l.mu.Unlock()

	loaded := false
	item.once.Do(func() {
		item.value, item.err = load()
		loaded = true
	})
	if loaded {
		l.loaded(item, element)
	}
	return item.value, item.err
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
}
