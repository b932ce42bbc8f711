package runs

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
)

// A value is let go once: when it is neither held nor used any more. A value that failed to load does not count.
func TestLRULetsGo(t *testing.T) {
	var gone []string
	l := newLRU[string](1, 100, func(string) int { return 1 })
	l.letGo = func(value string) { gone = append(gone, value) }
	load := func(value string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return value, nil }
	}
	err := l.use(t.Context(), "a", load("A"), func(value string) {
		for _, other := range []string{"b", "c"} {
			if got, err := l.get(t.Context(), other, load(other)); got != other || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		}
		if want := []string{"b"}; value != "A" || !slices.Equal(gone, want) {
			t.Errorf("while %q is used, gone: %q, want %q", value, gone, want)
		}
	})
	if want := []string{"b", "A"}; err != nil || !slices.Equal(gone, want) {
		t.Errorf("behind that, gone: %q, want %q; %v", gone, want, err)
	}
	fault := errors.New("a fault")
	if err := l.use(t.Context(), "d", func(context.Context) (string, error) { return "D", fault }, func(string) { t.Error("what failed is used") }); err != fault {
		t.Errorf("%v, want %v", err, fault)
	}
	if got, err := l.get(t.Context(), "d", load("d")); got != "d" || err != nil {
		t.Errorf("after a failure: %q, %v", got, err)
	}
	if want := []string{"b", "A", "c"}; !slices.Equal(gone, want) {
		t.Errorf("gone: %q, want %q", gone, want)
	}
}

// A caller that waits for a value loaded for somebody else does not get that one's cancellation: it loads the value
// itself.
func TestLRULoadedForAnother(t *testing.T) {
	l := newLRU[string](1, 100, func(string) int { return 1 })
	gone, leave := context.WithCancel(t.Context())
	loading, first := make(chan bool), make(chan error)
	go func() {
		_, err := l.get(gone, "a", func(ctx context.Context) (string, error) {
			close(loading)
			<-ctx.Done()
			return "", ctx.Err()
		})
		first <- err
	}()
	<-loading
	go func() {
		for l.usersOf("a") < 2 {
			runtime.Gosched()
		}
		leave()
	}()
	if got, err := l.get(t.Context(), "a", func(context.Context) (string, error) { return "A", nil }); got != "A" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := <-first; err != context.Canceled {
		t.Errorf("who went away got %v", err)
	}
}

// usersOf returns how many callers use, or wait for, a held key's value.
func (l *lru[K, V]) usersOf(key K) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if element := l.items[key]; element != nil {
		return element.Value.(*lruItem[K, V]).users
	}
	return 0
}
