package records

import (
	"errors"
	"fmt"

	"hc/lib/compact"
	"hc/lib/store/packlog"
)

// Limits of records, see FORMAT.md.
const (
	MaxBlock      = 15 << 20 // bytes, stock's limit
	MaxRaw        = 16 << 20 // bytes of a run, not compressed
	MaxRunBlocks  = 1 << 16
	MaxSpanBlocks = 1 << 16
	maxNodes      = 1 << 16
	MaxManifest   = 64 << 10  // bytes
	MaxSignature  = 256 << 10 // bytes
	MaxWindow     = 8 << 20   // bytes, of a zstd frame
)

// ErrMalformed is wrapped by all errors about a record's meta that breaks a rule of FORMAT.md.
var ErrMalformed = errors.New("malformed record")

func malformed(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrMalformed, what, err)
}

// finish returns the decoder's error, or one for bytes after the end.
func finish(what string, d *compact.Decoder) error {
	if d.Err() == nil && d.Left() > 0 {
		d.Fail("%d bytes after the end", d.Left())
	}
	if err := d.Err(); err != nil {
		return malformed(what, err)
	}
	return nil
}

// flags reads the flags; unknown ones are an error.
func flags(d *compact.Decoder, known byte) byte {
	b := u8(d)
	if b&^known != 0 {
		d.Fail("unknown flags %#02x", b)
	}
	return b
}

func u8(d *compact.Decoder) byte {
	v := d.Uint()
	if v >= 0xfd { // so that a byte has only one spelling, which is itself
		d.Fail("byte %#x is out of range", v)
		return 0
	}
	return byte(v)
}

// DamagedAt turns a malformed record's error into a packlog.ErrDamaged, and says which record it is.
func DamagedAt(at packlog.Position, err error) error {
	if errors.Is(err, ErrMalformed) {
		return fmt.Errorf("%w: record at %v: %w", packlog.ErrDamaged, at, err)
	}
	return fmt.Errorf("reading the record at %v: %w", at, err)
}
