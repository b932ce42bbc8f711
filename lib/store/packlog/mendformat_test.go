package packlog_test

import (
	"errors"
	"path"
	"testing"

	"hc/lib/store/packlog"
)

// The format line is written again if the mark has this format or, if the mark cannot be read, the last pack; but not
// in a store of a future format, whose older packs are still as they were.
func TestMendFormat(t *testing.T) {
	files := smallStore(t)
	edit := func(name string, edit func([]byte) []byte) func(map[string][]byte) {
		return func(files map[string][]byte) { files[name] = edit(files[name]) }
	}
	newer := func(b []byte) []byte { b[6]++; return b }
	nothing := func([]byte) []byte { return nil }
	for name, test := range map[string]struct {
		damage []func(map[string][]byte)
		mended bool
	}{
		"the line alone":             {nil, true},
		"a mark that is torn":        {[]func(map[string][]byte){edit("mark", func(b []byte) []byte { return b[:50] })}, true},
		"no mark":                    {[]func(map[string][]byte){edit("mark", nothing)}, true},
		"no pack":                    {[]func(map[string][]byte){edit("packs/1.0.pack", nothing), edit("packs/2.0.pack", nothing)}, true},
		"neither":                    {[]func(map[string][]byte){edit("mark", nothing), edit("packs/2.0.pack", nothing)}, false},
		"another mark":               {[]func(map[string][]byte){edit("mark", newer)}, false},
		"no mark, another last pack": {[]func(map[string][]byte){edit("mark", nothing), edit("packs/2.0.pack", func(b []byte) []byte { b[518]++; return newer(b) })}, false},
	} {
		damaged := map[string][]byte{}
		for name, b := range files {
			damaged[name] = append([]byte(nil), b...)
		}
		damaged["format"] = []byte("hc-stone 1\n")
		for _, damage := range test.damage {
			damage(damaged)
		}
		m := machineWith(t, damaged)
		err := packlog.MendFormat(m.Process(), storeDir)
		line := string(m.Read(path.Join(storeDir, "format")))
		if test.mended && (err != nil || line != "hc-store 2\n") || !test.mended && (!errors.Is(err, packlog.ErrNotStore) || line != "hc-stone 1\n") {
			t.Errorf("%s: the line is %q, %v", name, line, err)
		}
	}
}
