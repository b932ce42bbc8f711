package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/drivetar"
	hchash "hc/lib/hash"
	"hc/lib/hyperdrive"
	"hc/lib/proof"
	"hc/lib/stream"
)

// parsePath reads the path in a drive that a flag gives; "/" if it is not given.
func parsePath(c *urfave.Context, flag string) (string, error) {
	path := "/"
	if c.IsSet(flag) {
		path = c.String(flag)
	}
	name, err := hyperdrive.CleanName(path)
	if err != nil {
		return "", cli.Usagef("--%s: %w", flag, err)
	}
	if name == "/" && flag == "path" {
		return "", cli.Usagef("--path %q is a folder: use --tree", path)
	}
	return name, nil
}

// parseFolder reads what is to be written of a path or a tree.
func (j *job) parseFolder(c *urfave.Context, claim proof.Claim) error {
	tar, sums := c.Bool("tar"), c.Bool("sha256sums")
	isFolder := claim.Kind == proof.KindPath || claim.Kind == proof.KindTree || claim.Kind == proof.KindNames
	switch {
	case claim.Kind == proof.KindTree && tar == sums:
		return cli.Usagef("--tree needs one of --tar and --sha256sums: what to write of the folder")
	case claim.Kind == proof.KindPath && (tar || sums):
		return cli.Usagef("--path %q writes the file itself: --tar and --sha256sums are for --tree", claim.Path)
	case isFolder && (j.list || j.explain):
		return cli.Usagef("--list and --explain show blocks, and cannot be used with --path, --tree or --names")
	}
	j.names = claim.Kind == proof.KindNames
	if claim.Kind == proof.KindTree {
		j.folder, j.sums = claim.Path, sums
	}
	return nil
}

// writeName lists a name, quoted if it must not become a file's.
func writeName(w io.Writer, item hyperdrive.Item, json bool) error {
	name := strings.TrimPrefix(item.Name, "/")
	if json {
		return cli.WriteJSON(w, struct {
			Name string `json:"name"`
			Seq  uint64 `json:"seq"`
		}{name, item.Seq})
	}
	_, err := fmt.Fprintln(w, stream.QuotePath(name))
	return err
}

// isPath reports whether a file of a drive is asked for.
func (j job) isPath() bool {
	return j.options.Claim != nil && j.options.Claim.Kind == proof.KindPath
}

// files writes the files of a folder. Those that must not be written are named, and left out.
type files struct {
	to interface {
		File(item hyperdrive.Item) (io.WriteCloser, error)
		Link(item hyperdrive.Item) error
		Close() error
	}
	std     *cli.IO
	refused int
}

// newFiles returns the files that write a folder to out.
func newFiles(j job, std *cli.IO, out *bufio.Writer) *files {
	f := &files{std: std, to: drivetar.NewWriter(out, j.folder)}
	if j.sums {
		f.to = &sums{out: out, folder: strings.TrimRight(j.folder, "/") + "/"}
	}
	return f
}

// File implements proof.FolderSink.
func (f *files) File(item hyperdrive.Item) (io.WriteCloser, error) {
	w, err := f.to.File(item)
	if errors.Is(err, hyperdrive.ErrName) {
		f.refuse(err)
		return nil, nil
	}
	return w, err
}

// Link implements proof.FolderSink.
func (f *files) Link(item hyperdrive.Item) error {
	err := f.to.Link(item)
	if errors.Is(err, hyperdrive.ErrName) {
		f.refuse(err)
		return nil
	}
	return err
}

// Refused implements proof.FolderSink.
func (f *files) Refused(item hyperdrive.Item) error {
	f.refuse(item.Err)
	return nil
}

// namedRefusals is how many refusals are named one by one.
const namedRefusals = 20

func (f *files) refuse(err error) {
	f.refused++
	if f.refused <= namedRefusals {
		f.std.Warnf("left out: %v", err)
	}
}

// end ends what is written, if nothing was left out.
func (f *files) end() error {
	if f.refused > 0 {
		return fmt.Errorf("%w: %s left out that no disk should have", proof.ErrUnverified, count(uint64(f.refused), "name"))
	}
	return f.to.Close()
}

// sums writes a line for each file, as sha256sum does and takes it with -c.
type sums struct {
	out    *bufio.Writer
	folder string // with a slash at the end
}

// sumFile is a file whose content is passed through. If its record has a sha256, the content was verified against that, and it is not
// computed again.
type sumFile struct {
	sums   *sums
	name   string
	known  *[32]byte
	digest hash.Hash // nil if it is known
}

func (s *sums) File(item hyperdrive.Item) (io.WriteCloser, error) {
	f := &sumFile{sums: s, name: strings.TrimPrefix(item.Name, s.folder), known: hyperdrive.ParseMeta(item.Entry.Metadata).SHA256}
	if f.known == nil {
		f.digest = hchash.NewSHA256()
	}
	return f, nil
}

func (s *sums) Link(hyperdrive.Item) error { return nil }
func (s *sums) Close() error               { return nil }

func (f *sumFile) Write(p []byte) (int, error) {
	if f.digest != nil {
		f.digest.Write(p)
	}
	return len(p), nil
}

// Close writes the line. A name with a backslash or a line break is written with escapes, and the line begins with a backslash.
func (f *sumFile) Close() error {
	var sum []byte
	if f.known != nil {
		sum = f.known[:]
	} else {
		sum = f.digest.Sum(nil)
	}
	name, mark := f.name, ""
	if strings.ContainsAny(name, "\\\n\r") {
		name, mark = strings.NewReplacer("\\", `\\`, "\n", `\n`, "\r", `\r`).Replace(name), `\`
	}
	_, err := fmt.Fprintf(f.sums.out, "%s%s  %s\n", mark, hex.EncodeToString(sum), name)
	return err
}
