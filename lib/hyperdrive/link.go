package hyperdrive

import (
	"path"
	"strings"
)

// LinkTarget returns the target of a link on disk that corresponds to a link in a drive: an absolute target is
// relative to the drive's root, and becomes a relative one. link is the path of the link, without a slash at its
// start.
func LinkTarget(link, target string) string {
	if !strings.HasPrefix(target, "/") {
		return target
	}
	depth := strings.Count(link, "/")
	inside := strings.TrimPrefix(path.Clean(target), "/")
	if depth == 0 && inside == "" {
		return "."
	}
	return strings.TrimSuffix(strings.Repeat("../", depth)+inside, "/")
}

// LinkStaysInside reports whether a link cannot lead out of the root that its path starts from: its target first goes
// up, no further than to the root, and then only down. A .. after a name could lead anywhere, as the name may be
// another link; without such a .., all links lead to places inside.
func LinkStaysInside(link, target string) bool {
	if strings.HasPrefix(target, "/") { // see LinkTarget
		return true
	}
	depth := strings.Count(link, "/")
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
