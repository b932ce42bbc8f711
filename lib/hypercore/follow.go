package hypercore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// A Download is a proof.Source whose methods wait for data that is still on its way. One goroutine reads; another
// asks peers.

// Start sets the first block that the reader will want.
func (d *Download) Start(block uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reader.start = block
	d.moveTo(block)
	d.notify()
}

// Position returns the block at which the reader is: it has read all blocks before it that it wanted.
func (d *Download) Position() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reader.position
}

// WaitsForNode returns the tree node that the reader waits for, if any.
func (d *Download) WaitsForNode() (node uint64, waits bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reader.node.number, d.reader.node.waits
}

// WaitsForBlock returns the block that the reader waits for, if any.
func (d *Download) WaitsForBlock() (block uint64, waits bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reader.block.number, d.reader.block.waits
}

// Changed returns a channel that is closed at the next change: something was verified, or the reader moved.
func (d *Download) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

// Settle declares that the newest head that the peers have is known.
func (d *Download) Settle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.settled {
		d.settled = true
		d.notify()
	}
}

// Finish declares that nothing more will come. err is nil if everything was there, else the reason. Only the first
// call counts.
func (d *Download) Finish(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.finished {
		return
	}
	d.finished, d.failure = true, err
	d.notify()
}

// await calls ready under d.mu until it reports that it is done, and waits for a change in between.
func (d *Download) await(ctx context.Context, ready func() (bool, error)) error {
	for {
		d.mu.Lock()
		done, err := ready()
		changed := d.changed
		d.mu.Unlock()
		if done || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Manifest returns the encoded manifest, nil for a compat core. It is known once Head has returned.
func (d *Download) Manifest() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.auth == nil {
		return nil
	}
	return d.auth.Manifest()
}

// Auth returns how heads are verified, nil if that is not known yet.
func (d *Download) Auth() *keys.Auth {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.auth
}

// Head waits until the newest head is known and returns it: the zero Head if nothing was signed.
func (d *Download) Head(ctx context.Context) (head proof.Head, err error) {
	err = d.await(ctx, func() (bool, error) {
		head = proofHead(d.head)
		if !d.settled && d.finished && d.failure != nil {
			return false, d.failure
		}
		return d.settled || d.finished, nil
	})
	return head, err
}

// Next waits for a head that is longer than after. It returns io.EOF when there will be none.
func (d *Download) Next(ctx context.Context, after proof.Head) (head proof.Head, err error) {
	err = d.await(ctx, func() (bool, error) {
		head = proofHead(d.head)
		if head.Length > after.Length {
			return true, nil
		}
		if !d.finished {
			return false, nil
		}
		if d.failure != nil {
			return false, d.failure
		}
		return false, io.EOF
	})
	return head, err
}

// Node waits for a tree node whose size is certain. It fails with proof.ErrPartial when the node will not come.
func (d *Download) Node(ctx context.Context, index uint64) (node merkle.Node, err error) {
	err = d.await(ctx, func() (bool, error) {
		var err error
		node, err = d.node(ctx, index)
		if err == nil && node.Hint {
			err = &merkle.HintError{Index: index}
		}
		if !errors.Is(err, merkle.ErrNodeMissing) && !errors.Is(err, merkle.ErrHint) {
			d.reader.node.waits = false
			return true, err
		}
		if d.finished {
			return false, d.missing(fmt.Errorf("%w: %w", proof.ErrPartial, err))
		}
		d.wait(&d.reader.node, index)
		return false, nil
	})
	return node, err
}

func (d *Download) wait(what *waiting, number uint64) {
	if next := (waiting{number, true}); *what != next {
		*what = next
		d.notify()
	}
}

// missing returns the reason why nothing more came, if there is one, instead of err.
func (d *Download) missing(err error) error {
	if d.failure != nil {
		return d.failure
	}
	return err
}

// Block waits for a block and marks those before it as read. If the reader gives blocks back, see DownloadOptions,
// the bytes are its own until it does.
func (d *Download) Block(ctx context.Context, index uint64) (data []byte, err error) {
	var view *store.View
	err = d.await(ctx, func() (bool, error) {
		d.move(index)
		if held, ok := d.blocks[index]; ok {
			data, d.reader.block.waits = held.data, false
			d.lend(index, held.memory)
			switch {
			case held.saved && (d.scattered || index < d.reader.position):
				d.letGo(index)
			case d.scattered:
				d.markRead(index)
			}
			return true, nil
		}
		if view = nil; d.view != nil {
			held, err := d.view.Has(ctx, index)
			if err != nil {
				return false, err
			}
			if held {
				view, d.reader.block.waits = d.view, false
				return true, nil
			}
		}
		if d.finished {
			return false, d.missing(fmt.Errorf("%w: block %d", proof.ErrBlockMissing, index))
		}
		d.wait(&d.reader.block, index)
		return false, nil
	})
	if err != nil || view == nil {
		return data, err
	}
	return view.Block(ctx, index) // without d.mu: it may read the disk
}

// move advances the reader to the next block. A look at any other block, which makes a size certain, is not a step.
// d.mu is held.
func (d *Download) move(index uint64) {
	if d.scattered || index != d.reader.position+1 {
		return
	}
	before := d.unread
	d.moveTo(index)
	d.prune()
	d.countRead(before - d.unread)
}

// countRead notifies from time to time that there is room for more. d.mu is held.
func (d *Download) countRead(memory int) {
	d.read += memory
	if d.read >= tellRead {
		d.read = 0
		d.notify()
	}
}

// tellRead is how much the reader has to read, in bytes of memory, before a change is notified. When nothing is left
// to read, the reader waits, which is notified, too.
const tellRead = 128 << 10
