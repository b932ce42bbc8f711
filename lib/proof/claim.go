package proof

import "math"

// Open is the end of a range that has none ("100-"): it goes as far as the log does.
const Open = math.MaxUint64

// Kind is what a claim is about.
type Kind uint8

// The kinds of claims.
const (
	KindAll    Kind = iota // every block
	KindHead               // the head only, no data
	KindBlocks             // blocks From to To
	KindBytes              // bytes From to To
	KindPath               // one file of a drive
	KindTree               // a folder of a drive
)

// Claim is what a proof stream says that it proves. The zero value is `all`.
type Claim struct {
	Kind Kind
	From uint64  // KindBlocks: block; KindBytes: offset in the log
	To   uint64  // inclusive, or Open
	Path string  // KindPath, KindTree; not quoted
	At   *uint64 // the log as it was at that length, proved as a part of the newest head; nil: the newest
}

// ParseClaim reads a claim as String writes it.
func ParseClaim(s string) (Claim, error) { return Claim{}, ErrUnverified }

// String returns the claim as it stands in a stream, without the word claim.
func (c Claim) String() string { return "" }
