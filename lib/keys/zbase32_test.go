package keys

import (
	"math/rand/v2"
	"testing"
)

// The printed form is read back, and equals what stock prints.
func TestZBase32(t *testing.T) {
	random := rand.NewChaCha8([32]byte{9})
	for range 100 {
		var k Key
		_, _ = random.Read(k[:])
		text := k.ZBase32()
		got, err := ParseKey(text)
		if err != nil || got != k || len(text) != zBase32Length {
			t.Errorf("%v is %s, which is %v, %v", k, text, got, err)
		}
	}
	if k, err := ParseKey(hexKey); err != nil || k.ZBase32() != zKey {
		t.Errorf("%s is %s, %v; stock prints %s", hexKey, k.ZBase32(), err, zKey)
	}
}
