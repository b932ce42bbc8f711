package replicate

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
	"hc/lib/store"
)

// recorded is a connection of two stock peers; tests/vectors/README.md says which versions.
type recorded struct {
	Name, Key, Initiator string
	Events               []struct {
		From, Mark string
		Messages   []struct {
			Control, Name, Body string
			Type                uint64
		}
	}
}

// step is one message of a recorded session, or a mark between them.
type step struct {
	fromReader bool
	mark       string
	name       string
	kind       uint64
	body       []byte
}

func loadTranscripts(t *testing.T) []recorded {
	t.Helper()
	text, err := os.ReadFile("../../tests/vectors/transcripts.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Sessions []recorded }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Sessions) < 9 {
		t.Fatalf("only %d sessions", len(file.Sessions))
	}
	return file.Sessions
}

// steps returns the messages on the core's channel.
func (r recorded) steps(t *testing.T) (steps []step) {
	t.Helper()
	for _, e := range r.Events {
		if e.Mark != "" {
			steps = append(steps, step{mark: e.Mark})
		}
		for _, m := range e.Messages {
			if m.Control != "" {
				continue
			}
			fromReader := (e.From == "initiator") == (r.Initiator == "reader")
			steps = append(steps, step{fromReader: fromReader, name: m.Name, kind: m.Type, body: unhex(t, m.Body)})
		}
	}
	return steps
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stockLog makes the log that the writer of a session had at its begin.
func stockLog(t *testing.T, r recorded) *testCore {
	t.Helper()
	secret := keys.SecretFromSeed([32]byte(bytes.Repeat([]byte{1}, 32)))
	core := &testCore{t: t, store: newStore(t), secret: &secret, compat: r.Name == "fetch-compat"}
	if r.Name != "live-from-empty" {
		for i := range 5 {
			core.blocks = append(core.blocks, bytes.Repeat(fmt.Appendf(nil, "block-%d;", i), i%4))
		}
	}
	core.append(core.blocks...)
	if core.key.String() != r.Key {
		t.Fatalf("%s: key %v, want %s", r.Name, core.key, r.Key)
	}
	if r.Name != "sparse" {
		return core
	}
	holes := newStore(t)
	for _, claim := range []proof.Claim{{Kind: proof.KindBlocks, To: 1}, {Kind: proof.KindBlocks, From: 3, To: 4}} {
		if _, err := read(t, holes, core.key, claim, FetchOptions{}, core.serving(ServerOptions{})); err != nil {
			t.Fatal(err)
		}
	}
	return &testCore{t: t, store: holes, key: core.key}
}

// appendOfMark appends what the writer appended at a mark. The blocks are the numbers' names.
func (c *testCore) appendOfMark(mark string) {
	names := []string{"zero", "", "", "", "", "five", "six", "seven", "eight"}
	count := 0
	if _, err := fmt.Sscanf(mark, "append of %d", &count); err != nil {
		return
	}
	var blocks [][]byte
	for range count {
		blocks = append(blocks, []byte(names[len(c.blocks)]))
		c.blocks = append(c.blocks, blocks[len(blocks)-1])
	}
	c.append(blocks...)
}

// Our server answers what stock readers asked in recorded sessions as the stock writer did, byte for byte.
func TestServerAnswersAsStock(t *testing.T) {
	answers := 0
	for _, r := range loadTranscripts(t) {
		if r.Name == "fork" {
			continue // needs a truncation, which there is no way to make yet
		}
		t.Run(r.Name, func(t *testing.T) {
			noLeaks(t)
			core := stockLog(t, r)
			a := ask(t, core.serving(ServerOptions{}), core.key).open()
			a.await(typeOpened)
			for _, s := range r.steps(t) {
				switch {
				case s.mark != "":
					core.appendOfMark(s.mark)
				case s.fromReader:
					a.send(s.kind, s.body)
				case s.kind == messages.TypeData:
					want, err := messages.DecodeData(s.body)
					if err != nil {
						t.Fatal(err)
					}
					answer := a.next(fmt.Sprintf("answer to request %d", want.ID), func(m message) bool {
						got, err := messages.DecodeData(m.body)
						return m.kind == messages.TypeData && err == nil && got.ID == want.ID
					})
					if !bytes.Equal(answer.body, s.body) {
						t.Errorf("answer %x, want %x", answer.body, s.body)
					}
					answers++
				case s.kind == messages.TypeBitfield:
					if body := a.await(messages.TypeBitfield); !bytes.Equal(body, s.body) {
						t.Errorf("bitfield %x, want %x", body, s.body)
					}
				case s.kind == messages.TypeSync:
					want, err := messages.DecodeSync(s.body)
					if err != nil {
						t.Fatal(err)
					}
					if a.length < want.Length {
						m, err := messages.DecodeSync(a.next("state", func(m message) bool { return m.kind == messages.TypeSync && m.body[2] >= s.body[2] }).body)
						if err != nil || m.HasManifest != want.HasManifest || m.Fork != want.Fork {
							t.Errorf("state %+v, %v, want %+v", m, err, want)
						}
						a.length = m.Length
					}
				}
			}
		})
	}
	if answers < 30 {
		t.Errorf("only %d answers were compared", answers)
	}
}

// player is a peer that answers as a stock writer did in a recorded session.
type player struct {
	upgrades, blocks map[uint64]*merkle.Proof // by start, by index
	answered         int
}

func newPlayer(t *testing.T, steps []step) *player {
	t.Helper()
	p := &player{upgrades: map[uint64]*merkle.Proof{}, blocks: map[uint64]*merkle.Proof{}}
	for _, s := range steps {
		if s.fromReader || s.kind != messages.TypeData || s.mark != "" {
			continue
		}
		answer, err := messages.DecodeData(s.body)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case answer.Upgrade != nil:
			p.upgrades[answer.Upgrade.Start+100*answer.Fork] = answer
		case answer.Block != nil:
			p.blocks[answer.Block.Index+100*answer.Fork] = answer
		}
	}
	return p
}

