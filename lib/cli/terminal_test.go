package cli

import (
	"bytes"
	"testing"
)

func TestDataOut(t *testing.T) {
	for _, test := range []struct {
		writes []string
		out    string
		ok     bool
	}{
		{[]string{"a line\n", "h\xc3", "\xa9!\r\n\t"}, "a line\nhé!\r\n\t", true},
		{[]string{"a\x00b"}, "", false},
		{[]string{"a\x1b[2J"}, "", false},
		{[]string{"a\xffb"}, "", false},
		{[]string{"\xc2", "\x9b"}, "", false},
		{[]string{"\xc3", "x"}, "", false},
	} {
		var out bytes.Buffer
		guard := DataOut(&IO{Out: &out, OutTerminal: true}, false)
		var err error
		for _, w := range test.writes {
			if _, e := guard.Write([]byte(w)); e != nil {
				err = e
			}
		}
		if (err == nil) != test.ok || test.ok && out.String() != test.out {
			t.Errorf("%q: %q, %v", test.writes, out.String(), err)
		}
		if err != nil && ExitCode(err) != ExitUsage {
			t.Errorf("%q: exit %d", test.writes, ExitCode(err))
		}
	}
}
