package hyperbee

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound means that the tree has no such key.
	ErrNotFound = errors.New("no such key")

	// ErrCorrupt means that the core's blocks do not form a tree: its owner's software is broken, or hostile.
	ErrCorrupt = errors.New("not a tree of names")

	// ErrTooLarge means that a key and its value do not fit into a block.
	ErrTooLarge = errors.New("too large")
)

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrCorrupt, fmt.Errorf(format, args...))
}
