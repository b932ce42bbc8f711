package packlog

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// parseBootID reads a UUID, which is how Linux and macOS name a boot.
func parseBootID(text string) (BootID, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != len(BootID{}) {
		return BootID{}, fmt.Errorf("%w: %q is not a UUID", errBoot, text)
	}
	return BootID(b), nil
}
