package proof

import "fmt"

// readEnd reads the last frame and checks whether everything asked for has come.
func (v *verifier) readEnd() error {
	w := v.in.words()
	blocks, bytes := w.number(maxNumber), w.number(maxNumber)
	if !w.ok() {
		return v.in.fail("end takes the number of blocks and of bytes")
	}
	if blocks != v.sum.Blocks || bytes != v.total {
		return v.in.fail("%d blocks with %d bytes came, not %d with %d", v.sum.Blocks, v.total, blocks, bytes)
	}
	v.in.take()
	if err := v.in.ended(); err != nil {
		return err
	}
	if v.versionCertain() {
		v.sum.TreeHash = v.tree
	}
	return v.missing()
}

// missing returns an error if the log does not have everything that was asked for.
func (v *verifier) missing() error {
	if v.sum.Heads == 0 {
		return fmt.Errorf("%w: the log %v has no signed head: nothing was appended yet", ErrPartial, v.sum.Key)
	}
	c := v.sum.Claim
	switch reached := c.At == nil || *c.At <= v.head.Length; {
	case c.Kind != KindBytes || !reached:
	case v.started && c.To < v.offset:
		return nil
	case v.started: // all bytes of the log have come
		v.size = v.offset
	case !v.versionCertain():
		return fmt.Errorf("%w: only the tree hash of length %d can prove that %v do not exist", ErrPartial, *c.At, c)
	}
	return c.missing(v.head.Length, v.size)
}

// versionCertain reports whether the sizes of the roots are certain. Those of a head are. In a version before it, one
// may have been sent together with its sibling, so only their sum is certain until its last block has come.
func (v *verifier) versionCertain() bool {
	at := v.sum.Claim.At
	switch {
	case v.sum.Heads == 0:
		return false
	case at == nil || *at == v.head.Length:
		return true
	case *at > v.head.Length:
		return false
	}
	return v.opt.TreeHash != nil || v.started && v.next == *at
}
