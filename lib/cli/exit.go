package cli

import (
	"errors"
	"io/fs"
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
	{ExitPartial, "partial: some of what was asked is not available"},
	{ExitUnverified, "verification failed: the data is not what the key signed"},
	{ExitNotFound, "not found (key, name, path)"},
	{ExitNetwork, "network: no peer reached, or all were lost"},
	{ExitConflict, "conflict: fork, wrong expected length, core locked"},
	{ExitKey, "key or permission"},
	{exitSignal + 2, "interrupted"},
	{exitSignal + 15, "terminated"},
}

// exits maps errors to exit codes; the first row that matches decides, so the order is the rule:
//
//   - A failed verification first: whatever else went wrong, it accuses somebody.
//   - A conflict before what it may wrap (a lock that timed out, a name that is taken).
//   - Network before partial: a download that lost all peers is partial, too, and the peers are the cause.
//   - Partial before not found: of what was asked, some came.
var exits = []struct {
	is   error
	code int
}{
	{ErrUsage, ExitUsage},
	{ErrConflict, ExitConflict},
	{ErrKey, ExitKey},
	{fs.ErrPermission, ExitKey},
	{ErrPartial, ExitPartial},
	{ErrNotFound, ExitNotFound},
}

// ExitCode returns the exit code for an action's error.
func ExitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	for _, row := range exits {
		if errors.Is(err, row.is) {
			return row.code
		}
	}
	return ExitFailed
}