func (p *player) answer(l *liar, ch *protomux.Channel, r merkle.Request) error {
	var found *merkle.Proof
	switch {
	case r.Upgrade != nil:
		found = p.upgrades[r.Upgrade.Start+100*r.Fork]
	case r.Block != nil:
		found = p.blocks[r.Block.Index+100*r.Fork]
	}
	if found == nil {
		return refuse(ch, r)
	}
	p.answered++
	answer := *found
	answer.ID = r.ID
	if r.Manifest { // the recorded reader may have had it
		answer.Manifest = l.snapshot.Auth().Manifest()
	}
	return ch.Send(messages.TypeData, appendData(nil, &answer))
}

// Our fetch takes a core from what stock writers sent in recorded sessions.
func TestFetchTakesStocksAnswers(t *testing.T) {
	for _, r := range loadTranscripts(t) {
		switch r.Name {
		case "fetch-v1", "fetch-compat", "fetch-v10", "sparse":
		default:
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			noLeaks(t)
			core := stockLog(t, r)
			stock := newPlayer(t, r.steps(t))
			peer := &liar{capable: true, onRequest: stock.answer, says: func(m *messages.Sync) { m.HasManifest = r.Name != "fetch-compat" }}
			for _, s := range r.steps(t) {
				if !s.fromReader && s.kind == messages.TypeRange {
					peer.onOpen = func(_ *liar, ch *protomux.Channel) error { return ch.Send(messages.TypeRange, s.body) }
					break
				}
			}
			into := newStore(t)
			got, err := read(t, into, core.key, proof.Claim{}, FetchOptions{}, core.lying(peer))
			if r.Name == "sparse" {
				if !errors.Is(err, proof.ErrPartial) {
					t.Errorf("%v, want %v", err, proof.ErrPartial)
				}
				return
			}
			if err != nil || !bytes.Equal(got, core.bytes()) || stock.answered != 6 {
				t.Errorf("%d bytes, %v, of %d answers", len(got), err, stock.answered)
			}
		})
	}
}

// Where a stock writer truncated, a reader who has the old log says so, keeps it, and remembers the head.
func TestFetchMeetsStocksTruncation(t *testing.T) {
	noLeaks(t)
	var fork recorded
	for _, r := range loadTranscripts(t) {
		if r.Name == "fork" {
			fork = r
		}
	}
	steps := fork.steps(t)
	core, into := stockLog(t, fork), newStore(t)
	if _, err := read(t, into, core.key, proof.Claim{}, FetchOptions{}, core.serving(ServerOptions{})); err != nil {
		t.Fatal(err)
	}
	stock := newPlayer(t, steps)
	truncated := &liar{capable: true, onRequest: stock.answer, says: func(m *messages.Sync) { m.Fork, m.Length = 1, 3 }}
	_, err := read(t, into, core.key, proof.Claim{}, FetchOptions{}, core.lying(truncated))
	if !errors.Is(err, hypercore.ErrForked) || !strings.Contains(fmt.Sprint(err), "fork 1") {
		t.Errorf("%v, want %v", err, hypercore.ErrForked)
	}
	seen, err := into.SeenHeads(t.Context(), core.key)
	if err != nil || len(seen) != 1 || seen[0].Fork != 1 {
		t.Errorf("seen %+v, %v", seen, err)
	}
	view, err := into.View(t.Context(), core.key, false)
	if err != nil || view.Head().Length != 5 || view.Head().Fork != 0 {
		t.Errorf("%+v, %v", view.Head(), err)
	}
	// A store without the old log takes the new fork.
	for _, into := range []*store.Store{nil, newStore(t)} {
		claim := proof.Claim{Kind: proof.KindHead}
		if _, err := read(t, into, core.key, claim, FetchOptions{}, core.lying(&liar{capable: true, onRequest: stock.answer, says: truncated.says})); err != nil {
			t.Errorf("from nothing: %v", err)
		}
	}
}
