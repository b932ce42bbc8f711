package packlog

import (
	"context"
	"errors"
	"io/fs"
	"strings"
)

// Sweep removes what processes that died, or were interrupted, left among the packs: temporary files, and packs that newer ones
// stand for. Only one process at a time may sweep or rewrite. It returns the bytes freed.
func (l *Log) Sweep(ctx context.Context) (freed uint64, err error) {
	err = l.asWriter(ctx, func() (err error) {
		freed, err = l.sweepTidied(ctx)
		return err
	})
	return freed, err
}

func (l *Log) sweepTidied(ctx context.Context) (freed uint64, err error) {
	rubbish, err := l.rubbish(ctx)
	if err != nil || len(rubbish) == 0 {
		return 0, err
	}
	if err := l.fs.SyncDir(l.path(packsDir)); err != nil { // what stands for them must stay
		return 0, err
	}
	for _, name := range rubbish {
		size, _, _ := l.fs.Stat(l.path(packsDir, name))
		if err := l.remove(name); err != nil {
			return freed, err
		}
		freed += uint64(size)
	}
	if err := l.anotherFolder(); err != nil {
		return freed, err
	}
	return freed, l.loadLocked(ctx)
}

// sweepPacks removes old generations. The folder was synced since the new ones came.
func (l *Log) sweepPacks(ctx context.Context) error {
	rubbish, err := l.rubbish(ctx)
	if err != nil {
		return err
	}
	for _, name := range rubbish {
		if !strings.HasSuffix(name, packSuffix) {
			continue
		}
		if err := l.remove(name); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) remove(name string) error {
	if err := l.fs.Remove(l.path(packsDir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// rubbish lists temporary files, and packs for which a newer one with a good header stands.
func (l *Log) rubbish(ctx context.Context) ([]string, error) {
	c, err := l.load(ctx)
	if err != nil {
		return nil, err
	}
	names, err := l.fs.ReadDir(l.path(packsDir))
	if err != nil {
		return nil, err
	}
	var rubbish []string
	for _, name := range names {
		if name == newPack || strings.HasSuffix(name, rewriteSuffix) {
			rubbish = append(rubbish, name)
			continue
		}
		sequence, _, ok := parsePackName(name)
		if !ok {
			continue
		}
		if e := c.find(sequence); e != nil && e.bad == nil && e.name != name && e.name != "" {
			rubbish = append(rubbish, name)
		}
	}
	return rubbish, nil
}
