// Package hypercore is one signed, append-only log: appending to it, proving its contents, and downloading it from
// others.
//
// Use OpenWriter to append, OpenSnapshot to read or to prove, and NewDownload to take a core from peers.
//
// A Writer's commit is atomic and durable: once Commit has returned, the blocks survive a crash, and until then
// nobody sees any of them. A Snapshot never changes. Everything a Download holds has been verified against the key;
// it becomes durable as a copied file does, at the next sync, unless DownloadOptions say otherwise.
//
// The formats are those of stock Hypercore: the tree in lib/merkle, manifests and signatures in lib/keys.
package hypercore
