package replicate

import "hc/lib/merkle"

// Trace, if set, sees every proof that is sent or received, for tests and for counting.
type Trace func(sent bool, proof *merkle.Proof)
