package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const script = `hc-append  1000000 
	ffffffff81 copy_page_from_iter_atomic ([kernel.kallsyms])
	ffffffff82 ext4_buffered_write_iter ([kernel.kallsyms])
	ffffffff83 vfs_writev ([kernel.kallsyms])
	    4a1000 internal/runtime/syscall.Syscall6 (/hc-append)
	    4a2000 hc/lib/store/packlog.(*Log).write (/hc-append)

hc-append  3000000:
	    401000 runtime.memmove (/hc-append)
	    4a2000 hc/lib/stream.(*Reader).Next (/hc-append)

hc-append  500000:
	    401000 runtime.memmove (/hc-append)
	    4a2000 hc/lib/hash.(*lanes).begin (/hc-append)
	    4a2000 hc/lib/hypercore.(*drain).hash (/hc-append)

bash  9000000:
	    401000 main (/bash)

hc-chunk  2000000:
	    401000 [unknown] (/hc-chunk)
`

// Each sample counts for the innermost frame that any rule fits, of the program that it was taken from, and for nothing else.
func TestStages(t *testing.T) {
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run([]string{"some", "1000000", file, "less", "4000000", file}, &out); err != nil {
		t.Fatal(err)
	}
	const want = `| stage | some | less |
|---|---:|---:|
| **` + "`hc-chunk`" + `** | 2.00 | 0.50 |
| all else | 2.00 | 0.50 |
| **` + "`hc-append`" + `** | 4.50 | 1.12 |
| hash | 0.50 | 0.12 |
| copies | 3.00 | 0.75 |
| write files | 1.00 | 0.25 |
| **all** | 6.50 | 1.62 |
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestStagesOfNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "script")
	for _, content := range []string{"", "\n\n", "hc-chunk\n\t401000 main\n", "hc-chunk many\n\t401000 main\n"} {
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := run([]string{"some", "1", file}, new(strings.Builder)); err == nil {
			t.Errorf("%q makes a table", content)
		}
	}
	for _, args := range [][]string{nil, {"some", "1"}, {"some", "0", file}, {"some", "1", file + "-none"}} {
		if err := run(args, new(strings.Builder)); err == nil {
			t.Errorf("%q makes a table", args)
		}
	}
}

// Every stage that a rule names is printed.
func TestOrder(t *testing.T) {
	printed := map[string]bool{}
	for _, stage := range order {
		printed[stage] = true
	}
	for _, rule := range rules {
		if !printed[rule.stage] {
			t.Errorf("%s, of %s, is not printed", rule.stage, rule.prefix)
		}
	}
}
