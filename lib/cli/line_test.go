package cli

import (
	"errors"
	"slices"
	"testing"

	urfave "github.com/urfave/cli/v2"
)

func linePage(flagsFirst bool) *page {
	return pageOf(&urfave.App{
		Name: "hc-test",
		Flags: []urfave.Flag{
			StoreFlag(), JSONFlag(), quietFlag(), verboseFlag(),
			&urfave.StringSliceFlag{Name: "peer", Aliases: []string{"p"}},
			&urfave.IntFlag{Name: "avg"},
		},
		Metadata: Manual{FlagsFirst: flagsFirst}.Metadata(),
	})
}

func TestReadLine(t *testing.T) {
	for _, test := range []struct {
		name, wantErr string
		first         bool
		in, want      []string
	}{
		{name: "empty", want: []string{"--"}},
		{name: "flags anywhere", in: []string{"KEY", "--json", "PATH", "-q"}, want: []string{"--json=true", "--quiet=true", "--", "KEY", "PATH"}},
		{name: "value as the next word", in: []string{"a", "--dir", "dir", "b"}, want: []string{"--dir=dir", "--", "a", "b"}},
		{name: "value behind =", in: []string{"--dir=a=b", "--dir="}, want: []string{"--dir=a=b", "--dir=", "--"}},
		{name: "short value", in: []string{"-C", "dir", "-Cdir", "-C=dir"}, want: []string{"--dir=dir", "--dir=dir", "--dir=dir", "--"}},
		{name: "joined letters", in: []string{"-qvCdir"}, want: []string{"--quiet=true", "--verbose=true", "--dir=dir", "--"}},
		{name: "a value that looks like a flag", in: []string{"--dir", "--json", "-C", "-"}, want: []string{"--dir=--json", "--dir=-", "--"}},
		{name: "dash is an argument", in: []string{"-", "--json"}, want: []string{"--json=true", "--", "-"}},
		{name: "two dashes end the flags", in: []string{"-q", "--", "--json", "-C", "--"}, want: []string{"--quiet=true", "--", "--json", "-C", "--"}},
		{name: "an argument named help", in: []string{"help", "h"}, want: []string{"--", "help", "h"}},
		{name: "commas stay", in: []string{"--peer", "a,b", "-p", "c"}, want: []string{"--peer=a,b", "--peer=c", "--"}},
		{name: "switched off", in: []string{"--json=false"}, want: []string{"--json=false", "--"}},
		{name: "flags first", first: true, in: []string{"-q", "verb", "-q", "--", "-x"}, want: []string{"--quiet=true", "--", "verb", "-q", "--", "-x"}},

		{name: "unknown", in: []string{"--nothing"}, wantErr: "unknown flag --nothing"},
		{name: "unknown short", in: []string{"-x"}, wantErr: "unknown flag -x"},
		{name: "one dash, long name", in: []string{"-json"}, wantErr: "unknown flag -json"},
		{name: "unknown letter behind known ones", in: []string{"-qx"}, wantErr: "unknown flag -x"},
		{name: "no value", in: []string{"--dir"}, wantErr: "--dir needs a value (DIR)"},
		{name: "no short value", in: []string{"-qC"}, wantErr: "-C needs a value (DIR)"},
		{name: "a value too many", in: []string{"--json=much"}, wantErr: `--json takes no value, got "much"`},
		{name: "no name", in: []string{"--=x"}, wantErr: "unknown flag --"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := linePage(test.first).read(test.in)
			if test.wantErr != "" {
				if err == nil || err.Error() != test.wantErr || !errors.Is(err, ErrUsage) {
					t.Fatalf("read(%q) = %v, want the usage error %q", test.in, err, test.wantErr)
				}
				return
			}
			if err != nil || !slices.Equal(got.words(), test.want) {
				t.Fatalf("read(%q) = %q, %v, want %q", test.in, got.words(), err, test.want)
			}
		})
	}
}

// FuzzReadLine: no line makes it panic, and what it makes of one reads as itself.
func FuzzReadLine(f *testing.F) {
	f.Add("KEY", "-qC", "--dir=x", "--")
	f.Add("-qvCdir", "--json=0", "-", "--peer")
	f.Add("-é", "--=", "-C=", "--json=true")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		p := linePage(false)
		l, err := p.read([]string{a, b, c, d})
		if err != nil || l.help || l.version {
			return
		}
		again, err := p.read(l.words())
		if err != nil || !slices.Equal(again.words(), l.words()) {
			t.Fatalf("read(%q) = %q, which reads as %v, %v", []string{a, b, c, d}, l.words(), again, err)
		}
	})
}

func TestNearest(t *testing.T) {
	known := []string{"append", "chunk", "fetch", "serve", "verify"}
	for _, test := range []struct {
		word string
		want []string
	}{
		{"ftech", []string{"fetch"}},
		{"fetc", []string{"fetch"}},
		{"verfiy", []string{"verify"}},
		{"fetch", []string{"fetch"}},
		{"x", nil},
		{"", nil},
		{"publish", nil},
	} {
		if got := Nearest(test.word, known); !slices.Equal(got, test.want) {
			t.Errorf("Nearest(%q) = %q, want %q", test.word, got, test.want)
		}
	}
}
