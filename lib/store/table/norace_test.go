//go:build !race

package table

func stride(int) int { return 1 }
