package cli

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"hc/lib/chunk"
	"hc/lib/drive"
	"hc/lib/hyperbee"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keyfile"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/replicate"
	"hc/lib/secretstream"
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
//   - Usage next: an action that says so has seen what it wraps.
//   - Network before partial and not found: a download that lost its peers is partial, too, and the peers are the cause.
//   - Conflict before key: a fork may be found while signing.
//   - Partial before not found: of what was asked, some came.
var exits = []struct {
	is   error
	code int
}{
	{proof.ErrUnverified, ExitUnverified},
	{merkle.ErrUnverified, ExitUnverified},
	{keys.ErrSignature, ExitUnverified},
	{keys.ErrManifest, ExitUnverified},
	{hyperbee.ErrCorrupt, ExitUnverified}, // signed, but no drive
	{hyperdrive.ErrEntry, ExitUnverified},
	{hyperdrive.ErrContent, ExitUnverified},
	{hyperdrive.ErrNoBlobs, ExitUnverified},
	{ErrUnverified, ExitUnverified},

	{ErrUsage, ExitUsage},
	{store.ErrName, ExitUsage},
	{chunk.ErrLimits, ExitUsage},
	{stream.ErrFolder, ExitUsage}, // a stream of a folder where none is taken
	{drive.ErrNotDrive, ExitUsage},

	{hyperdrive.ErrName, ExitUnverified}, // unless somebody typed it

	{peer.ErrUnreachable, ExitNetwork},
	{secretstream.ErrHandshake, ExitNetwork},
	{secretstream.ErrFrame, ExitNetwork}, // tampered with under way; the data was not looked at
	{protomux.ErrClosed, ExitNetwork},
	{protomux.ErrBacklog, ExitNetwork},
	{protomux.ErrDropped, ExitNetwork},
	{replicate.ErrPeer, ExitNetwork},
	{replicate.ErrMessage, ExitNetwork},
	{replicate.ErrLost, ExitNetwork},
	{syscall.ECONNRESET, ExitNetwork},
	{syscall.ECONNREFUSED, ExitNetwork},
	{os.ErrDeadlineExceeded, ExitNetwork},

	{ErrConflict, ExitConflict},
	{hypercore.ErrConflict, ExitConflict},
	{hypercore.ErrForked, ExitConflict},
	{proof.ErrConflict, ExitConflict},
	{store.ErrConflict, ExitConflict},
	{store.ErrLocked, ExitConflict},
	{store.ErrOvertaken, ExitConflict},
	{merkle.ErrFork, ExitConflict},

	{ErrKey, ExitKey},
	{hypercore.ErrReadOnly, ExitKey},
	{replicate.ErrNotAccepted, ExitKey},
	{keys.ErrKey, ExitKey},
	{keyfile.ErrFormat, ExitKey},
	{keyfile.ErrLocked, ExitKey},
	{keyfile.ErrPassphrase, ExitKey},
	{store.ErrPermission, ExitKey},
	{store.ErrReadOnly, ExitKey},
	{fs.ErrPermission, ExitKey},
	{syscall.EROFS, ExitKey},

	{ErrPartial, ExitPartial},
	{proof.ErrPartial, ExitPartial},
	{proof.ErrBlockMissing, ExitPartial},
	{hyperdrive.ErrBehind, ExitPartial},
	{store.ErrBlockMissing, ExitPartial},

	{ErrNotFound, ExitNotFound},
	{store.ErrNotFound, ExitNotFound},
	{proof.ErrAbsent, ExitNotFound},
	{hyperbee.ErrNotFound, ExitNotFound},
	{hyperdrive.ErrNotFile, ExitNotFound},
	{store.ErrNotStore, ExitNotFound},
	{replicate.ErrNotOffered, ExitNotFound},
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
