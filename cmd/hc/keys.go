package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/hypercore"
	"hc/lib/keyfile"
	"hc/lib/keylock"
	"hc/lib/keys"
	"hc/lib/store"
)

func newKeys(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-keys",
		Usage:       "list, create, export, import and lock secret keys",
		ArgsUsage:   "[list | create [NAME] | export NAME|KEY | import FILE [KEY] | lock NAME|KEY | unlock NAME|KEY]",
		Description: keysDescription,
		Flags: []urfave.Flag{
			cli.StoreFlag(),
			&urfave.StringFlag{Name: "out", TakesFile: true, Usage: "create, export: write the secret key to the new `FILE`, mode 0600"},
			&urfave.BoolFlag{Name: "lock", Usage: "create, export: lock it with a passphrase"},
			&urfave.BoolFlag{Name: "plain", Usage: "export: without the passphrase that locks it in the store"},
			&urfave.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "export: write the secret key even to a terminal"},
			cli.PassphraseFlag(),
			cli.JSONFlag(),
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "which logs are here, and which of them can be appended to", Command: "hc keys"},
				{Does: "create a log whose key is locked with a passphrase", Command: "hc keys create table --lock"},
				{Does: "make a key at home for a CI system, without a store", Command: "hc keys create --out table.secret"},
				{Does: "move the right to append to another machine", Command: "hc keys export table | ssh host hc keys import -"},
				{Does: "keep a copy that needs a passphrase", Command: "hc keys export table --lock --out /media/stick/table.secret"},
			},
			SeeAlso:   []string{"hc(1)", "hc-append(1)", "hc-doctor(1)", "hc-serve(1)", "age(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error { return runKeys(c, std) },
	}
}

const keysDescription = `
Whoever has the secret key of a log can append to it. It is a file in the store that only you can read. Without an argument, or with
'list', hc keys writes a line for each log that the store knows: its KEY, then 'plain' or 'locked' (its secret key is here), 'none' or
'unusable', then its names.

'create NAME' creates an empty log in the store with a fresh key pair and writes its KEY. 'create --out FILE' makes only the key pair,
and no store: a log begins with it where 'hc-append NAME --secret-key-file FILE' is run first.

'export' writes a secret key as text that says which log it is for. 'import FILE' (or '-', standard input) takes such a text into this
store, if it belongs to the log that it names, and writes that log's KEY. It also takes 64 hex digits (a seed) or 128 (seed and public
key), with KEY after FILE if the log is not the one that has the usual manifest. It does not bring the log: fetch that before you append
to it here, since two logs that are signed with one key conflict for good.

'lock' locks a secret key in the store with a passphrase, or with another one; 'unlock' takes that off. A locked one is an age file,
which 'tail -n +2 FILE | age -d' opens, too. hc-append asks for the passphrase on the terminal, even if its input is a pipe, or takes it
from --passphrase-fd. That flag reads one passphrase a line: the present one before the new one. The plain file is replaced, not wiped:
old backups still have it.

Tools that sign (hc-append, hc-serve --push, hc share, hc sync, hc doctor) take a secret key, in this order, from --secret-key-file or
--secret-key-fd, from the file $HC_SECRET_KEY_FILE, from $HC_SECRET_KEY, from the store. A file must belong to you or root, nobody else
may have any right to it, and nobody else may be able to write to its folder: otherwise it is refused, with the command that fixes that.
Secrets that are mounted into a container are often readable by everyone, and cannot be changed: open them in the shell, which vouches
for them, as in

    hc-append table --secret-key-fd 3 3< /run/secrets/table

In Kubernetes, 'defaultMode: 0400' on the volume and a container that runs as root, or an environment variable from a
secretKeyRef, do the same; in a GitHub workflow, 'env: HC_SECRET_KEY: ${{ secrets.NAME }}' on the one step that appends. A variable is
visible to every program that runs beside it as the same user. It is not passed on to programs that the tools start themselves.
`

// keysJob is one call of hc keys.
type keysJob struct {
	c           *urfave.Context
	std         *cli.IO
	args        []string // after the action
	passphrases *cli.Passphrases
}

// keysActions are the first words, each with its flags and how many words may follow.
var keysActions = []struct {
	word      string
	flags     []string
	min, most int
	run       func(keysJob) error
}{
	{"list", []string{"json"}, 0, 0, keysJob.list},
	{"create", []string{"json", "out", "lock", "passphrase-fd"}, 0, 1, keysJob.create},
	{"export", []string{"out", "lock", "plain", "force", "passphrase-fd"}, 1, 1, keysJob.export},
	{"import", []string{"json", "passphrase-fd"}, 1, 2, keysJob.importFile},
	{"lock", []string{"passphrase-fd"}, 1, 1, keysJob.lock},
	{"unlock", []string{"passphrase-fd"}, 1, 1, keysJob.unlock},
}

func runKeys(c *urfave.Context, std *cli.IO) (err error) {
	word, args := "list", c.Args().Slice()
	if len(args) > 0 {
		word, args = args[0], args[1:]
	}
	var words []string
	for _, action := range keysActions {
		words = append(words, action.word)
		if action.word != word {
			continue
		}
		if len(args) < action.min || len(args) > action.most {
			return cli.Usagef("%s takes %s, got %d", word, count(action.min, action.most), len(args))
		}
		for _, flag := range []string{"json", "out", "lock", "plain", "force", "passphrase-fd"} {
			if c.IsSet(flag) && !slices.Contains(action.flags, flag) {
				return cli.Usagef("--%s cannot be used with %s", flag, word)
			}
		}
		j := keysJob{c: c, std: std, args: args}
		if j.passphrases, err = std.Passphrases(c, word == "import" && args[0] == "-"); err != nil {
			return err
		}
		return action.run(j)
	}
	err = cli.Usagef("unknown action %q", word)
	if near := cli.Nearest(word, words); len(near) > 0 {
		return cli.Hint(err, "did you mean "+strings.Join(near, " or ")+"?")
	}
	return cli.Hint(err, "one of "+strings.Join(words, ", "))
}

