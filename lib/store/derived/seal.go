package derived

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"

	"hc/lib/compact"
	"hc/lib/store/table"
)

// ErrDamaged is wrapped by errors about derived files that are not valid: they are built again.
var ErrDamaged = errors.New("derived file is damaged")

// IsFault reports whether an error means that a derived file is damaged or gone. Derived files can be built again.
func IsFault(err error) bool {
	return errors.Is(err, table.ErrDamaged) || errors.Is(err, ErrDamaged) || errors.Is(err, fs.ErrNotExist)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ended returns the decoder's error, or one for bytes after the end.
func ended(d *compact.Decoder) error {
	if d.Err() == nil && d.Left() > 0 {
		d.Fail("%d bytes after the end", d.Left())
	}
	if err := d.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// seal appends the checksum of a small file.
func seal(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// unseal checks magic and checksum and returns what is between them.
func unseal(magic string, raw []byte) ([]byte, error) {
	if len(raw) < len(magic)+4 || string(raw[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: it does not begin with %q", ErrDamaged, magic)
	}
	body := raw[:len(raw)-4]
	if binary.LittleEndian.Uint32(raw[len(body):]) != crc32.Checksum(body, castagnoli) {
		return nil, fmt.Errorf("%w: checksum does not match", ErrDamaged)
	}
	return body[len(magic):], nil
}
