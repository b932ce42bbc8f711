package folder

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"hc/lib/hyperdrive"
)

// inMount runs the test again in a name space of its own, where $HC_TEST_MOUNT is a small disk in memory. It returns that
// folder there, and "" here, once the other one has passed.
func inMount(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("HC_TEST_MOUNT"); dir != "" {
		return dir
	}
	dir := t.TempDir()
	if exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "none", dir).Run() != nil {
		t.Skip("nobody may mount here")
	}
	cmd := exec.Command("unshare", "-rm", "sh", "-c", `mount -t tmpfs -o size=1m none "$HC_TEST_MOUNT" && exec "$0" -test.v -test.run "^$1\$"`, os.Args[0], t.Name())
	cmd.Env = append(os.Environ(), "HC_TEST_MOUNT="+dir)
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("in its own name space: %v\n%s", err, out)
	}
	return ""
}

func TestExportFullDisk(t *testing.T) {
	dir := inMount(t)
	if dir == "" {
		return
	}
	x := openExport(t, dir, ExportOptions{Decide: func(Existing) (Decision, error) { return Replace, nil }})
	check(t, x.Put(fileItem("/a"), says("old")))
	x.written = map[uint64]struct{}{}
	big := func(w io.Writer) error {
		_, err := w.Write(make([]byte, 2<<20))
		return err
	}
	for _, name := range []string{"/a", "/d/new"} {
		err := x.Put(fileItem(name), big)
		if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), `writing "`+name[1:]+`"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantTree(t, dir, "a old", "d/")
	check(t, x.Put(fileItem("/b"), says("there is room again")))
}

func TestExportReadOnlyDisk(t *testing.T) {
	dir := inMount(t)
	if dir == "" {
		return
	}
	put(t, dir, map[string]string{"a": "old"})
	x := openExport(t, dir, ExportOptions{Decide: func(Existing) (Decision, error) { return Replace, nil }})
	check(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	for _, item := range []hyperdrive.Item{fileItem("/a"), linkItem("/a", "x"), fileItem("/d/x")} {
		if err := x.Put(item, unread); !errors.Is(err, syscall.EROFS) || errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", item.Name, err)
		}
	}
	if err := x.Remove("a"); !errors.Is(err, syscall.EROFS) {
		t.Errorf("removing: %v", err)
	}
	if _, err := OpenExport(dir, ExportOptions{}); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "writing to folder") {
		t.Errorf("opening it: %v", err)
	}
	wantTree(t, dir, "a old")
}
