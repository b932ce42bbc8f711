package folder

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"hc/lib/stream"
)

// tarOf returns a tar of headers, each with its name as content where it is a file.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		if h.Typeflag == 0 {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(h.Name))
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		check(t, w.WriteHeader(&h))
		if h.Typeflag == tar.TypeReg {
			_, err := io.WriteString(w, h.Name)
			check(t, err)
		}
	}
	check(t, w.Close())
	return out.Bytes()
}

func importTar(in io.Reader, opt Options) (*bytes.Buffer, error) {
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	if _, err := ImportTar(context.Background(), w, in, opt); err != nil {
		return nil, err
	}
	return &out, w.Close()
}

func TestImportTar(t *testing.T) {
	when := time.Unix(1764422524, 123456789)
	long := strings.Repeat("long/", 60) + "name"
	in := tarOf(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir},
		tar.Header{Name: "./b", Mode: 0o4755, ModTime: when, Format: tar.FormatPAX},
		tar.Header{Name: "a//", Typeflag: tar.TypeDir},
		tar.Header{Name: "a/ü", Format: tar.FormatPAX},
		tar.Header{Name: long, Format: tar.FormatGNU},
		tar.Header{Name: "a/l", Typeflag: tar.TypeSymlink, Linkname: "../../x"},
		tar.Header{Name: "a/same", Typeflag: tar.TypeLink, Linkname: "./b"},
		tar.Header{Name: "a/same again", Typeflag: tar.TypeLink, Linkname: "a/same"},
		tar.Header{Name: ".hc/keys/x"}, tar.Header{Name: "a/.HC", Typeflag: tar.TypeSymlink, Linkname: "x"},
		tar.Header{Name: "skip/x"},
	)
	for how, r := range map[string]io.Reader{
		"at once": bytes.NewReader(in), "by bytes": iotest.OneByteReader(bytes.NewReader(in)),
		"with more behind": io.MultiReader(bytes.NewReader(in), bytes.NewReader(make([]byte, 100_000))),
	} {
		out, err := importTar(r, Options{Exclude: []string{"skip"}})
		check(t, err)
		got := items(t, out)
		want(t, got, `tree`, `file 0755 "b" "./b"`, `file 0644 "a/ü" "a/ü"`, fmt.Sprintf(`file 0644 %q %.30q`, long, long),
			`link "a/l" "../../x"`, `same "a/same" "b"`, `same "a/same again" "b"`)
		if got[1].ModTime != when.UnixNano() {
			t.Errorf("%s: its time is %d", how, got[1].ModTime)
		}
	}
}

func TestImportTarRefuses(t *testing.T) {
	file, link := tar.Header{Name: "a"}, tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "/etc"}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write(tarOf(t, file))
	check(t, err)
	check(t, z.Close())
	var zeros bytes.Buffer
	w := tar.NewWriter(&zeros)
	check(t, w.WriteHeader(&tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Size: 1024, Mode: 0o644}))
	_, err = w.Write(make([]byte, 1024))
	check(t, err)
	check(t, w.Flush())
	whole := tarOf(t, file, tar.Header{Name: "b"})
	for name, test := range map[string]struct {
		in   []byte
		is   error
		want string
	}{
		"absolute":         {tarOf(t, tar.Header{Name: "/etc/passwd"}), ErrTar, `"/etc/passwd" is absolute`},
		"out":              {tarOf(t, tar.Header{Name: "a/../../b"}), ErrTar, `"a/../../b" leads out of its folder`},
		"link out":         {tarOf(t, file, tar.Header{Name: "b", Typeflag: tar.TypeLink, Linkname: "../a"}), ErrTar, `"../a" leads out`},
		"below a link":     {tarOf(t, link, tar.Header{Name: "a/passwd"}), nil, "a/passwd is below a, which is a file or a link"},
		"twice":            {tarOf(t, file, file), nil, "a is named twice"},
		"link to later":    {tarOf(t, tar.Header{Name: "b", Typeflag: tar.TypeLink, Linkname: "a"}, file), nil, "b is the same as a, which no file frame"},
		"link to a store":  {tarOf(t, tar.Header{Name: ".hc/k"}, tar.Header{Name: "b", Typeflag: tar.TypeLink, Linkname: ".hc/k"}), nil, "a folder named .hc"},
		"pipe":             {tarOf(t, tar.Header{Name: "p", Typeflag: tar.TypeFifo}), ErrSpecial, `"p": it is a named pipe`},
		"device":           {tarOf(t, tar.Header{Name: "d", Typeflag: tar.TypeBlock}), ErrSpecial, `"d": it is a device`},
		"not UTF-8":        {tarOf(t, tar.Header{Name: "\xff", Format: tar.FormatGNU}), ErrSpecial, "is not UTF-8"},
		"compressed":       {packed.Bytes(), ErrTar, "unpack it first with gzip -dc"},
		"no tar":           {bytes.Repeat([]byte("text\n"), 1000), ErrTar, "invalid tar header"},
		"nothing":          {nil, ErrTar, "stops before its end"},
		"cut in a header":  {whole[:1100], ErrTar, "stops before its end"},
		"cut in a file":    {whole[:513], ErrTar, "stops before its end"},
		"cut between":      {whole[:1024], ErrTar, "stops before its end"},
		"cut behind zeros": {zeros.Bytes(), ErrTar, "stops before its end"},
		"cut at the end":   {whole[:2048], ErrTar, "stops before its end"},
	} {
		_, err := importTar(bytes.NewReader(test.in), Options{})
		if err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one about %q", name, err, test.want)
		}
	}
	var warned []string
	out, err := importTar(bytes.NewReader(tarOf(t, tar.Header{Name: "p", Typeflag: tar.TypeFifo}, file)),
		Options{SkipSpecial: true, Warn: func(s string) { warned = append(warned, s) }})
	check(t, err)
	want(t, items(t, out), `tree`, `file 0644 "a" "a"`)
	if len(warned) != 1 || !strings.Contains(warned[0], `"p" is left out`) {
		t.Errorf("warned %q", warned)
	}
	broken := errors.New("cable cut")
	if _, err := importTar(io.MultiReader(bytes.NewReader(whole[:600]), iotest.ErrReader(broken)), Options{}); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
}

