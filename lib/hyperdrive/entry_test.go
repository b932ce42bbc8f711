package hyperdrive

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// stockEntry prints a vector's value as stock has it in the block: the vectors are indented.
func stockEntry(t testing.TB, value json.RawMessage) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, value); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEntriesEncodeAsStock(t *testing.T) {
	for name, v := range drives(t) {
		for _, listed := range v.Listing {
			want := stockEntry(t, listed.Value)
			if block := unhex(t, v.Metadata.Blocks[listed.Seq]); !bytes.Contains(block, want) {
				t.Fatalf("%s %s: the vector is not printed as its block has it: %s", name, listed.Key, want)
			}
			entry, err := ParseEntry(want)
			if err != nil {
				t.Errorf("%s %s: %v", name, listed.Key, err)
			}
			if got := entry.Encode(); !bytes.Equal(got, want) {
				t.Errorf("%s %s: encoded again\n%s, want\n%s", name, listed.Key, got, want)
			}
		}
	}
}

func TestParseEntryIsLenient(t *testing.T) {
	for in, want := range map[string]string{
		`{}`: `{"executable":false,"linkname":null,"blob":null,"metadata":null}`,
		" {\n\t\"executable\" : true , \"metadata\": [1, \" \"] , \"later\":{\"a\":[]} }\r\n": `{"executable":true,"linkname":null,"blob":null,"metadata":[1," "]}`,
		`{"linkname":"a","linkname":"b"}`: `{"executable":false,"linkname":"b","blob":null,"metadata":null}`,
		`{"Linkname":"a","BLOB":7}`:       `{"executable":false,"linkname":null,"blob":null,"metadata":null}`,
		`{"blob":{"x":1,"byteLength":9007199254740991,"blockLength":1.0,"byteOffset":1e3,"blockOffset":-0}}`: `{"executable":false,"linkname":null,` +
			`"blob":{"blockOffset":0,"byteOffset":1000,"blockLength":1,"byteLength":9007199254740991},"metadata":null}`,
		`{"blob":{"blockOffset":1,"byteOffset":2,"blockLength":3,"byteLength":4,"blockMap":false}}`: `{"executable":false,"linkname":null,` +
			`"blob":{"blockOffset":1,"byteOffset":2,"blockLength":3,"byteLength":4},"metadata":null}`,
		`{"linkname":"\u00e9\u2028\u0007\u001f\b\f\n\r\t\"\\\/<&>\u007f"}`: "{\"executable\":false,\"linkname\":\"é\u2028\\u0007\\u001f\\b\\f\\n\\r\\t\\\"\\\\/<&>\x7f\"," +
			"\"blob\":null,\"metadata\":null}",
	} {
		entry, err := ParseEntry([]byte(in))
		if err != nil {
			t.Errorf("ParseEntry(%s): %v", in, err)
		}
		if got := string(entry.Encode()); got != want {
			t.Errorf("ParseEntry(%s) encodes to\n%s, want\n%s", in, got, want)
		}
	}
}

func TestParseEntryRefuses(t *testing.T) {
	blob := func(field, value string) string {
		fields := map[string]string{"blockOffset": "0", "byteOffset": "0", "blockLength": "1", "byteLength": "1"}
		fields[field] = value
		var parts []string
		for name, value := range fields {
			if value != "" {
				parts = append(parts, `"`+name+`":`+value)
			}
		}
		return `{"blob":{` + strings.Join(parts, ",") + `}}`
	}
	for in, why := range map[string]string{
		``:                                     "not a JSON object",
		`null`:                                 "not a JSON object",
		`7`:                                    "not a JSON object",
		`[]`:                                   "not a JSON object",
		`{`:                                    "unexpected end",
		`{} {}`:                                "after top-level value",
		"{\"metadata\":\"\xff\"}":              "not UTF-8",
		`{"executable":1}`:                     "executable: ",
		`{"executable":"true"}`:                "executable: ",
		`{"linkname":[]}`:                      "linkname: ",
		`{"linkname":""}`:                      "no target",
		`{"blob":[]}`:                          "blob: it is not a JSON object",
		`{"blob":3}`:                           "blob: it is not a JSON object",
		blob("blockOffset", ""):                "blockOffset is not an integer",
		blob("blockLength", "null"):            "blockLength is not an integer",
		blob("byteOffset", "-1"):               "byteOffset is not an integer",
		blob("byteLength", "0.5"):              "byteLength is not an integer",
		blob("byteLength", "9007199254740992"): "byteLength is not an integer",
		blob("byteLength", "1e400"):            "byteLength is not an integer",
		blob("byteLength", `"1"`):              "byteLength is not an integer",
		blob("blockMap", "1"):                  "blockMap: ",
		`{"linkname":"x","blob":{"blockOffset":0,"byteOffset":0,"blockLength":1,"byteLength":1}}`: "a link and has content",
	} {
		if _, err := ParseEntry([]byte(in)); !errors.Is(err, ErrEntry) || !strings.Contains(err.Error(), why) {
			t.Errorf("ParseEntry(%s) = %v, want ErrEntry with %q", in, err, why)
		}
	}
}

func TestEntrySize(t *testing.T) {
	target := "x"
	meta := Meta{Size: 70350, HasSize: true}.Encode()
	for _, c := range []struct {
		name  string
		entry Entry
		size  uint64
		ok    bool
	}{
		{"plain", Entry{Blob: &Blob{BlockLength: 2, ByteLength: 13}}, 13, true},
		{"empty", Entry{Blob: &Blob{BlockOffset: 7, ByteOffset: 9}}, 0, true},
		{"empty map", Entry{Blob: &Blob{Map: true}, Metadata: meta}, 0, true},
		{"mapped", Entry{Blob: &Blob{BlockLength: 1, ByteLength: 14, Map: true}, Metadata: meta}, 70350, true},
		{"mapped by stock", Entry{Blob: &Blob{BlockLength: 1, ByteLength: 14, Map: true}}, 0, false},
		{"link", Entry{Link: &target, Metadata: meta}, 0, false},
		{"nothing", Entry{}, 0, false},
	} {
		if size, ok := c.entry.Size(); size != c.size || ok != c.ok {
			t.Errorf("%s: Size() = %d, %v, want %d, %v", c.name, size, ok, c.size, c.ok)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	for _, v := range drives(f) {
		for _, listed := range v.Listing[:min(len(v.Listing), 3)] {
			f.Add(stockEntry(f, listed.Value))
		}
	}
	f.Add([]byte(`{"blob":{"blockOffset":1e3,"byteOffset":-1,"blockLength":null,"byteLength":"x"},"linkname":"\ud800"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		entry, err := ParseEntry(value)
		if err != nil {
			if !errors.Is(err, ErrEntry) {
				t.Errorf("%v is no ErrEntry", err)
			}
			return
		}
		encoded := entry.Encode()
		again, err := ParseEntry(encoded)
		if err != nil {
			t.Fatalf("%q was read and encoded as %q, which is not read: %v", value, encoded, err)
		}
		if !bytes.Equal(again.Encode(), encoded) {
			t.Errorf("%q encodes to %q, and that to %q", value, encoded, again.Encode())
		}
		ParseMeta(entry.Metadata)
		entry.Size()
	})
}
