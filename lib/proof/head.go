package proof

import (
	"bytes"
	"math"

	"hc/lib/keys"
	"hc/lib/merkle"
)

// readHead reads a head and the groups under it.
func (v *verifier) readHead() error {
	if err := v.readHeadFrame(); err != nil {
		return err
	}
	l := v.layout()
	if err := v.readGroup(l); err != nil {
		return err
	}
	v.barren = len(v.group.Blocks) == 0
	for !v.done && !v.barren && v.next < l.end {
		l.first, l.old, l.known = v.next, 0, v.stack[len(v.stack)-1].Index
		if err := v.readGroup(l); err != nil {
			return err
		}
	}
	return v.endPart()
}

// readHeadFrame reads the signed head. The group that follows will verify it.
func (v *verifier) readHeadFrame() error {
	w := v.in.words()
	head := Head{Fork: w.number(maxNumber), Length: w.number(maxLength), ByteLength: w.number(maxNumber)}
	n := w.number(maxSignature)
	if !w.ok() {
		return v.in.fail("head takes fork, length, byte length and the length of the signature, at most %d", maxSignature)
	}
	if err := v.checkHead(head); err != nil {
		return err
	}
	signature, err := v.in.payload(int(n))
	if err != nil {
		return err
	}
	head.Signature = bytes.Clone(signature)
	v.head = head
	return nil
}

// checkHead compares a head with the one before it and with what was asked for.
func (v *verifier) checkHead(head Head) error {
	if v.opt.Fork != nil && head.Fork != *v.opt.Fork {
		return v.in.failAs(ErrConflict, "the head is on fork %d, not on %d", head.Fork, *v.opt.Fork)
	}
	if head.Length < v.opt.MinLength {
		return v.in.failAs(ErrPartial, "the head has %d blocks, at least %d were asked for", head.Length, v.opt.MinLength)
	}
	if v.sum.Heads == 0 {
		return nil
	}
	if head.Fork != v.head.Fork {
		return v.in.failAs(ErrConflict, "a head on fork %d follows one on fork %d", head.Fork, v.head.Fork)
	}
	if head.Length <= v.head.Length {
		return v.in.failAs(ErrConflict, "a head of %d blocks follows one of %d", head.Length, v.head.Length)
	}
	if v.done || v.barren && v.sum.Claim.Kind != KindHead {
		return v.in.fail("the head is not needed")
	}
	return nil
}

// layout returns the layout of the first group under v.head.
func (v *verifier) layout() layout {
	l := layout{length: v.head.Length, split: math.MaxUint64, known: crown}
	if v.sum.Heads > 0 {
		l.old = merkleLength(v.roots)
	}
	c := v.sum.Claim
	limit := c.limit(v.head.Length)
	if c.At != nil {
		l.split = *c.At
	}
	switch c.Kind {
	case KindAll:
		l.first, l.end = 0, limit
	case KindBlocks:
		l.first, l.end = c.From, limit
		if c.To != Open {
			l.end = min(limit, c.To+1)
		}
	case KindBytes: // the first group and the sizes will show where it begins and ends
		l.first, l.end = 0, limit
	}
	if v.started {
		l.first = v.next
	}
	if l.first >= l.end {
		l.first, l.end = l.old, l.old
	}
	return l
}

// merkleLength returns the length of the log with these roots.
func merkleLength(roots []merkle.Node) uint64 {
	if len(roots) == 0 {
		return 0
	}
	return merkle.LastBlock(roots[len(roots)-1].Index) + 1
}

// endRange checks, at the end of a range of blocks, what canonical left open.
func (v *verifier) endRange() error {
	if v.tail {
		v.tail = false
		if v.next-v.tailFirst <= uint64(maxCount) && v.tailBytes <= uint64(maxGroup) {
			return v.in.fail("the groups from block %d on must be one", v.tailFirst)
		}
	}
	return nil
}

// endPart ends the part of the claim under one head.
func (v *verifier) endPart() error {
	if err := v.endRange(); err != nil {
		return err
	}
	v.stack = v.stack[:0]
	c := v.sum.Claim
	switch {
	case c.Kind == KindHead:
		return nil
	case c.At != nil:
		v.done = true
	case c.Kind == KindBlocks && c.To != Open && v.started && v.next > c.To:
		v.done = true
	}
	return nil
}

// verifyHead checks a head's signature over its roots.
func (v *verifier) verifyHead(roots, split []merkle.Node) error {
	if size := merkle.ByteLength(roots); size != v.head.ByteLength {
		return v.in.fail("the head is of %d bytes, not of %d", size, v.head.ByteLength)
	}
	tree := merkle.TreeHash(roots)
	err := v.signer.verify(keys.Head{Fork: v.head.Fork, Length: v.head.Length, TreeHash: tree}, v.head.Signature)
	if err != nil {
		return v.in.fail("%w", err)
	}
	v.size = v.head.ByteLength
	at := v.sum.Claim.At
	if at != nil && *at <= v.head.Length {
		tree = merkle.TreeHash(split)
		v.size = merkle.ByteLength(split)
	}
	reached := at == nil || *at <= v.head.Length
	if v.opt.TreeHash != nil && v.sum.Heads == 0 && reached && tree != *v.opt.TreeHash {
		return v.in.fail("the tree hash is %v, not %v", tree, *v.opt.TreeHash)
	}
	v.tree = tree
	return nil
}
