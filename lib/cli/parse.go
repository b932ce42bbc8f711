package cli

import (
	"math"
	"time"
)

// Open is the end of a range that has none: "100-".
const Open = math.MaxUint64

// ParseSize reads a number of bytes: "65536", "64k", "64KiB", "1.5M", "64kB" (1000). It returns an error wrapping
// ErrUsage.
func ParseSize(s string) (int64, error) { return 0, Usagef("size %q", s) }

// ParseRange reads an inclusive range: "100-200", "100-" (to is Open), "5" (5-5). It returns an error wrapping ErrUsage.
func ParseRange(s string) (from, to uint64, err error) { return 0, 0, Usagef("range %q", s) }

// ParseDuration reads "200ms", "1h30m", or "5": seconds. It returns an error wrapping ErrUsage.
func ParseDuration(s string) (time.Duration, error) { return 0, Usagef("duration %q", s) }