// The tar that is here writes what is read, sparse files as files with holes.
// A time that no stream can say is no reason to leave a file out.
func TestNanoseconds(t *testing.T) {
	for _, c := range []struct {
		time time.Time
		want int64
		far  bool
	}{
		{time.Unix(-5, 999999999), -4000000001, false},
		{time.Unix(mostSeconds-1, 999999999), (mostSeconds-1)*1e9 + 999999999, false},
		{time.Unix(mostSeconds, 0), math.MaxInt64, true},
		{time.Unix(0, math.MaxInt64), math.MaxInt64, true},
		{time.Unix(-mostSeconds+1, 0), (-mostSeconds + 1) * 1e9, false},
		{time.Unix(-mostSeconds, 0), math.MinInt64, true},
		{time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC), math.MaxInt64, true},
	} {
		if got, far := nanoseconds(c.time); got != c.want || far != c.far {
			t.Errorf("%v: %d, %v, want %d, %v", c.time, got, far, c.want, c.far)
		}
	}
}

func TestImportRealTar(t *testing.T) {
	program, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("no tar here")
	}
	dir := t.TempDir()
	put(t, dir, map[string]string{"d/a": "a", "d/l": "->a", "d/ü": "u"})
	if out, err := exec.Command("sh", "-c", "cd "+dir+" && ln d/a d/hard && truncate -s 10M d/sparse").CombinedOutput(); err != nil {
		t.Skipf("%s", out)
	}
	whole, err := exec.Command(program, "-C", dir, "-cf", "-", "--sort=name", "d").Output()
	if err != nil {
		t.Skip("it is not GNU's")
	}
	out, err := importTar(bytes.NewReader(whole), Options{Exclude: []string{"sparse"}, Add: true})
	check(t, err)
	want(t, items(t, out), `file 0644 "d/a" "a"`, `same "d/hard" "d/a"`, `link "d/l" "a"`, `file 0644 "d/ü" "u"`)
	for _, format := range []string{"gnu", "posix"} {
		sparse, err := exec.Command(program, "-C", dir, "-S", "--format", format, "-cf", "-", "d/sparse").Output()
		check(t, err)
		if _, err := importTar(bytes.NewReader(sparse), Options{}); !errors.Is(err, ErrSpecial) || !strings.Contains(err.Error(), "sparse") {
			t.Errorf("a sparse file, %s: %v", format, err)
		}
	}
}

func FuzzImportTar(f *testing.F) {
	f.Add(tarOf(f, tar.Header{Name: "a/b"}, tar.Header{Name: "l", Typeflag: tar.TypeLink, Linkname: "a/b"}))
	f.Add(tarOf(f, tar.Header{Name: "ü", Format: tar.FormatPAX}, tar.Header{Name: "s", Typeflag: tar.TypeSymlink, Linkname: "/x"}))
	f.Fuzz(func(t *testing.T, in []byte) {
		if out, err := importTar(bytes.NewReader(in), Options{SkipSpecial: true}); err == nil {
			items(t, out) // what is written is read
		}
	})
}
