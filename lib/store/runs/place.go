package runs

import "hc/lib/store/packlog"

// Place is where a block is: a run in the log, and its number in it.
type Place struct {
	Run packlog.Position
	At  uint32
}
