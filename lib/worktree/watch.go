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
	settleAfter = 50 * time.Millisecond  // of quiet, in which an editor ends what it began
	settleMost  = 250 * time.Millisecond // for what never is quiet
	lookEvery   = 2 * time.Second        // where the system does not tell of changes
)

// Watch returns a channel that tells, a moment after the fact, that something in the folder may have changed; it is closed
// when ctx ends. It begins with what may have changed before, behind the back of who has looked at the folder already. Where the system
// does not tell of changes in so many folders, it tells every two seconds that there may be one, and warn, which may be nil, is told why.
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

// watchAll watches a folder and those below it, but no store.
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
	var since time.Time // of the first event that was not told; zero: there is none
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
				_ = watchAll(events, event.Name) // what is no folder, or gone, has nothing to watch
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

// signal leaves word, unless there is word already.
func signal(changed chan struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}
