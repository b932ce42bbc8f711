package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/drive"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/store"
	"hc/lib/worktree"
)

// Verbs that read a drive take it as their first argument: a key, a pinned version, or a name in the store. In a working
// copy it may be left out; this means the folder's own drive, at the version that is checked out.

// driveMeant says so in the help of such a verb.
const driveMeant = `
DRIVE is a KEY, a version pinned as FORK.LENGTH.KEY, or a NAME in the store. In a working copy it may be left out, which means the
copy's own drive, and a NAME is taken only with -C.
`

// atFlag picks an older version.
func atFlag() urfave.Flag {
	return &urfave.Uint64Flag{Name: "at", Usage: "the drive as it was at version `N`"}
}

// opened is a drive that a verb reads, with the arguments after the drive.
type opened struct {
	*drive.Drive
	args []string
	in   *store.Store
	tree *worktree.Tree // nil: not in a working copy
}

func (o *opened) close() { o.in.Close() }

// openDrive opens the drive that the arguments name.
func openDrive(c *urfave.Context, std *cli.IO) (*opened, error) {
	o, ref, err := find(c, std)
	if err != nil {
		return nil, err
	}
	if o.Drive, err = drive.Open(c.Context, o.in, ref); err != nil {
		err = o.notHere(c, ref, err)
		o.close()
		return nil, err
	}
	return o, nil
}

// notHere says how a log that the store does not have can be brought there.
func (o *opened) notHere(c *urfave.Context, ref keys.Ref, err error) error {
	if _, viewErr := o.in.View(c.Context, ref.Key, false); !errors.Is(viewErr, store.ErrNotFound) {
		return err
	}
	return cli.Hint(cli.Exitf(cli.ErrNotFound, "no log with key %v in this store", ref.Key), "hc-fetch KEY, or hc clone KEY FOLDER, brings it")
}

// whenFolder makes the error about a word that names nothing one about the folder of that name, if it is a working copy.
func whenFolder(c *urfave.Context, word string, err error) error {
	notFound := errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrName) || errors.Is(err, store.ErrNoStore)
	dir := worktree.StoreDir(word)
	if _, statErr := os.Stat(dir); word == "" || !notFound || statErr != nil {
		return err
	}
	return cli.Hint(cli.Usagef("%q is a folder", word), fmt.Sprintf("%s -C %s reads the drive of that working copy", strings.Replace(c.App.Name, "-", " ", 1), dir))
}

// find opens the store, and finds which log the arguments name; it need not be a drive.
func find(c *urfave.Context, std *cli.IO) (o *opened, ref keys.Ref, err error) {
	o = &opened{args: c.Args().Slice()}
	dir := std.StoreDir(c)
	if !c.IsSet("dir") && std.Getenv("HC_DIR") == "" {
		if root, ok := worktree.Find("."); ok {
			dir = worktree.StoreDir(root)
		}
	}
	if o.in, err = store.Open(c.Context, dir, store.Options{ReadOnly: true}); err != nil {
		return nil, ref, whenFolder(c, c.Args().First(), err)
	}
	if ref, err = o.ref(c); err != nil {
		o.close()
		return nil, ref, whenFolder(c, c.Args().First(), err)
	}
	return o, ref, nil
}

// ref returns which drive is meant, and removes it from the arguments if it is one of them.
func (o *opened) ref(c *urfave.Context) (ref keys.Ref, err error) {
	o.tree, err = worktree.Of(o.in)
	if err != nil && !errors.Is(err, worktree.ErrNone) {
		return ref, err
	}
	named := o.tree == nil || len(o.args) > 0 && o.isDrive(o.args[0], c.IsSet("dir"))
	switch {
	case named && len(o.args) == 0:
		return ref, cli.Hint(cli.Usagef("this is not a working copy"), "give a KEY, or a NAME in the store")
	case named:
		if ref, err = hypercore.Find(c.Context, o.in, o.args[0]); err != nil {
			return ref, err
		}
		o.args = o.args[1:]
	default:
		ref = o.tree.At()
	}
	if c.IsSet("at") {
		return o.pin(c, ref)
	}
	return ref, nil
}

// isDrive reports whether a word in a working copy is a drive, not a path: a key, or, where the store was named, one of its
// names.
func (o *opened) isDrive(word string, storeNamed bool) bool {
	if _, err := keys.ParseRef(word); err == nil {
		return true
	}
	_, err := o.in.Resolve(word)
	return storeNamed && err == nil
}

// pin returns the drive at the version that --at names.
func (o *opened) pin(c *urfave.Context, ref keys.Ref) (keys.Ref, error) {
	newest, err := drive.Open(c.Context, o.in, keys.Ref{Key: ref.Key})
	if err != nil {
		return ref, err
	}
	return keys.Ref{Key: ref.Key, Pinned: true, Fork: newest.Head.Fork, Length: c.Uint64("at")}, nil
}

// path returns the name in the drive for a typed word: "" is the root.
func (o *opened) path(word string) (string, error) {
	name, err := hyperdrive.CleanName(word)
	if err != nil {
		return "", cli.Usagef("%v", err)
	}
	return name, nil
}

// place returns the one name after the drive, of a file or a folder; the root if there is none.
func (o *opened) place() (string, error) {
	switch len(o.args) {
	case 0:
		return "/", nil
	case 1:
		return o.path(o.args[0])
	}
	return "", cli.Usagef("want one PATH, got %d", len(o.args))
}

// shown makes a name in a drive fit for a terminal and for one line: quoted, like git does, if necessary.
func shown(name string) string {
	name = strings.TrimPrefix(name, "/")
	if name == "" {
		return "."
	}
	for _, r := range name {
		if r == '"' || r == '\\' || r == 0xfffd || !strconv.IsPrint(r) { // also what changes the direction of a line
			return fmt.Sprintf("%q", name)
		}
	}
	return name
}
