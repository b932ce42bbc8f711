package chunk

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func goSays(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// tarBytes returns a tar of a folder's files, cut off at a size.
func tarBytes(t testing.TB, dir string, size int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(data))}); err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
		if out.Len() >= size {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()[:min(size, out.Len())]
}

// logBytes returns lines as a web server logs them.
func logBytes(size int) []byte {
	dice := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	out := make([]byte, 0, size+200)
	for len(out) < size {
		at = at.Add(time.Duration(dice.IntN(2000)) * time.Millisecond)
		out = fmt.Appendf(out, "10.%d.%d.%d - - [%s] \"GET /items/%d?page=%d HTTP/1.1\" %d %d \"-\" \"Mozilla/5.0\"\n",
			dice.IntN(4), dice.IntN(256), dice.IntN(256), at.Format("02/Jan/2006:15:04:05 -0700"),
			dice.IntN(100000), dice.IntN(20), []int{200, 200, 200, 304, 404}[dice.IntN(5)], dice.IntN(50000))
	}
	return out[:size]
}

// planted returns data with a window of zeros, which is a hit, in each stretch of every bytes.
func planted(data []byte, every int) []byte {
	data = bytes.Clone(data)
	for i := 0; i+Window <= len(data); i += every {
		clear(data[i : i+Window])
	}
	return data
}
