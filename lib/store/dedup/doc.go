// Package dedup spares who stores many blocks most look-ups of whether the store has them: it remembers which blocks came lately ([Recent]), which
// stand beside those that were found ([Nearby]), and finds out together which of those to come are in no table ([Expected]). Each is for one
// transaction, in bounded memory, and not for concurrent use.
package dedup
