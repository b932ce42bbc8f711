// Package codec encodes the blocks of a run as its payload, and decodes them again. A payload is the raw bytes, a frame
// of zstd, or, for a block that is like another one, a frame with that as its dictionary. The package also decides what
// is worth a try: whether bytes look random, and which of some blocks another one resembles. Its functions only depend
// on the bytes that they are given, and may be called by any number of goroutines at once.
//
// Begin with [Compress], or [EncodeDelta], and [Decompress]. lib/store/records/FORMAT.md says what a run may contain.
package codec