func count(least, most int) string {
	switch {
	case most == 0:
		return "no argument"
	case least < most:
		return fmt.Sprintf("%d or %d arguments", least, most)
	}
	return "one argument"
}

func (j keysJob) open(options store.Options) (*store.Store, error) {
	return store.Open(j.c.Context, j.std.StoreDir(j.c), options)
}

// writeKey writes the result of create and import.
func (j keysJob) writeKey(file keyfile.File, names ...string) error {
	key, _ := file.Key()
	if !j.std.JSON {
		_, err := fmt.Fprintln(j.std.Out, key)
		return err
	}
	row := keyRow{Key: key, Names: append([]string{}, names...), Secret: "plain"}
	if file.Locked() {
		row.Secret = "locked"
	}
	return cli.WriteJSON(j.std.Out, row)
}

func (j keysJob) create() error {
	out := j.c.String("out")
	if (out != "") == (len(j.args) == 1) {
		return cli.Usagef("create takes either the NAME of a new log or --out FILE")
	}
	secret, err := keys.NewSecret(rand.Reader)
	if err != nil {
		return err
	}
	file := keyfile.New(keys.DefaultManifest(secret.Public()).Key(), secret)
	if out != "" {
		if file, err = j.locked(file); err != nil {
			return err
		}
		if err := j.writeOut(out, file); err != nil {
			return err
		}
		return j.writeKey(file)
	}
	return j.createNamed(j.args[0], file)
}

// createNamed creates an empty log, as hc-append does for a new name.
func (j keysJob) createNamed(name string, file keyfile.File) error {
	if err := store.CheckName(name); err != nil {
		return err
	}
	secret, err := file.Secret()
	if err != nil {
		return err
	}
	in, err := j.open(store.Options{Create: true, Late: true})
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := in.Resolve(name); err == nil { // before anybody is asked for a passphrase
		return cli.Hint(cli.Exitf(cli.ErrConflict, "core %q already exists", name), "choose another name")
	}
	if file, err = j.locked(file); err != nil {
		return err
	}
	w, err := hypercore.OpenWriter(j.c.Context, in, name, hypercore.AppendOptions{New: true, Secret: &secret, SecretFile: &file})
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Commit(j.c.Context); err != nil {
		return err
	}
	return j.writeKey(file, name)
}

// locked locks a plain file if --lock is given.
func (j keysJob) locked(file keyfile.File) (keyfile.File, error) {
	if !j.c.Bool("lock") {
		return file, nil
	}
	return j.lockFile(file)
}

func (j keysJob) lockFile(file keyfile.File) (keyfile.File, error) {
	secret, err := file.Secret()
	if err != nil {
		return file, err
	}
	key, _ := file.Key()
	passphrase, err := j.passphrases.New(j.c.Context, key)
	if err != nil {
		return file, err
	}
	return keylock.Lock(key, secret, passphrase)
}

// unlocked asks for the passphrase of a file that is locked.
func (j keysJob) unlocked(file keyfile.File) (keyfile.File, error) {
	if !file.Locked() {
		return file, nil
	}
	key, _ := file.Key()
	passphrase, err := j.passphrases.Current(j.c.Context, key)
	if err != nil {
		return file, err
	}
	return keylock.Unlock(file, passphrase)
}

// writeOut never replaces a file: it may be the only copy of another key.
func (j keysJob) writeOut(path string, file keyfile.File) error {
	err := keyfile.WriteNew(path, file.Encode())
	if errors.Is(err, fs.ErrExist) {
		return cli.Hint(cli.Exitf(cli.ErrConflict, "the file %q already exists", path), "choose another name, since it may be the only copy of a key")
	}
	if err != nil {
		return fmt.Errorf("writing the secret key: %w", err)
	}
	return nil
}

// stored opens the store and finds the secret key that the argument names. The caller closes the store.
func (j keysJob) stored(options store.Options) (*store.Store, keyfile.File, error) {
	in, err := j.open(options)
	if err != nil {
		return nil, keyfile.File{}, err
	}
	file, err := secretNamed(j.c.Context, in, j.args[0])
	if err != nil {
		return nil, file, errors.Join(err, in.Close())
	}
	return in, file, nil
}

func secretNamed(ctx context.Context, in *store.Store, word string) (keyfile.File, error) {
	ref, err := hypercore.Find(ctx, in, word)
	if err != nil {
		return keyfile.File{}, err
	}
	return in.SecretFile(ref.Key)
}

func (j keysJob) lock() error {
	in, file, err := j.stored(store.Options{})
	if err != nil {
		return err
	}
	defer in.Close()
	if file, err = j.unlocked(file); err != nil {
		return err
	}
	if file, err = j.lockFile(file); err != nil {
		return err
	}
	return in.PutSecretFile(j.c.Context, file)
}

func (j keysJob) unlock() error {
	in, file, err := j.stored(store.Options{})
	if err != nil {
		return err
	}
	defer in.Close()
	if !file.Locked() {
		j.std.Notef("the secret key is not locked")
		return nil
	}
	if file, err = j.unlocked(file); err != nil {
		return err
	}
	return in.PutSecretFile(j.c.Context, file)
}
