package messages

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"hc/lib/compact"
	"hc/lib/merkle"
)

// vectors are stock's own encodings of every message; tests/vectors/README.md says which packages made them.
type vectors struct {
	Messages           []vector `json:"messages"`
	OtherAcceptedForms []vector `json:"otherAcceptedForms"`
}

type vector struct {
	Name    string          `json:"name"`
	Type    *int            `json:"type"`
	Decoded json.RawMessage `json:"decoded"`
	Hex     string          `json:"hex"`
}

func loadVectors(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile("../../../tests/vectors/messages.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Messages) < 30 || len(v.OtherAcceptedForms) == 0 {
		t.Fatalf("only %d messages and %d other forms in the vectors", len(v.Messages), len(v.OtherAcceptedForms))
	}
	return v
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// recode decodes a message and encodes it again; fields is what was decoded, in the words of the vectors.
func recode(name string, b []byte) (fields map[string]any, again []byte, err error) {
	switch name {
	case "handshake":
		m, err := DecodeHandshake(b)
		return map[string]any{"seeks": m.Seeks, "capability": hex.EncodeToString(m.Capability[:])}, m.Append(nil), err
	case "sync":
		m, err := DecodeSync(b)
		return map[string]any{
			"fork": m.Fork, "length": m.Length, "remoteLength": m.RemoteLength, "canUpgrade": m.CanUpgrade,
			"uploading": m.Uploading, "downloading": m.Downloading, "hasManifest": m.HasManifest, "allowPush": m.AllowPush,
		}, m.Append(nil), err
	case "request":
		r, err := DecodeRequest(b)
		return requestFields(r), AppendRequest(nil, r), err
	case "cancel":
		id, err := DecodeCancel(b)
		return map[string]any{"request": id}, appendCancel(nil, id), err
	case "data":
		p, err := DecodeData(b)
		if err != nil {
			return nil, nil, err
		}
		return map[string]any{"request": p.ID, "fork": p.Fork}, appendData(nil, p), err
	case "noData":
		m, err := DecodeNoData(b)
		return map[string]any{"request": m.Request, "reason": m.Reason}, m.Append(nil), err
	case "want", "unwant":
		m, err := DecodeWant(b)
		return map[string]any{"start": m.Start, "length": m.Length, "any": m.Any}, m.Append(nil), err
	case "bitfield":
		m, err := DecodeBitfield(b)
		return map[string]any{"start": m.Start, "bitfield": m.Words}, m.Append(nil), err
	case "range":
		m, err := DecodeRange(b)
		return map[string]any{"drop": m.Drop, "start": m.Start, "length": m.Length}, m.Append(nil), err
	case "extension":
		return nil, b, nil // not looked into
	}
	return nil, nil, fmt.Errorf("unknown message %q", name)
}

func appendCancel(b []byte, id uint64) []byte { return compact.AppendUint(b, id) }

func requestFields(r merkle.Request) map[string]any {
	fields := map[string]any{
		"id": r.ID, "fork": r.Fork, "block": nil, "hash": nil, "seek": nil, "upgrade": nil,
		"manifest": r.Manifest, "priority": r.Priority,
	}
	if r.Block != nil {
		fields["block"] = map[string]any{"index": r.Block.Index, "nodes": r.Block.Nodes}
	}
	if r.Hash != nil {
		fields["hash"] = map[string]any{"index": r.Hash.Index, "nodes": r.Hash.Nodes}
	}
	if r.Seek != nil {
		fields["seek"] = map[string]any{"bytes": r.Seek.Bytes, "padding": r.Seek.Padding}
	}
	if r.Upgrade != nil {
		fields["upgrade"] = map[string]any{"start": r.Upgrade.Start, "length": r.Upgrade.Length}
	}
	return fields
}

func TestMessagesAreStocks(t *testing.T) {
	for i, v := range loadVectors(t).Messages {
		b := unhex(t, v.Hex)
		fields, again, err := recode(v.Name, b)
		if err != nil {
			t.Errorf("message %d, %s %s: %v", i, v.Name, v.Hex, err)
			continue
		}
		if !bytes.Equal(again, b) {
			t.Errorf("message %d, %s: encoded again = %x, want %s", i, v.Name, again, v.Hex)
		}
		compareFields(t, v, fields)
	}
}

func TestOtherFormsAreAccepted(t *testing.T) {
	for _, v := range loadVectors(t).OtherAcceptedForms {
		fields, _, err := recode(v.Name, unhex(t, v.Hex))
		if err != nil {
			t.Errorf("%s %s: %v", v.Name, v.Hex, err)
			continue
		}
		compareFields(t, v, fields)
	}
}

// What stands behind a data message's parts is not looked at: who writes one may want its length to be a multiple of 8.
func TestZerosBehindData(t *testing.T) {
	want := appendData(nil, &merkle.Proof{ID: 7, Block: &merkle.BlockProof{Index: 3, Value: []byte("some bytes")}})
	for zeros := range 8 {
		p, err := DecodeData(append(bytes.Clone(want), make([]byte, zeros)...))
		if err != nil || !bytes.Equal(appendData(nil, p), want) {
			t.Errorf("%d zeros: %+v, %v", zeros, p, err)
		}
	}
}

// compareFields compares what was decoded with the vector, but for data, whose parts the encoding shows.
func compareFields(t *testing.T, v vector, got map[string]any) {
	t.Helper()
	var want map[string]any
	if err := json.Unmarshal(v.Decoded, &want); err != nil {
		t.Fatal(err)
	}
	for name, value := range got {
		gotText, _ := json.Marshal(value)
		wantText, _ := json.Marshal(want[name])
		if !bytes.Equal(gotText, wantText) {
			t.Errorf("%s %s: %s = %s, want %s", v.Name, v.Hex, name, gotText, wantText)
		}
	}
}

func TestCutMessagesAreRefused(t *testing.T) {
	for _, v := range loadVectors(t).Messages {
		b := unhex(t, v.Hex)
		for cut := range b {
			fields, again, err := recode(v.Name, b[:cut])
			// A cut may leave a shorter message that is whole, such as a want without its tail.
			if err == nil && !bytes.HasPrefix(b, again) && !bytes.Equal(again[:min(len(again), cut)], b[:min(len(again), cut)]) {
				t.Errorf("%s %s cut to %d bytes: decoded as %v", v.Name, v.Hex, cut, fields)
			}
		}
	}
}

func FuzzMessages(f *testing.F) {
	names := []string{"handshake", "sync", "request", "cancel", "data", "noData", "want", "bitfield", "range"}
	index := map[string]byte{}
	for i, name := range names {
		index[name] = byte(i)
	}
	for _, v := range loadVectors(f).Messages {
		f.Add(index[v.Name], unhex(f, v.Hex))
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		name := names[int(which)%len(names)]
		_, again, err := recode(name, b)
		if err != nil {
			return
		}
		// What is decoded has one encoding, and that decodes to the same.
		_, twice, err := recode(name, again)
		if err != nil || !bytes.Equal(again, twice) {
			t.Errorf("%s %x: encoded as %x, which gives %x, %v", name, b, again, twice, err)
		}
	})
}

// appendData appends a whole data message.
func appendData(b []byte, p *merkle.Proof) []byte {
	b = AppendDataHead(b, p)
	if p.Block != nil {
		b = append(b, p.Block.Value...)
	}
	return AppendDataTail(b, p)
}
