// Package objects is how two hc peers spare each other bytes: the messages by which a reader learns the leaf hashes of blocks
// before he asks for them, or which older blocks they are like, and the form in which blocks travel together, compressed, or as what
// they differ from a block that he holds. FORMAT.md has all of it.
//
// It knows neither connections nor stores: lib/replicate asks and answers.
package objects

import "errors"

// Protocol is the name under which both ends open the channel; its id is the discovery key.
const Protocol = "hc/objects"

// The types of the channel's messages.
const (
	TypeAskLeaves = iota
	TypeLeaves
	TypeAskBlocks
	TypeBlocks
	TypeNone
	TypeAskCopies
	TypeCopies
	TypeKnows
	TypeAskDeltas
	TypeAskRuns
	TypeRuns
)

// Bits of a Knows, by which a server says what it answers.
const (
	KnowsCopies = 1 << iota // AskCopies
	KnowsDeltas             // AskDeltas
	KnowsRuns               // AskRuns
	KnowsMaps               // AskDeltas with Maps
)

// Why there is no answer.
const (
	ReasonNotHere = iota
	ReasonInvalid
)

// Limits of one message.
const (
	MaxLeaves = 1024
	MaxBlocks = 16 << 10
	MaxSpans  = 1024
	MaxNodes  = 128
	MaxPieces = 1024
	MaxHeld   = 64
	MaxRuns   = 256
	MaxRaw    = 2 << 20    // bytes of several blocks
	MaxBlock  = 16<<20 - 1 // bytes of one
	MaxMap    = 128 << 10  // of those of one answer that are told as maps: one that stock writes has some 80 KB, and two bytes may be a look at the tree
)

// ErrMessage is wrapped by what a peer sent that is not a message of the protocol.
var ErrMessage = errors.New("malformed message of hc/objects")
