//go:build !amd64 || purego || noasm

package hash

// compress is nil: in plain Go, four messages at once take longer than one after the other.
var compress func(v *vectors, blocks int)
