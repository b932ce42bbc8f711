// Package simd is SHA-256 for programs that hash many files: digests that drives carry and that are compared with
// other tools', and nothing in the tree.
//
// It is separate from lib/hash because of its startup cost: it queries the features of the processor, and in a
// virtual machine the host answers each query. A tool that only checks a digest now and then uses lib/hash.
package simd

import (
	"hash"

	sha256 "github.com/minio/sha256-simd"
)

// NewSHA256 returns a SHA-256 state.
func NewSHA256() hash.Hash { return sha256.New() }

// SHA256 returns the SHA-256 of b.
func SHA256(b []byte) [32]byte { return sha256.Sum256(b) }
