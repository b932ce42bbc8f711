package cli

import (
	"errors"
	"testing"
)

func TestParseSize(t *testing.T) {
	for _, test := range []struct {
		in   string
		want int64
		bad  bool
	}{
		{"0", 0, false},
		{"65536", 65536, false},
		{"64k", 65536, false},
		{"64KiB", 65536, false},
		{"64kb", 64000, false},
		{"1.5M", 3 << 19, false},
		{"2MB", 2000000, false},
		{"1G", 1 << 30, false},
		{"4t", 4 << 40, false},
		{"7B", 7, false},
		{"9223372036854775807", 1<<63 - 1, false},
		{"8388607T", 8388607 << 40, false},
		{"8388608T", 0, true},
		{"9223372036854775808", 0, true},
		{"0.3", 0, true},
		{"", 0, true},
		{"k", 0, true},
		{"-1", 0, true},
		{"+1", 0, true},
		{" 1", 0, true},
		{"1 k", 0, true},
		{"1e3", 0, true},
		{"0x10", 0, true},
		{"1.2.3", 0, true},
		{"NaN", 0, true},
		{"1kk", 0, true},
		{"1_000", 0, true},
	} {
		got, err := ParseSize(test.in)
		if got != test.want || (err != nil) != test.bad || err != nil && !errors.Is(err, ErrUsage) {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", test.in, got, err, test.want)
		}
	}
}

func TestParseRange(t *testing.T) {
	for _, test := range []struct {
		in       string
		from, to uint64
		bad      bool
	}{
		{"100-200", 100, 200, false},
		{"100-", 100, Open, false},
		{"5", 5, 5, false},
		{"0-0", 0, 0, false},
		{"0-18446744073709551614", 0, Open - 1, false},
		{"0-18446744073709551615", 0, 0, true},
		{"200-100", 0, 0, true},
		{"-5", 0, 0, true},
		{"-", 0, 0, true},
		{"", 0, 0, true},
		{"a-b", 0, 0, true},
		{"1-2-3", 0, 0, true},
		{"+1-2", 0, 0, true},
		{" 1-2", 0, 0, true},
	} {
		from, to, err := ParseRange(test.in)
		if (err != nil) != test.bad || err == nil && (from != test.from || to != test.to) || err != nil && !errors.Is(err, ErrUsage) {
			t.Errorf("ParseRange(%q) = %d, %d, %v, want %d, %d", test.in, from, to, err, test.from, test.to)
		}
	}
}

// FuzzParse: whatever is typed is taken or refused, and what is taken is in its range.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"64k", "1.5MiB", "100-200", "100-", "5", "-", "9223372036854775807", "1e999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseSize(s); n < 0 || err != nil && !errors.Is(err, ErrUsage) {
			t.Errorf("ParseSize(%q) = %d, %v", s, n, err)
		}
		if from, to, err := ParseRange(s); from > to || err != nil && !errors.Is(err, ErrUsage) {
			t.Errorf("ParseRange(%q) = %d, %d, %v", s, from, to, err)
		}
	})
}
