package worktree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"hc/lib/hidden"
)

const (
	settleAfter = 50 * time.Millisecond  // of quiet, for an editor to finish what it began
	settleMost  = 250 * time.Millisecond // if it never is quiet
	lookEvery   = 2 * time.Second        // if the system does not report changes
)

// Watch returns a channel that signals, a moment after the fact, that something in the folder may have changed. It is closed when
// ctx ends. The first signal comes at once, for changes that the caller may have missed before Watch. If the system cannot report
// changes in so many folders, there is a signal every two seconds, and warn, which may be nil, is called with the reason.
func (t *Tree) Watch(ctx context.Context, warn func(error)) (<-chan struct{}, error) {
	events, err := fsnotify.NewWatcher()
	if err == nil {
		err = watchAll(events, t.Root)
	}
	changed := make(chan struct{}, 1)
	signal(changed)
	if err != nil {
		if events != nil {
			_ = events.Close()
		}
		if _, statErr := os.Stat(t.Root); statErr != nil {
			return nil, statErr
		}
		if warn != nil {
			warn(err)
		}
		go tellOften(ctx, changed)
		return changed, nil
	}
	go tell(ctx, events, changed)
	return changed, nil
}

// watchAll watches a folder and those below it, except for stores.
func watchAll(events *fsnotify.Watcher, root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone since it was seen
			return nil
		case err != nil:
			return err
		case !entry.IsDir():
			return nil
		case path != root && hidden.Path(entry.Name()):
			return fs.SkipDir
		}
		if err := events.Add(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// tell turns events into signals: one when nothing happened for a moment, or something happens all the time.
func tell(ctx context.Context, events *fsnotify.Watcher, changed chan struct{}) {
	defer close(changed)
	defer events.Close()
	var since time.Time // of the first event not signalled yet; zero: there is none
	quiet := time.NewTimer(time.Hour)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case event, ok := <-events.Events:
			if !ok {
				return
			}
			if hidden.Path(filepath.Base(event.Name)) {
				continue
			}
			if event.Has(fsnotify.Create) {
				_ = watchAll(events, event.Name) // if it is not a folder, or gone, there is nothing to watch
			}
			if since.IsZero() {
				since = time.Now()
			}
			quiet.Reset(max(0, min(settleAfter, settleMost-time.Since(since))))
		case _, ok := <-events.Errors: // events were lost: something happened
			if !ok {
				return
			}
			quiet.Reset(0)
		case <-quiet.C:
			since = time.Time{}
			signal(changed)
		}
	}
}

func tellOften(ctx context.Context, changed chan struct{}) {
	defer close(changed)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			signal(changed)
		}
	}
}

// signal sends a signal, unless one is pending.
func signal(changed chan struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}
