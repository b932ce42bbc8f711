package hyperdrive

import (
	"path"
	"strings"
)

// LinkTarget returns what a link points to on a disk that stands for one of a drive: an absolute target means the drive's root, and
// becomes relative. link is the path of the link, without a slash before it.
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

// LinkStaysInside reports whether a link cannot lead out of the root that its path is from: its target goes up first, no further than
// to the root, and then only down. Behind a name a .. may lead anywhere, as the name may be another link's; without that, all links lead
// to places inside.
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
