package hyperdrive

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestMeta(t *testing.T) {
	digest := [32]byte{0xab, 31: 0x01}
	for _, c := range []struct {
		text string
		meta Meta
	}{
		{"", Meta{}},
		{`{"mode":"0644"}`, Meta{Mode: 0o644, HasMode: true}},
		{`{"mode":"0000","mtime":"0"}`, Meta{HasMode: true, HasModTime: true}},
		{`{"mtime":"-9223372036854775808","size":0}`, Meta{ModTime: -1 << 63, HasModTime: true, HasSize: true}},
		{`{"mode":"0755","mtime":"1764422524123456789","sha256":"ab` + strings.Repeat("0", 60) + `01","size":73}`,
			Meta{Mode: 0o755, HasMode: true, ModTime: 1764422524123456789, HasModTime: true, SHA256: &digest, Size: 73, HasSize: true}},
	} {
		if got := c.meta.Encode(); string(got) != c.text {
			t.Errorf("%+v encodes to %s, want %s", c.meta, got, c.text)
		}
		if got := ParseMeta(json.RawMessage(c.text)); !reflect.DeepEqual(got, c.meta) {
			t.Errorf("ParseMeta(%s) = %+v, want %+v", c.text, got, c.meta)
		}
	}
}

func TestParseMetaPassesOverOthers(t *testing.T) {
	for _, text := range []string{
		`null`, `[]`, `"mode"`, `{"z":1,"a":[true,null]}`,
		`{"mode":420}`, `{"mode":"644"}`, `{"mode":"0888"}`, `{"mode":"1644"}`, `{"mode":"+644"}`,
		`{"mtime":1764422524}`, `{"mtime":"-0"}`, `{"mtime":"01"}`, `{"mtime":"9223372036854775808"}`, `{"mtime":""}`,
		`{"sha256":"ab"}`, `{"sha256":"` + strings.Repeat("AB", 32) + `"}`, `{"sha256":"` + strings.Repeat("xy", 32) + `"}`,
		`{"size":"73"}`, `{"size":-1}`, `{"size":1.5}`, `{"size":9007199254740992}`, `{"size":null}`,
	} {
		if got := ParseMeta(json.RawMessage(text)); got != (Meta{}) {
			t.Errorf("ParseMeta(%s) = %+v, want nothing", text, got)
		}
	}
}
