package hyperbee

import (
	"context"
	"fmt"
)

const protocol = "hyperbee"

// Header returns block 0 of a tree's core, which is an append of its own.
func Header() []byte {
	b := appendField(nil, 1, []byte(protocol))
	return appendField(b, 2, nil)
}

// ParseHeader reads block 0 and returns the key of the core that it names, nil if it names none.
func ParseHeader(block []byte) (contentFeed []byte, err error) {
	if err := parseHeader(block, &contentFeed); err != nil {
		return nil, corrupt("header: %w", err)
	}
	return contentFeed, nil
}

func parseHeader(block []byte, contentFeed *[]byte) error {
	if len(block) > maxBlock {
		return fmt.Errorf("%d bytes are over the limit of %d", len(block), maxBlock)
	}
	var name, metadata, feed, userData []byte
	if err := readFields(block, &name, &metadata); err != nil {
		return err
	}
	if string(name) != protocol {
		return fmt.Errorf("the core's protocol is %.40q, not %q", name, protocol)
	}
	if err := readFields(metadata, &feed, &userData); err != nil || feed == nil {
		return err
	}
	if len(feed) < 32 {
		return fmt.Errorf("it names a core with only %d bytes", len(feed))
	}
	*contentFeed = feed[:32:32]
	return nil
}

// CheckHeader reads block 0 of a core and refuses one that is not a tree's.
func CheckHeader(ctx context.Context, blocks Blocks) error {
	block, err := blocks.Block(ctx, 0)
	if err == nil {
		_, err = ParseHeader(block)
	}
	return err
}
