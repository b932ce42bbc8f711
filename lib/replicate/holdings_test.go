package replicate

import (
	"testing"

	"hc/lib/replicate/messages"
)

// Which blocks a reader has is noted where something depends on it: of a core that is only written here nothing does.
func TestHoldingsThatMatter(t *testing.T) {
	for name, c := range map[string]struct {
		reader *reader
		noted  bool
	}{
		"guarded":   {&reader{core: &servedCore{guarded: true}, conn: &serverConn{}}, false},
		"accepted":  {&reader{core: &servedCore{accepted: true}, conn: &serverConn{}}, true},
		"has goals": {&reader{core: &servedCore{guarded: true}, conn: &serverConn{goal: newGoal(nil, nil)}}, true},
	} {
		for kind, body := range map[uint64][]byte{
			messages.TypeRange:    messages.Range{Start: 4096, Length: 1 << 40}.Append(nil),
			messages.TypeBitfield: messages.Bitfield{Start: 4096, Words: []uint32{7}}.Append(nil),
		} {
			if err := c.reader.note(kind, body); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if c.reader.theirs.Empty() == c.noted {
				t.Errorf("%s: message of type %d: noted %v", name, kind, !c.noted)
			}
			c.reader.theirs.Forget()
		}
	}
}
