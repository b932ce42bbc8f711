// Package records encodes what the records of a store's log say, and decodes it: runs of blocks, the spans that say which blocks of
// which core these are, tree nodes, heads. It knows bytes only: how records get into the log is for lib/store/packlog, what follows from
// them for lib/store.
//
// Begin with [Decode], which understands a record of any kind. To write one, encode what it says: [Run.Encode], [Span.Encode], [EncodeHead].
// What a decoder takes has one spelling, and what it allocates is bounded by the bytes that it was given. Nothing that breaks a rule of
// FORMAT.md passes: that is an error wrapping [ErrMalformed].
package records
