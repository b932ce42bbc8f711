package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"hc/lib/keyfile"
	"hc/lib/keys"
	"hc/lib/store/smallfile"
)

// eachFile calls fn with the name and the content of each file in a folder of small files, except temporary ones.
func (c *Checker) eachFile(ctx context.Context, folder string, fn func(name string, raw []byte) error) error {
	names, err := c.fs.ReadDir(filepath.Join(c.dir, folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if strings.HasPrefix(name, ".") {
			continue
		}
		raw, err := smallfile.Read(c.fs, filepath.Join(c.dir, folder, name), keyfile.MaxSize)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil && !errors.Is(err, smallfile.ErrTooLong) { // a file that is too long is checked as an empty one: it is not valid either
			return err
		}
		if err := fn(name, raw); err != nil {
			return err
		}
	}
	return nil
}

// checkNames reads the local names.
func (c *Checker) checkNames(ctx context.Context) error {
	return c.eachFile(ctx, namesFolder, func(name string, raw []byte) error {
		if CheckName(name) != nil {
			return nil // not the store's
		}
		if _, err := openLine(nameMagic, raw); err != nil {
			c.found(Finding{Harm: HarmData, File: namesFolder + "/" + name, Length: uint64(len(raw)),
				What: fmt.Sprintf("the name is damaged: %v", err), Next: "hc fsck --repair puts it right if one bit has flipped; else remove the file, and use the key"})
		}
		return nil
	})
}

// checkSecrets reads the secret keys, as far as that needs no passphrase.
func (c *Checker) checkSecrets(ctx context.Context) error {
	return c.eachFile(ctx, keysFolder, func(name string, raw []byte) error {
		key, err := keys.ParseKey(name)
		if err != nil || key.String() != name {
			return nil // not the store's
		}
		if err := c.checkSecret(key, raw); err != nil {
			c.secrets = append(c.secrets, key)
			c.found(Finding{Harm: HarmData, File: keysFolder + "/" + name, Length: uint64(len(raw)), Core: key, HasKey: true,
				What: fmt.Sprintf("the secret key is damaged: %v", err), Next: "hc fsck --repair puts it right if one bit has flipped; else restore the file from a backup"})
		}
		return nil
	})
}

// checkSecret returns nil if raw is a secret key that may sign for the core, as far as can be told without a
// passphrase.
func (c *Checker) checkSecret(key keys.Key, raw []byte) error {
	file, err := keyfile.Decode(raw)
	if err == nil {
		file, err = file.For(key)
	}
	if err != nil || file.Locked() {
		return err
	}
	secret, err := file.Secret()
	if err != nil {
		return err
	}
	manifest := keys.DefaultManifest(secret.Public())
	if manifest.Key() == key || secret.Public() == key {
		return nil
	}
	return c.mayOtherwiseSign(key, secret)
}

// mayOtherwiseSign looks for the secret's public key among the signers of the core's manifest.
func (c *Checker) mayOtherwiseSign(key keys.Key, secret keys.Secret) error {
	d, err := c.openShadow()
	if err != nil {
		return err
	}
	tables, err := d.Core(key)
	if err != nil || tables == nil || tables.File.Manifest == nil {
		return err // not known, so not known to be wrong
	}
	manifest, err := keys.DecodeManifest(tables.File.Manifest)
	if err != nil {
		return nil // reported as such
	}
	for _, signer := range manifest.Signers {
		if signer.PublicKey == secret.Public() {
			return nil
		}
	}
	return errors.New("it may not sign for this core")
}

// checkGrants reads the promises made to signers.
func (c *Checker) checkGrants(ctx context.Context) error {
	return c.eachFile(ctx, grantsFolder, func(name string, raw []byte) error {
		if _, err := decodeGrant(raw); err != nil {
			c.found(Finding{Harm: HarmData, File: grantsFolder + "/" + name, Length: uint64(len(raw)),
				What: fmt.Sprintf("the promise to a signer is damaged: %v", err),
				Next: "hc fsck --repair puts it right if one bit has flipped; else remove the file once no writer waits for the promise"})
		}
		return nil
	})
}

// Names returns a local name of each core that has one, for reports. Names that cannot be read are left out.
func (c *Checker) Names() map[keys.Key]string {
	names := make(map[keys.Key]string)
	_ = c.eachFile(context.Background(), namesFolder, func(name string, raw []byte) error {
		if key, err := openLine(nameMagic, raw); err == nil && CheckName(name) == nil && names[key] == "" {
			names[key] = name
		}
		return nil
	})
	return names
}
