package folder

import (
	"fmt"
	"path"
	"strings"
)

// linkTarget returns what a link of the folder points to for one of the drive: an absolute target means the drive's root,
// and becomes relative. One that may lead out is refused, but with OutsideLinks.
func (x *Export) linkTarget(link, target string) (string, error) {
	if target == "" || strings.IndexByte(target, 0) >= 0 {
		return "", fmt.Errorf("%q: %w: its target %q is none", link, ErrRefused, target)
	}
	depth := strings.Count(link, "/")
	if strings.HasPrefix(target, "/") {
		return LinkTarget(link, target), nil
	}
	if x.opt.OutsideLinks || staysInside(depth, target) {
		return target, nil
	}
	return "", fmt.Errorf("%q: %w: its target %q may lead out of the folder", link, ErrRefused, target)
}

// LinkTarget returns what a link of a folder points to that stands for one of a drive: an absolute target means the drive's
// root. link is the path of the link in the drive.
func LinkTarget(link, target string) string {
	if !strings.HasPrefix(target, "/") {
		return target
	}
	return relative(strings.Count(link, "/"), target)
}

// relative returns the target that leads from a folder depth levels down to a path from the root.
func relative(depth int, target string) string {
	inside := strings.TrimPrefix(path.Clean(target), "/")
	if depth == 0 && inside == "" {
		return "."
	}
	return strings.TrimSuffix(strings.Repeat("../", depth)+inside, "/")
}

// staysInside reports whether a relative target, of a link depth levels down, cannot lead out: it goes up first, no further
// than to the root, and then only down. Behind a name a .. may lead anywhere, as the name may be another link's; without
// that, all links lead to places inside.
func staysInside(depth int, target string) bool {
	up, down := 0, false
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if up++; down || up > depth {
				return false
			}
		default:
			down = true
		}
	}
	return true
}
