package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"hc/lib/chunk"
	"hc/lib/hyperbee"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keyfile"
	"hc/lib/keys"
	"hc/lib/proof"
	"hc/lib/store"
	"hc/lib/stream"
)

// TestExitCode holds the table against design's words, not against itself: what is both is decided by the order.
func TestExitCode(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want int
	}{
		{"nil", nil, 0},
		{"plain", io.ErrUnexpectedEOF, 1},
		{"cancelled", context.Canceled, 1},
		{"missing file", fs.ErrNotExist, 1},
		{"usage", Usagef("x"), 2},
		{"name", store.ErrName, 2},
		{"impossible limits", chunk.ErrLimits, 2},
		{"folder", stream.ErrFolder, 2},
		{"log in place of a drive", hyperdrive.ErrNotDrive, 2},
		{"bytes in place of a folder", stream.ErrPlain, 2},
		{"drive in place of a log", hypercore.ErrDrive, 2},
		{"stream in place of lines", hypercore.ErrFramed, 2},
		{"part of a core", proof.ErrPartial, 3},
		{"unverified", proof.ErrUnverified, 4},
		{"signature", keys.ErrSignature, 4},
		{"unverified and partial", errors.Join(proof.ErrPartial, keys.ErrSignature), 4},
		{"signed, but no drive", hyperbee.ErrCorrupt, 4},
		{"a hostile name", hyperdrive.ErrName, 4},
		{"a hostile name that was typed", Usagef("--path: %w", hyperdrive.ErrName), 2},
		{"content that its record does not fit", hyperdrive.ErrContent, 4},
		{"content that is not there yet", hyperdrive.ErrBehind, 3},
		{"no such core", store.ErrNotFound, 5},
		{"a path that is proved not to be there", proof.ErrAbsent, 5},
		{"a folder where a file is wanted", hyperdrive.ErrNotFile, 5},
		{"fork", proof.ErrConflict, 7},
		{"rewritten", hypercore.ErrForked, 7},
		{"locked", store.ErrLocked, 7},
		{"no secret key", hypercore.ErrReadOnly, 8},
		{"a secret key that is none", keyfile.ErrFormat, 8},
		{"a locked one", keyfile.ErrLocked, 8},
		{"a wrong passphrase", keyfile.ErrPassphrase, 8},
		{"one that others can read", keyfile.ErrNotPrivate, 8},
		{"not a key", keys.ErrKey, 8},
		{"no permission", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, 8},
		{"said by the action", Exitf(ErrPartial, "3 of 4 blocks"), 3},
		{"said by the action about a cause", Exitf(ErrNotFound, "path %q: %w", "a", io.EOF), 5},
	} {
		for _, err := range []error{test.err, fmt.Errorf("fetching: %w", test.err)} {
			if test.err == nil {
				err = nil
			}
			if got := ExitCode(err); got != test.want {
				t.Errorf("%s: ExitCode(%v) = %d, want %d", test.name, err, got, test.want)
			}
		}
	}
}

func TestEveryCodeHasMeaning(t *testing.T) {
	known := map[int]bool{}
	for _, e := range exitMeanings {
		known[e.code] = true
	}
	for _, row := range exits {
		if !known[row.code] {
			t.Errorf("code %d of %q is not in the printed table", row.code, row.errors)
		}
	}
}
