//go:build race

package table

// stride is the step at which a test with one goroutine and very many similar cases goes through them: the race
// detector makes them ten times slower, and has nothing to find there. Without it each case is tested.
func stride(racing int) int { return racing }
