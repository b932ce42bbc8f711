package cli

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"hc/lib/chunk"
	"hc/lib/hyperbee"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keyfile"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
	"hc/lib/stream"
)

// The exit codes of all tools. A signal that ended one gives 128 and its number.
const (
	ExitDone       = 0
	ExitFailed     = 1
	ExitUsage      = 2
	ExitPartial    = 3
	ExitUnverified = 4
	ExitNotFound   = 5
	ExitNetwork    = 6
	ExitConflict   = 7
	ExitKey        = 8

	exitSignal       = 128
	exitBrokenOutput = exitSignal + 13 // SIGPIPE: what a shell shows for any filter whose reader went away
)

// exitMeanings is the table that help and manual pages print.
var exitMeanings = []struct {
	code    int
	meaning string
}{
	{ExitDone, "done and complete"},
	{ExitFailed, "failed (I/O, bad input)"},
	{ExitUsage, "usage"},
	{ExitPartial, "partial: some of what was asked for is not available"},
	{ExitUnverified, "verification failed: the data is not what the key signed"},
	{ExitNotFound, "not found (key, name, path)"},
	{ExitNetwork, "network: no peer reached, or all were lost"},
	{ExitConflict, "conflict: fork, wrong expected length, core locked"},
	{ExitKey, "key or permission"},
	{exitSignal + 2, "interrupted"},
	{exitSignal + 15, "terminated"},
}

// Exits are errors by their exit code.
type Exits map[int][]error

// exits maps errors to exit codes; the first row with one that matches decides, so the order is the rule:
//
//   - A failed verification first: whatever else went wrong, it accuses somebody.
//   - Usage next: an action that returns it has seen the error that it wraps.
//   - Network before partial and not found: a download that lost its peers is partial, too, and the peers are the cause.
//   - Conflict before key: a fork may be found while signing.
//   - Partial before not found: of what was asked, some came.
//
// A tool may add errors to these codes: those of packages that not every tool links.
var exits = []struct {
	code   int
	errors []error
}{
	{ExitUnverified, []error{
		proof.ErrUnverified,
		merkle.ErrUnverified,
		keys.ErrSignature,
		keys.ErrManifest,
		hyperbee.ErrCorrupt, // signed, but no drive
		hyperdrive.ErrEntry,
		hyperdrive.ErrContent,
		hyperdrive.ErrNoBlobs,
		ErrUnverified,
	}},
	{ExitUsage, []error{
		ErrUsage,
		store.ErrName,
		chunk.ErrLimits,
		stream.ErrFolder, // a stream of a folder where none is taken
		stream.ErrPlain,
		hyperdrive.ErrNotDrive,
		hypercore.ErrDrive,
		hypercore.ErrFramed,
	}},
	{ExitUnverified, []error{
		hyperdrive.ErrName, // unless somebody typed it
	}},
	{ExitNetwork, []error{
		syscall.ECONNRESET,
		syscall.ECONNREFUSED,
		os.ErrDeadlineExceeded,
	}},
	{ExitConflict, []error{
		ErrConflict,
		hypercore.ErrConflict,
		hypercore.ErrForked,
		proof.ErrConflict,
		store.ErrConflict,
		store.ErrLocked,
		store.ErrOvertaken,
		merkle.ErrFork,
	}},
	{ExitKey, []error{
		ErrKey,
		hypercore.ErrReadOnly,
		keys.ErrKey,
		keyfile.ErrFormat,
		keyfile.ErrLocked,
		keyfile.ErrPassphrase,
		store.ErrPermission,
		store.ErrReadOnly,
		fs.ErrPermission,
		syscall.EROFS,
	}},
	{ExitPartial, []error{
		ErrPartial,
		proof.ErrPartial,
		proof.ErrBlockMissing,
		hyperdrive.ErrBehind,
		store.ErrBlockMissing,
	}},
	{ExitNotFound, []error{
		ErrNotFound,
		store.ErrNotFound,
		proof.ErrAbsent,
		hyperbee.ErrNotFound,
		hyperdrive.ErrNotFile,
		store.ErrNotStore,
	}},
}

// ExitCode returns the exit code for an action's error, with the errors that the tool adds.
func ExitCode(err error, more ...Exits) int {
	if err == nil {
		return ExitDone
	}
	for _, row := range exits {
		if isAny(err, row.errors) || slices.ContainsFunc(more, func(own Exits) bool { return isAny(err, own[row.code]) }) {
			return row.code
		}
	}
	return ExitFailed
}

func isAny(err error, of []error) bool {
	return slices.ContainsFunc(of, func(one error) bool { return errors.Is(err, one) })
}
