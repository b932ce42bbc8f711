package folder

import (
	"fmt"
	"strings"

	"hc/lib/hyperdrive"
)

// linkTarget returns the target on disk for a link of the drive. One that may lead out is refused, unless OutsideLinks is set.
func (x *Export) linkTarget(link, target string) (string, error) {
	if target == "" || strings.IndexByte(target, 0) >= 0 {
		return "", fmt.Errorf("%q: %w: its target %q is not valid", link, ErrRefused, target)
	}
	if x.opt.OutsideLinks || hyperdrive.LinkStaysInside(link, target) {
		return hyperdrive.LinkTarget(link, target), nil
	}
	return "", fmt.Errorf("%q: %w: its target %q may lead out of the folder", link, ErrRefused, target)
}
