package store

import (
	"errors"

	"hc/lib/keyfile"
	"hc/lib/store/packlog"
)

// Errors to be tested for with errors.Is. Those of lib/store/packlog on which a caller decides are repeated here.
var (
	ErrNotFound     = errors.New("not found")                 // no such core, name or secret key
	ErrBlockMissing = errors.New("block is not in the store") // the core may have it, this store does not
	ErrConflict     = errors.New("conflict")                  // the core moved on, or holds something else
	ErrName         = errors.New("not a valid name")          // see SetName
	ErrPermission   = keyfile.ErrNotPrivate                   // mode or owner of a key file
	ErrNotStore     = packlog.ErrNotStore
	ErrNoStore      = packlog.ErrNoStore
	ErrLocked       = packlog.ErrLocked
	ErrOvertaken    = packlog.ErrOvertaken
	ErrUnsynced     = packlog.ErrUnsynced
	ErrDamaged      = packlog.ErrDamaged
	ErrReadOnly     = packlog.ErrReadOnly
)
