//go:build !linux

package folder

import (
	"errors"
	"os"
)

// clone cannot make dst share the blocks of src here.
func clone(_, _ *os.File) error { return errors.ErrUnsupported }
