package cli

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	urfave "github.com/urfave/cli/v2"
)

const maxSecretFile = 4096 // bytes; 64 or 128 digits and some space

// Secret returns the 32-byte seed of a secret key that comes from outside the store: from --secret-key-file, else from
// the file $HC_SECRET_KEY_FILE, else $HC_SECRET_KEY; nil where there is none. Each holds 64 hex digits (the seed) or
// 128 (seed and public key, as stock keeps them). A variable that holds the key itself is removed from the environment,
// so that no child sees it. Errors wrap ErrKey, but for a file that cannot be read; none contains the key.
func (std *IO) Secret(c *urfave.Context) (*[32]byte, error) {
	file, source := c.String("secret-key-file"), "--secret-key-file"
	if file == "" {
		file, source = std.Getenv("HC_SECRET_KEY_FILE"), "$HC_SECRET_KEY_FILE"
	}
	value := std.Getenv("HC_SECRET_KEY")
	if value != "" && std.Unset != nil {
		std.Unset("HC_SECRET_KEY")
	}
	switch {
	case file == "-":
		return nil, Usagef("%s: standard input carries data: name a file, or a descriptor (/dev/fd/3)", source)
	case file != "":
		text, err := std.readSecret(file)
		if err != nil {
			return nil, fmt.Errorf("reading the secret key: %w", err)
		}
		return parseSecret(text, fmt.Sprintf("%s %q", source, file))
	case value != "":
		return parseSecret([]byte(value), "$HC_SECRET_KEY")
	}
	return nil, nil
}

func (std *IO) readSecret(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		std.Warnf("others may read the secret key in %q (mode %04o): chmod 600 it", name, info.Mode().Perm())
	}
	return io.ReadAll(io.LimitReader(f, maxSecretFile))
}

func parseSecret(text []byte, source string) (*[32]byte, error) {
	text = bytes.TrimSpace(text)
	if len(text) != 64 && len(text) != 128 {
		return nil, Exitf(ErrKey, "%s: a secret key is 64 or 128 hex digits, got %d characters", source, len(text))
	}
	raw := make([]byte, len(text)/2)
	if _, err := hex.Decode(raw, text); err != nil { // the error would quote a digit of the key
		return nil, Exitf(ErrKey, "%s: a secret key is 64 or 128 hex digits", source)
	}
	seed := [32]byte(raw)
	if len(raw) == 64 && !bytes.Equal(ed25519.NewKeyFromSeed(seed[:])[32:], raw[32:]) {
		return nil, Exitf(ErrKey, "%s: the two halves do not belong together", source)
	}
	return &seed, nil
}
