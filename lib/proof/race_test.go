//go:build race

package proof

// stride is the step between the cases of a test that has one goroutine and very many similar cases: the race
// detector makes them ten times slower, and has nothing to find there. Without it each case is run.
func stride(racing int) int { return racing }
