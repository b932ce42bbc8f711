package checkpoint

import (
	"path/filepath"

	"hc/lib/store/commits"
	"hc/lib/store/packlog"
	"hc/lib/store/smallfile"
)

// ReadAll takes in the whole log, and reports after each append how many tables the index and its core's rows have, and
// how many are open.
func (cp *Writer) ReadAll(tell func(index, rows, open int)) error {
	for _, folder := range []string{"index", "cores"} {
		if err := smallfile.MakeFolder(cp.files.FS, filepath.Join(cp.files.Dir, folder), 0o755); err != nil {
			return err
		}
	}
	return cp.reader.Run(cp.ctx, cp.view, packlog.Position{}, func(c *commits.Commit) error {
		err := cp.apply(c)
		tell(len(cp.tables), len(cp.cores[c.Key].file.Runs), cp.files.Held())
		return err
	})
}
