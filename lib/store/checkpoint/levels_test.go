package checkpoint

import (
	"testing"

	"hc/lib/store/derived"
)

// If ten million rows come a full buffer at a time, each is merged at most twice, and a look-up never asks more than 14
// tables.
func TestLevels(t *testing.T) {
	limits := Limits{}.WithDefaults()
	buffer := uint64(limits.BufferRows)
	var refs []derived.TableRef
	added, merged, most := uint64(0), uint64(0), 0
	for added < 10_000_000 {
		refs = pushTable(refs, derived.TableRef{Level: limits.levelOf(buffer), Rows: buffer})
		added += buffer
		var err error
		refs, err = compactLevels(refs, limits, func(tables []derived.TableRef, oldest bool) (derived.TableRef, error) {
			rows := uint64(0)
			for _, table := range tables {
				rows += table.Rows
			}
			merged += rows
			return derived.TableRef{Level: limits.levelOf(rows), Rows: rows}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, len(refs))
	}
	held := uint64(0)
	for _, ref := range refs {
		held += ref.Rows
	}
	if held != added {
		t.Errorf("%d rows are left of %d", held, added)
	}
	if merged > 2*added {
		t.Errorf("%d rows were merged of %d", merged, added)
	}
	if most > 14 {
		t.Errorf("there were %d tables", most)
	}
}
