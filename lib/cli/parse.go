package cli

import (
	"math"
	"strconv"
	"strings"
)

// Open is the end of a range that has none: "100-".
const Open = math.MaxUint64

// units are those of dd: powers of 1024 with one letter or with iB, powers of 1000 with B.
var units = map[string]float64{
	"": 1, "B": 1,
	"K": 1 << 10, "KIB": 1 << 10, "KB": 1e3,
	"M": 1 << 20, "MIB": 1 << 20, "MB": 1e6,
	"G": 1 << 30, "GIB": 1 << 30, "GB": 1e9,
	"T": 1 << 40, "TIB": 1 << 40, "TB": 1e12,
}

// ParseSize reads a number of bytes: "65536", "64k", "64KiB", "1.5M", "64kB" (1000). Case does not matter. It returns
// an error wrapping ErrUsage.
func ParseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit, ok := units[strings.ToUpper(s[len(digits):])]
	if !ok {
		return 0, Usagef("size %q: the unit is one of k, M, G, T, KiB, kB and so on", s)
	}
	if strings.Trim(digits, "0123456789.") != "" || digits == "" {
		return 0, Usagef("size %q: want a number, as in 65536, 64k, 1.5MiB", s)
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		if n > math.MaxInt64/int64(unit) {
			return 0, Usagef("size %q is too large", s)
		}
		return n * int64(unit), nil
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || v*unit >= 1<<53 {
		return 0, Usagef("size %q: want a number, as in 65536, 64k, 1.5MiB", s)
	}
	if v *= unit; v != math.Trunc(v) {
		return 0, Usagef("size %q is not a whole number of bytes", s)
	}
	return int64(v), nil
}

// ParseRange reads a range, its end included: "100-200", "100-" (to is Open), "5" (5-5). Only plain digits are taken.
// It returns an error wrapping ErrUsage.
func ParseRange(s string) (from, to uint64, err error) {
	first, second, dash := strings.Cut(s, "-")
	from, ok := parseNumber(first)
	if !ok {
		return 0, 0, Usagef("range %q: want FROM-TO, FROM- or one number, counted from 0", s)
	}
	switch {
	case !dash:
		return from, from, nil
	case second == "":
		return from, Open, nil
	}
	if to, ok = parseNumber(second); !ok {
		return 0, 0, Usagef("range %q: want FROM-TO, FROM- or one number, counted from 0", s)
	}
	if to < from {
		return 0, 0, Usagef("range %q: %d is before %d", s, to, from)
	}
	return from, to, nil
}

// parseNumber reads a number below Open, of digits only.
func parseNumber(s string) (uint64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n != Open
}
