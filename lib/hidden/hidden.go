// Package hidden recognizes a store's folder in a path: it holds secret keys, so no tool takes it into a stream or a
// drive, or writes data from others to it.
package hidden

import (
	"strings"
	"unicode/utf8"
)

// Path reports whether a part of path is a store's folder, ".hc", or a name that some file system takes for it: in
// any letter case (APFS, NTFS, a case-folding ext4), with dots or spaces after it (NTFS, FAT), with invisible
// characters in it that HFS+ and a case-folding ext4 ignore. Parts are separated by / and by \.
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
		return false // ignored characters are not ASCII
	}
	visible := strings.Map(func(r rune) rune {
		if ignorable(r) {
			return -1
		}
		return r
	}, name)
	return strings.EqualFold(strings.TrimRight(visible, ". "), ".hc")
}

// ignorables are the code points that Unicode calls default-ignorable (DerivedCoreProperties.txt, version 16), as
// pairs of the first and the last. They include the ones that HFS+ drops, which git's is_hfs_dotgit lists.
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
