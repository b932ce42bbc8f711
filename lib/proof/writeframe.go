package proof

import (
	"encoding/hex"
	"fmt"
	"io"
	"strconv"

	"hc/lib/merkle"
)

// intro writes the frames up to the first head.
func (p *writer) intro() error {
	p.frame(version, p.src.Key())
	p.frame(wordClaim, p.claim)
	if err := p.manifestFrame(); err != nil {
		return err
	}
	return p.out.Flush()
}

// manifestFrame writes the log's manifest, if it has one.
func (p *writer) manifestFrame() error {
	m := p.src.Manifest()
	if len(m) > maxManifest {
		return fmt.Errorf("manifest of %d bytes: the limit is %d", len(m), maxManifest)
	}
	var err error
	if p.signer, err = newSigner(p.src.Key(), m); err != nil {
		return err
	}
	if m != nil {
		p.frame(wordManifest, len(m))
		p.payload(m)
	}
	return nil
}

// headFrame writes the signed head.
func (p *writer) headFrame(head Head) error {
	field, err := p.signer.plain(head.Fork, head.Length, head.Signature)
	if err != nil {
		return err
	}
	if len(field) > maxSignature {
		return fmt.Errorf("signature of %d bytes: the limit is %d", len(field), maxSignature)
	}
	p.frame(wordHead, head.Fork, head.Length, head.ByteLength, len(field))
	p.payload(field)
	return nil
}

// run writes the blocks of a group, the first of which is block index.
func (p *writer) run(index uint64, blocks [][]byte, last uint64) error {
	for len(blocks) > 0 {
		r, n := startRun(blocks[0]), 1
		for n < len(blocks) && r.takes(blocks[n], index+uint64(n) == last) {
			r.bytes += len(blocks[n])
			n++
		}
		if r.bytes > maxBlock {
			return fmt.Errorf("block %d: %d bytes are over the limit of %d", index, r.bytes, maxBlock)
		}
		p.blockFrame(index, blocks[:n], r)
		index += uint64(n)
		blocks = blocks[n:]
		p.blocks += uint64(n)
		p.bytes += uint64(r.bytes)
	}
	return nil
}

// blockFrame writes a frame of blocks, whose bytes must not change until the next Flush.
func (p *writer) blockFrame(index uint64, blocks [][]byte, r run) {
	if r.lines {
		p.frame(wordLines, index, len(blocks), r.bytes)
	} else {
		p.line = append(p.line[:0], wordBlock...)
		p.line = strconv.AppendUint(append(p.line, ' '), index, 10)
		for _, b := range blocks {
			p.line = strconv.AppendUint(append(p.line, ' '), uint64(len(b)), 10)
		}
		p.out.Write(append(p.line, '\n')) // keeps its error for Flush
	}
	for i, b := range blocks {
		p.lend(index+uint64(i), b)
	}
	p.out.Write(lineEnd)
}

const (
	writeBuffer = maxRun  // bytes of lines, and of copied blocks, that are collected before they are written
	leastLent   = 4 << 10 // smallest block, in bytes, that is worth a piece of its own
	mostLent    = 1 << 20 // bytes of such blocks from which on they are written
)

// lend writes a block whose bytes must not change until the next Flush.
func (p *writer) lend(index uint64, b []byte) {
	if len(b) < leastLent {
		p.out.Write(b)
		return
	}
	if file, offset := p.place(index); file != nil {
		p.out.LendFrom(file, offset, b)
	} else {
		p.out.Lend(b)
	}
	if p.out.Lent() >= mostLent {
		p.out.Flush()
	}
}

// place returns where a block is in a file, if it is in one.
func (p *writer) place(index uint64) (file io.ReaderAt, offset int64) {
	if p.placer == nil {
		return nil, 0
	}
	return p.placer.Place(index)
}

var lineEnd = []byte{'\n'}

// frame writes a frame's line. Errors are returned by the next Flush.
func (p *writer) frame(word string, args ...any) {
	fmt.Fprint(p.out, word)
	for _, a := range args {
		fmt.Fprint(p.out, " ", a)
	}
	p.out.Write(lineEnd)
}

// nodeFrame is frame for a node: a stream of small files has many.
func (p *writer) nodeFrame(n merkle.Node) {
	p.line = append(p.line[:0], wordNode...)
	p.line = strconv.AppendUint(append(p.line, ' '), n.Index, 10)
	p.line = strconv.AppendUint(append(p.line, ' '), n.Size, 10)
	p.line = hex.AppendEncode(append(p.line, ' '), n.Hash[:])
	p.out.Write(append(p.line, '\n'))
}

func (p *writer) payload(b []byte) {
	p.out.Write(b)
	p.out.Write(lineEnd)
}
