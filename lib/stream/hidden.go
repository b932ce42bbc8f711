package stream

import "hc/lib/hidden"

// HiddenPath reports whether a part of path is a store's folder, ".hc", or a name that some file system takes for it:
// see [hidden.Path]. Nothing in such a folder is ever imported, and nothing is ever written to it.
func HiddenPath(path string) bool { return hidden.Path(path) }
