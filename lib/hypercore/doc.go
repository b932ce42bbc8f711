// Package hypercore is one signed, append-only log: appending to it, proving its contents, and downloading it from
// others.
//
// Use OpenWriter to append, OpenSnapshot to read or to prove, and NewDownload to take a core from peers.
//
// A Writer's commit is atomic and durable: once Commit has returned, the blocks survive a crash, and until then
// nobody sees any of them. A Snapshot never changes. Everything a Download holds has been verified against the key;
// it becomes durable as a copied file does, at the next sync, unless DownloadOptions say otherwise.
//
// The formats are those of stock Hypercore: the tree in lib/merkle, manifests and signatures in lib/keys.
package hypercore

import "errors"

// Sentinel errors, to be tested with errors.Is.
var (
	ErrConflict = errors.New("conflict")              // another length than expected, a name that is taken, another signed head
	ErrReadOnly = errors.New("no secret key")         // the core is somebody else's
	ErrForked   = errors.New("the log was rewritten") // the key signed a history that does not extend ours
	ErrTooLarge = errors.New("block is too large")
	ErrFramed   = errors.New("the input is an hc-stream, whose framing would become part of the log")
)

// worded is an error with a text of its own that wraps a sentinel.
type worded struct {
	is    error
	words string
}

func (e worded) Error() string { return e.words }
func (e worded) Unwrap() error { return e.is }

// MaxBlock is the size in bytes of the largest block that can be appended: stock's limit.
const MaxBlock = 15 << 20
