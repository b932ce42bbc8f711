//go:build !linux

package folder

const largeFile = 0 // sizes have 64 bits
