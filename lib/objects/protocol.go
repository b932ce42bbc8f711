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

// Bits of a Knows, with which a server says what it answers.
const (
	KnowsCopies = 1 << iota // AskCopies
	KnowsDeltas             // AskDeltas
	KnowsRuns               // AskRuns
	KnowsMaps               // AskDeltas with Maps
)

// The reasons of a None.
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
	MaxMap    = 128 << 10  // bytes of the blocks of one answer sent as maps: stock's maps have about 80 KB, and two bytes may cost a look-up in the tree
)

// ErrMessage says that a peer sent something that is not a message of the protocol.
var ErrMessage = errors.New("malformed message of hc/objects")
