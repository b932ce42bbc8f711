// Package hidden tells a store's folder in a path: it holds secret keys, so no tool takes it into a stream or a drive, or
// writes to it what came from others.
package hidden

import (
	"strings"
	"unicode/utf8"
)

// Path reports whether a part of path is a store's folder, ".hc", or what some file system takes for it: in any
// case of its letters (APFS, NTFS, a case-folding ext4), with dots or spaces behind it (NTFS, FAT), with characters in it
// that are not seen and that HFS+ and a case-folding ext4 pass over. Parts are divided by / and by \.
func Path(path string) bool {
	start := 0
	for i := range len(path) {
		if path[i] != '/' && path[i] != '\\' {
			continue
		}
		if hiddenName(path[start:i]) {
			return true
		}
		start = i + 1
	}
	return hiddenName(path[start:])
}

// hiddenName reports whether one part of a path folds to ".hc".
func hiddenName(name string) bool {
	if name == "" || name[0] < utf8.RuneSelf && name[0] != '.' {
		return false // what folds away is no ASCII
	}
	visible := strings.Map(func(r rune) rune {
		if ignorable(r) {
			return -1
		}
		return r
	}, name)
	return strings.EqualFold(strings.TrimRight(visible, ". "), ".hc")
}

// ignorables are the code points that Unicode calls default-ignorable (DerivedCoreProperties.txt, version 16), as pairs of
// the first and the last: the ones that HFS+ drops, which git's is_hfs_dotgit lists, are among them.
var ignorables = [...][2]rune{
	{0xAD, 0xAD}, {0x34F, 0x34F}, {0x61C, 0x61C}, {0x115F, 0x1160}, {0x17B4, 0x17B5}, {0x180B, 0x180F},
	{0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x206F}, {0x3164, 0x3164}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF},
	{0xFFA0, 0xFFA0}, {0xFFF0, 0xFFF8}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
}

func ignorable(r rune) bool {
	for _, pair := range ignorables {
		if r >= pair[0] && r <= pair[1] {
			return true
		}
	}
	return false
}
