//go:build !linux

package cli

import "os"

func splice(_, _ *os.File, _ int64, _ int) int { return 0 }
