// Package simd is SHA-256 for who computes it of many files: digests that drives carry and that are compared with other
// tools', and nothing in the tree.
//
// It is apart from lib/hash because of what it costs to begin: it asks the processor all that it can do, which in a virtual
// machine the host answers, question by question. A tool that only checks a digest now and then has that of lib/hash.
package simd

import (
	"hash"

	sha256 "github.com/minio/sha256-simd"
)

// NewSHA256 returns a SHA-256 state.
func NewSHA256() hash.Hash { return sha256.New() }

// SHA256 returns the SHA-256 of b.
func SHA256(b []byte) [32]byte { return sha256.Sum256(b) }
