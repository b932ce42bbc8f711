package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"strings"

	"hc/lib/keys"
	"hc/lib/store/smallfile"
)

const (
	namesFolder = "names"
	maxName     = 255
	nameMagic   = "hc-name 1 "
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Name is a local name for a core.
type Name struct {
	Name string
	Key  keys.Key
}

// CheckName returns an error wrapping ErrName if name is not a valid local name: 1 … 255 letters, digits, `.`, `_` and
// `-`, not beginning with `.` or `-`, that cannot be taken for a key.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrName)
	case len(name) > maxName:
		return fmt.Errorf("%w: it has %d bytes, the limit is %d", ErrName, len(name), maxName)
	case name[0] == '.' || name[0] == '-':
		return fmt.Errorf("%w: %q begins with %q", ErrName, name, name[0])
	case looksLikeKey(name):
		return fmt.Errorf("%w: %q could be a key", ErrName, name)
	}
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c)) {
			return fmt.Errorf("%w: %q has %q in it: only letters, digits, and ._- are allowed", ErrName, name, c)
		}
	}
	return nil
}

func looksLikeKey(name string) bool {
	switch len(name) {
	case 64:
		_, err := hex.DecodeString(name)
		return err == nil
	case 52:
		return strings.Trim(strings.ToLower(name), "ybndrfg8ejkmcpqxot1uwisza345h769") == ""
	}
	return false
}

// sealedLine returns text, its checksum and LF.
func sealedLine(text string) []byte {
	return fmt.Appendf(nil, "%s %08x\n", text, crc32.Checksum([]byte(text), castagnoli))
}

// openLine returns the 32 bytes in hex that follow magic in a file of one sealed line.
func openLine(magic string, raw []byte) ([32]byte, error) {
	var value [32]byte
	text := strings.TrimSuffix(string(raw), "\n")
	if len(text) < 9 || string(sealedLine(text[:len(text)-9])) != string(raw) {
		return value, fmt.Errorf("%w: its checksum does not match", ErrDamaged)
	}
	digits, ok := strings.CutPrefix(text[:len(text)-9], magic)
	if !ok || len(digits) != 2*len(value) || digits != strings.ToLower(digits) {
		return value, fmt.Errorf("%w: it is not a line of %q and 64 hex digits", ErrDamaged, magic)
	}
	if _, err := hex.Decode(value[:], []byte(digits)); err != nil {
		return value, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return value, nil
}

// Resolve returns the key that a local name stands for. ErrNotFound if there is no such name, ErrName if it is not
// valid.
func (s *Store) Resolve(name string) (keys.Key, error) {
	if err := CheckName(name); err != nil {
		return keys.Key{}, err
	}
	path := filepath.Join(s.dir, namesFolder, name)
	raw, err := smallfile.Read(s.fs, path, 1024)
	if errors.Is(err, fs.ErrNotExist) {
		return keys.Key{}, fmt.Errorf("%w: no core has the name %q", ErrNotFound, name)
	}
	if err != nil {
		return keys.Key{}, fmt.Errorf("reading name %q: %w", name, err)
	}
	value, err := openLine(nameMagic, raw)
	if err != nil {
		return keys.Key{}, fmt.Errorf("reading name %q: %s: %w", name, path, err)
	}
	return value, nil
}

// Names lists the local names, ascending. A damaged one is an error.
func (s *Store) Names() ([]Name, error) {
	entries, err := s.fs.ReadDir(filepath.Join(s.dir, namesFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing names: %w", err)
	}
	var names []Name
	for _, name := range entries {
		if CheckName(name) != nil {
			continue // a temporary file, or not the store's
		}
		key, err := s.Resolve(name)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		names = append(names, Name{name, key})
	}
	return names, nil
}

// SetName makes name stand for key, durably, in place of what it stood for before. See CheckName for valid names.
func (s *Store) SetName(ctx context.Context, name string, key keys.Key) error {
	if err := CheckName(name); err != nil {
		return err
	}
	return s.keep(ctx, namesFolder, name, sealedLine(nameMagic+key.String()), 0o755, 0o644)
}

// keep writes a small file into a folder of the store, durably.
func (s *Store) keep(ctx context.Context, folder, name string, data []byte, dirPerm, perm fs.FileMode) error {
	if s.options.ReadOnly {
		return fmt.Errorf("writing %s/%s: %w", folder, name, ErrReadOnly)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.log.Make(ctx); err != nil {
		return err
	}
	dir := filepath.Join(s.dir, folder)
	if err := smallfile.MakeFolder(s.fs, dir, dirPerm); err != nil {
		return err
	}
	if err := smallfile.Replace(s.fs, filepath.Join(dir, name), data, perm); err != nil {
		return err
	}
	return smallfile.SyncFolder(s.fs, s.dir) // of the folder, which may be new. It comes last: by then the folder has usually reached the disk with its files
}
