// Package records encodes and decodes the records of a store's log: runs of blocks, the spans that say which blocks of
// which core these are, tree nodes, heads. It deals with bytes only: lib/store/packlog puts records into the log,
// lib/store draws conclusions from them.
//
// Begin with [Decode], which decodes a record of any kind. To encode one, use the method or function of its kind:
// [Run.Encode], [Span.Encode], [EncodeHead]. A decoder accepts one spelling only, and what it allocates is bounded by
// the bytes that it was given. Anything that breaks a rule of FORMAT.md is an error wrapping [ErrMalformed].
package records
