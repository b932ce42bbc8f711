// Package codec makes the payload of a run of the bytes of its blocks, and these of it again: raw, a frame of zstd, or, for a block that
// is like another one, a frame that has that as its dictionary. It also tells what is worth a try: whether bytes look random, and which of
// some blocks another one resembles. All of it are functions of bytes, for any number of goroutines at once.
//
// Begin with [Compress], or [EncodeDelta], and [Decompress]. What a run may have is in lib/store/records/FORMAT.md.
package codec
