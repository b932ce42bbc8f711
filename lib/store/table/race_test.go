//go:build race

package table

// stride is how many cases a test goes on at a time that has one goroutine and very many cases, all alike: the race detector
// makes them ten times slower, and has nothing to find there. Without it each case is looked at.
func stride(racing int) int { return racing }
