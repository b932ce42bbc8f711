package derived

import (
	"slices"

	"hc/lib/store/records"
)

// Unsettled returns the conflicting heads that a new head does not settle.
func Unsettled(seen []records.Head, head records.Head) []records.Head {
	if len(seen) == 0 {
		return seen
	}
	return slices.DeleteFunc(slices.Clone(seen), func(s records.Head) bool { return s.Fork < head.Fork || SameHead(s, head) })
}

// SameHead reports whether two heads are of one tree. Their signatures may differ.
func SameHead(a, b records.Head) bool {
	return a.Fork == b.Fork && a.Length == b.Length && a.TreeHash == b.TreeHash
}

// AddSeen returns seen with one more head or, if settled, without it. The oldest is dropped if there are too many.
func AddSeen(seen []records.Head, head records.Head, settled bool) []records.Head {
	seen = slices.DeleteFunc(slices.Clone(seen), func(s records.Head) bool { return SameHead(s, head) })
	if !settled {
		seen = append(seen, head)
	}
	if len(seen) > MostSeen {
		seen = seen[len(seen)-MostSeen:]
	}
	return seen
}
