// Package merkle is the tree over a log's blocks: node numbers, roots, and the proofs that tie blocks to a head.
package merkle
