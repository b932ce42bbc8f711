//go:build unix

package secretstream_test

import (
	"errors"
	"strings"
	"testing"

	"hc/lib/peer"
	"hc/lib/secretstream"
)

// TestHandshakeSaysHowTheCommandEnded runs commands that end before or after we have written to them.
func TestHandshakeSaysHowTheCommandEnded(t *testing.T) {
	for _, line := range []string{"exit 3", "head -c 1 >/dev/null; exit 3", "exec <&-; sleep 0.01; exit 3"} {
		for range 5 {
			c, err := peer.Exec(t.Context(), line, peer.ExecOptions{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = secretstream.Handshake(t.Context(), c, secretstream.Options{Initiator: true})
			if !errors.Is(err, secretstream.ErrHandshake) || !errors.Is(err, peer.ErrUnreachable) ||
				!strings.Contains(err.Error(), "exit status 3") {
				t.Errorf("%s: error %v, want the exit status", line, err)
			}
		}
	}
}
