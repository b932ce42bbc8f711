package worktree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"hc/lib/keys"
)

const (
	storeName = ".hc"
	stateName = "worktree"
	format    = "hc-worktree 1"
	maxState  = 1 << 20
	mostTo    = 16        // versions of interrupted updates
	mostLeft  = 128 << 10 // bytes of names that were left out, quoted
)

// ErrNone says that there is no working copy.
var ErrNone = errors.New("not a working copy")

// state is the content of the file.
type state struct {
	Format string   `json:"format"`
	Drive  string   `json:"drive"`
	At     string   `json:"at,omitempty"`
	To     []string `json:"to,omitempty"`
	Parts  []string `json:"parts,omitempty"`
	Pinned bool     `json:"pinned,omitempty"`
	Left   []string `json:"left,omitempty"`
	More   bool     `json:"more,omitempty"`
	Was    []string `json:"was,omitempty"`

	left map[string]struct{} // Left as a set, once it is needed
}

// Find returns the working copy that dir is in: the nearest folder, upward, whose store says that it is one.
func Find(dir string) (root string, ok bool) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	for {
		if Is(root) {
			return root, true
		}
		above := filepath.Dir(root)
		if above == root {
			return "", false
		}
		root = above
	}
}

// Is reports whether a folder is a working copy.
func Is(root string) bool {
	_, err := os.Lstat(filepath.Join(root, storeName, stateName))
	return err == nil
}

// StoreDir returns the store's folder in the working copy at root.
func StoreDir(root string) string { return filepath.Join(root, storeName) }

// readState reads the file in a store's folder; ErrNone if there is none.
func readState(dir string) (s state, err error) {
	file, err := os.Open(filepath.Join(dir, stateName))
	if errors.Is(err, fs.ErrNotExist) {
		return s, ErrNone
	}
	if err != nil {
		return s, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return s, err
	}
	if info.Size() > maxState {
		return s, damaged(dir, errors.New("it is too large"))
	}
	text := make([]byte, info.Size())
	if _, err := file.ReadAt(text, 0); err != nil {
		return s, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, damaged(dir, err)
	}
	if s.Format != format {
		return s, fmt.Errorf("%s is of the format %q: this version reads %q", filepath.Join(dir, stateName), s.Format, format)
	}
	return s, nil
}

func damaged(dir string, why error) error {
	return fmt.Errorf("%s is damaged (%w): remove it and clone into the folder again, which keeps the files that are right", filepath.Join(dir, stateName), why)
}

// write replaces the file, durably.
func (s state) write(dir string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := replace(dir, append(text, '\n')); err != nil {
		return fmt.Errorf("noting which version is checked out: %w", err)
	}
	return nil
}

func replace(dir string, text []byte) error {
	temporary := filepath.Join(dir, stateName+".new")
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temporary, filepath.Join(dir, stateName))
	}
	if err != nil {
		_ = os.Remove(temporary)
		return err
	}
	return syncFolder(dir)
}

func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// parse parses the references in the file.
func (s state) parse(dir string) (key keys.Key, at keys.Ref, to, was []keys.Ref, err error) {
	if key, err = keys.ParseKey(s.Drive); err != nil {
		return key, at, to, was, damaged(dir, err)
	}
	at = keys.Ref{Key: key}
	if most := max(len(s.To), len(s.Was)); most > mostTo {
		return key, at, nil, nil, damaged(dir, fmt.Errorf("%d updates are under way", most))
	}
	version := func(text string) keys.Ref {
		ref, parseErr := keys.ParseRef(text)
		if parseErr != nil || ref.Key != key || !ref.Pinned {
			err = damaged(dir, fmt.Errorf("%q is not a version of its drive", text))
		}
		return ref
	}
	if s.At != "" {
		at = version(s.At)
	}
	for _, text := range s.To {
		to = append(to, version(text))
	}
	for _, text := range s.Was {
		was = append(was, version(text))
	}
	return key, at, to, was, err
}

// leave replaces the list of names that were left out.
func (s *state) leave(names []string) {
	s.Left, s.More, s.left = nil, false, nil
	listed := 0
	for _, name := range names {
		quoted := strconv.QuoteToASCII(name)
		if listed += len(quoted); listed > mostLeft {
			s.Left, s.More = nil, true
			return
		}
		s.Left = append(s.Left, quoted)
	}
}

// leftOut reports whether a name was left out, or may have been.
func (s *state) leftOut(name string) bool {
	if s.More || len(s.Left) == 0 {
		return s.More
	}
	if s.left == nil {
		s.left = make(map[string]struct{}, len(s.Left))
		for _, quoted := range s.Left {
			s.left[quoted] = struct{}{}
		}
	}
	_, left := s.left[strconv.QuoteToASCII(name)]
	return left
}

// leftNames returns the names that were left out.
func (s *state) leftNames() (names []string) {
	for _, quoted := range s.Left {
		if name, err := strconv.Unquote(quoted); err == nil { // else it is not a name: skip it
			names = append(names, name)
		}
	}
	return names
}
