package folder

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
)

// tempPrefix and tempDigits make the names of unfinished files: nothing of such a name is imported, nor exported.
const tempPrefix, tempDigits = ".hc-tmp-", 16

// tempNames are those of one Export, told from others' by how they begin. next is for one goroutine.
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

// isTemp reports whether a name is one of tempNames', or of what foldsNames makes of it.
func isTemp(name string) bool {
	digits, ok := strings.CutPrefix(name, tempPrefix)
	if !ok || len(digits) < tempDigits || len(digits) > tempDigits+len("a\u0308") {
		return false
	}
	_, err := hex.DecodeString(digits[:tempDigits])
	return err == nil
}
