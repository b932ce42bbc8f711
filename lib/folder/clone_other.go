//go:build !linux

package folder

import (
	"errors"
	"os"
)

// clone has no way to make dst share the blocks of src.
func clone(_, _ *os.File) error { return errors.ErrUnsupported }
