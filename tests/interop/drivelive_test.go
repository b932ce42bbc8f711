package interop

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/peer"
	"hc/lib/replicate"
)

// A live reader has a file that stock has just put within half a second, and fetches only what is new of a whole drive.
func TestFollowStocksDrive(t *testing.T) {
	writer := startDrive(t, "--listen")
	writer.do("imported", "import %s", makeFolder(t))
	key, err := keys.ParseKey(writer.Ready.Key)
	if err != nil {
		t.Fatal(err)
	}
	address := writer.address()
	d, err := replicate.OpenDrive(t.Context(), keys.Ref{Key: key}, replicate.DriveOptions{
		Store: newStore(t),
		Live:  true,
		Peers: []replicate.Dialer{{Name: address, Dial: func(ctx context.Context) (peer.Conn, error) { return peer.Dial(ctx, address) }}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	whole := func() replicate.DrivePlan {
		t.Helper()
		plan, err := d.Plan(t.Context(), "/")
		if err == nil {
			err = d.FetchAll(t.Context(), plan)
		}
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	if plan := whole(); plan.Missing != plan.Blocks || plan.Files != 48 || plan.Links != 3 {
		t.Errorf("the first plan is %+v", plan)
	}
	var took []time.Duration
	for i := range 5 {
		text := fmt.Sprintf("news %d", i)
		put := writer.do("put", "put /news %s", text)
		if err := d.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		item, err := d.Files().Get(t.Context(), "/news")
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := d.Content(t.Context(), item, &out); err != nil || out.String() != text {
			t.Fatalf("the content is %q, %v, want %q", out.String(), err, text)
		}
		took = append(took, time.Since(time.UnixMilli(put.At)))
		if plan := whole(); plan.Missing != 0 {
			t.Errorf("all was read, and %d blocks are missing", plan.Missing)
		}
	}
	prompt(t, "news were read", took)
	if item := (hyperdrive.Item{Name: "/missing"}); d.Content(t.Context(), item, &bytes.Buffer{}) == nil {
		t.Error("what is no file has content")
	}
}
