package hyperbee

// Len returns how many blocks the batch has.
func (b *Batch) Len() int { return len(b.pending) }
