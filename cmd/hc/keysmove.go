package main

import (
	"errors"
	"fmt"

	"hc/lib/cli"
	"hc/lib/hypercore"
	"hc/lib/keyfile"
	"hc/lib/keys"
	"hc/lib/store"
)

func (j keysJob) export() error {
	out := j.c.String("out")
	switch {
	case j.c.Bool("lock") && j.c.Bool("plain"):
		return cli.Usagef("--lock and --plain cannot be used together")
	case out == "" && j.std.OutTerminal && !j.c.Bool("force"):
		return cli.Hint(cli.Usagef("not writing a secret key to a terminal"), "send it to a file (--out) or a pipe, or use --force")
	}
	in, file, err := j.stored(store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer in.Close()
	switch {
	case j.c.Bool("plain"):
		file, err = j.unlocked(file)
	case j.c.Bool("lock") && file.Locked():
		return cli.Hint(cli.Usagef("the secret key is already locked in the store"), "leave out --lock: it is exported as it is")
	default:
		file, err = j.locked(file)
	}
	if err != nil {
		return err
	}
	if out != "" {
		return j.writeOut(out, file)
	}
	if !file.Locked() {
		j.std.WarnOfReaders()
	}
	_, err = j.std.Out.Write(file.Encode())
	return err
}

func (j keysJob) importFile() error {
	file, err := j.std.ReadSecret(j.c.Context, j.args[0])
	if err != nil {
		return fmt.Errorf("reading the secret key: %w", err)
	}
	in, err := j.open(store.Options{Create: true, Late: true})
	if err != nil {
		return err
	}
	defer in.Close()
	if file, err = j.ofCore(in, file); err != nil {
		return err
	}
	plain, err := j.unlocked(file)
	if err != nil {
		return err
	}
	secret, err := plain.Secret()
	if err != nil {
		return err
	}
	key, _ := file.Key()
	if err := hypercore.CheckSecret(j.c.Context, in, key, secret); err != nil {
		return cli.Hint(err, "if the core has an unusual manifest, fetch it first")
	}
	if kept, err := in.SecretFile(key); err == nil {
		return j.importedAlready(kept, secret)
	} else if !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	if err := in.PutSecretFile(j.c.Context, file); err != nil {
		return err
	}
	return j.writeKey(file)
}

// ofCore finds out which core a secret key is for: the one named after the file, or in it, or the usual one.
func (j keysJob) ofCore(in *store.Store, file keyfile.File) (keyfile.File, error) {
	if len(j.args) == 2 {
		ref, err := hypercore.Find(j.c.Context, in, j.args[1])
		if err != nil {
			return file, err
		}
		return file.For(ref.Key)
	}
	if _, ok := file.Key(); ok {
		return file, nil
	}
	secret, err := file.Secret()
	if err != nil {
		return file, err
	}
	return file.For(keys.DefaultManifest(secret.Public()).Key())
}

// importedAlready leaves a stored key as it is.
func (j keysJob) importedAlready(kept keyfile.File, secret keys.Secret) error {
	key, _ := kept.Key()
	own, err := kept.Secret()
	switch {
	case errors.Is(err, keyfile.ErrLocked):
		return cli.Hint(cli.Exitf(cli.ErrConflict, "the store already has a secret key of core %v, locked", key), "nothing was changed")
	case err != nil:
		return err
	case own.Seed() != secret.Seed():
		return cli.Hint(cli.Exitf(cli.ErrConflict, "the store has another signer's secret key of core %v", key), "nothing was changed")
	}
	return j.writeKey(kept)
}
