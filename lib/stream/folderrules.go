package stream

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"strings"
)

// folderRules hold the rules between the frames of a folder. Reader and writer use the same ones.
type folderRules struct {
	begun  bool // a frame has come
	whole  Kind // the first frame, if it says what happens to paths that are not named
	since  bool
	purged bool
	inFile bool // the frame before was a file: blocks may follow
	paths  pathSet
}

// admit returns an error if the item may not follow the ones before, or breaks a rule by itself.
func (r *folderRules) admit(it Item) error {
	first := !r.begun
	r.begun, r.inFile = true, it.Kind == KindFile
	switch {
	case (it.Kind == KindTree || it.Kind == KindChanges) && !first:
		return fmt.Errorf("%v must be the first frame", it.Kind)
	case it.Kind == KindChanges && it.Since == nil:
		return errors.New("changes must name a version with since")
	case it.Kind == KindTree || it.Kind == KindChanges:
		r.whole, r.since = it.Kind, it.Since != nil
		return nil
	case it.Kind == KindPurge && (r.whole != KindChanges || r.purged):
		return errors.New("purge is allowed only after changes, and once")
	case it.Kind == KindPurge:
		r.purged = true
		return nil
	case it.Kind == KindKeep && !(r.whole == KindTree && r.since):
		return errors.New("keep is allowed only after tree since")
	case it.Kind == KindDelete && r.whole == KindTree:
		return errors.New("delete is not allowed after tree")
	case it.Mode&^fs.ModePerm != 0:
		return fmt.Errorf("mode %v is more than permission bits", it.Mode)
	}
	if err := CheckPath(it.Path); err != nil {
		return err
	}
	return r.admitPath(it)
}

// admitPath checks a path against the earlier ones.
func (r *folderRules) admitPath(it Item) error {
	switch it.Kind {
	case KindLink:
		if err := CheckTarget(it.Target); err != nil {
			return fmt.Errorf("link %s: %w", QuotePath(it.Path), err)
		}
	case KindSame:
		if err := CheckPath(it.Target); err != nil {
			return fmt.Errorf("same: %w", err)
		}
		if !r.paths.isFile(it.Target) {
			return fmt.Errorf("%s is the same as %s, which no file frame has named before", QuotePath(it.Path), QuotePath(it.Target))
		}
	}
	return r.paths.add(it.Kind, it.Path)
}

// What a pathSet knows of a path.
const (
	pathNamed  = 1 << iota // a frame named it
	pathFile               // by a file frame
	pathLeaf               // it is a file or a link
	pathFolder             // a file or a link is below it
)

// A pathSet detects a path that comes twice, or below a file, in about 30 bytes for each path and folder: it keeps
// keyed 64-bit hashes. Nobody can construct two equal ones, as the key is random. By chance it happens in one of 40
// million streams of a million paths: that stream is refused, once.
type pathSet struct {
	seed   maphash.Seed
	known  map[uint64]uint8
	parent string // whose folders are all known: paths come folder by folder
}

func (s *pathSet) add(kind Kind, path string) error {
	if s.known == nil {
		s.seed, s.known = maphash.MakeSeed(), map[uint64]uint8{}
	}
	key := maphash.String(s.seed, path)
	flags := s.known[key]
	switch {
	case flags&pathNamed != 0:
		return fmt.Errorf("%s is named twice", QuotePath(path))
	case kind == KindDelete: // nothing is there, so nothing is below it, and it is not below anything
		s.known[key] = flags | pathNamed
		return nil
	case flags&pathFolder != 0:
		return fmt.Errorf("%s is a file or a link, and an earlier path is below it", QuotePath(path))
	}
	if err := s.addFolders(path); err != nil {
		return err
	}
	flags |= pathNamed | pathLeaf
	if kind == KindFile {
		flags |= pathFile
	}
	s.known[key] = flags
	return nil
}

// addFolders records the folders that path is in.
func (s *pathSet) addFolders(path string) error {
	parent := path[:max(strings.LastIndexByte(path, '/'), 0)]
	if parent == s.parent {
		return nil
	}
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		key := maphash.String(s.seed, path[:i])
		if s.known[key]&pathLeaf != 0 {
			return fmt.Errorf("%s is below %s, which is a file or a link", QuotePath(path), QuotePath(path[:i]))
		}
		s.known[key] |= pathFolder
	}
	s.parent = parent
	return nil
}

// isFile reports whether a file frame has named path.
func (s *pathSet) isFile(path string) bool {
	return s.known != nil && s.known[maphash.String(s.seed, path)]&pathFile != 0
}
