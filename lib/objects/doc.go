// Package objects encodes and decodes the messages with which two hc peers save bytes. A reader learns the leaf hashes of
// blocks before it asks for them, or which older blocks they are equal to. Blocks travel together, compressed, or as deltas
// against blocks that the reader holds. FORMAT.md specifies it.
//
// It knows neither connections nor stores: lib/replicate asks and answers.
package objects
