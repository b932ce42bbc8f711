package secretstream

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// load reads a file of vectors, which the stock packages made: see tests/vectors/README.md.
func load(t testing.TB, name string, into any) {
	t.Helper()
	b, err := os.ReadFile("../../tests/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(name, err)
	}
}

// octets are bytes that a vector has in hex.
type octets []byte

func (o *octets) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	var err error
	*o, err = hex.DecodeString(s)
	return err
}

type seeds struct {
	Initiator     octets `json:"initiator"`
	Responder     octets `json:"responder"`
	InitiatorSeed octets `json:"initiatorSeed"`
	ResponderSeed octets `json:"responderSeed"`
}

// event is a frame that one side sent, or a mark.
type event struct {
	From      string `json:"from"`
	Raw       octets `json:"raw"`
	Handshake bool   `json:"handshake"`
	Plain     octets `json:"plain"`
}

// session is a whole recorded connection.
type session struct {
	Name          string  `json:"name"`
	Statics       seeds   `json:"statics"`
	Ephemerals    seeds   `json:"ephemerals"`
	Headers       seeds   `json:"secretstreamHeaders"`
	HandshakeHash octets  `json:"handshakeHash"`
	Events        []event `json:"events"`
}

func loadSessions(t testing.TB) []session {
	t.Helper()
	var file struct{ Sessions []session }
	load(t, "transcripts.json", &file)
	if len(file.Sessions) == 0 {
		t.Fatal("no sessions")
	}
	return file.Sessions
}
