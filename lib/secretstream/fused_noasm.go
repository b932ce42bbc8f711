//go:build !amd64 || purego || noasm

package secretstream

// useFused is false: the AEAD is made of the same parts here, so there is nothing to gain.
var useFused = false
