package folder

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
)

// tempPrefix and tempDigits make the names of unfinished files: nothing with such a name is imported or exported.
const tempPrefix, tempDigits = ".hc-tmp-", 16

// tempNames makes the names of one Export, which differ from others' in their beginning. Only one goroutine may call next.
type tempNames struct {
	own  string
	last uint32
}

func newTempNames() tempNames {
	var random [tempDigits / 4]byte
	_, _ = rand.Read(random[:]) // never fails
	return tempNames{own: tempPrefix + hex.EncodeToString(random[:])}
}

func (n *tempNames) next() string {
	n.last++
	return fmt.Sprintf("%s%0*x", n.own, tempDigits/2, n.last)
}

func (n *tempNames) has(name string) bool { return strings.HasPrefix(name, n.own) }

// isTemp reports whether a name is one of tempNames, or one that foldsNames makes from it.
func isTemp(name string) bool {
	digits, ok := strings.CutPrefix(name, tempPrefix)
	if !ok || len(digits) < tempDigits || len(digits) > tempDigits+len("a\u0308") {
		return false
	}
	_, err := hex.DecodeString(digits[:tempDigits])
	return err == nil
}
