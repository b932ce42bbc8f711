package hash

import (
	"crypto/sha256"
	"hash"
)

// NewSHA256 returns a SHA-256 state, for whole-file digests that are compared with other tools' and for nothing in
// the tree. To hash many files use lib/hash/simd.
func NewSHA256() hash.Hash { return sha256.New() }
