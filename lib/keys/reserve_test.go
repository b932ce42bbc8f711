package keys

import (
	"bytes"
	"errors"
	"testing"

	"hc/lib/hash"
)

func testSecret(fill byte) Secret { return SecretFromSeed([32]byte(bytes.Repeat([]byte{fill}, 32))) }

func TestReservationIsBoundToAllThatItSays(t *testing.T) {
	secret := testSecret(1)
	manifest := DefaultManifest(secret.Public())
	auth, err := NewAuth(manifest.Key(), manifest.Encode())
	if err != nil {
		t.Fatal(err)
	}
	good := Reservation{
		Connection: [64]byte{1},
		Base:       Head{Length: 5, TreeHash: hash.Digest{2}},
		Next:       Head{Length: 6, TreeHash: hash.Digest{3}},
	}
	signature, err := auth.SignReservation(secret, good)
	if err != nil {
		t.Fatal(err)
	}
	if err := auth.VerifyReservation(good, signature); err != nil {
		t.Errorf("the reservation itself: %v", err)
	}
	for name, change := range map[string]func(*Reservation){
		"another connection":  func(r *Reservation) { r.Connection[63]++ },
		"another base fork":   func(r *Reservation) { r.Base.Fork++ },
		"another base length": func(r *Reservation) { r.Base.Length++ },
		"another base tree":   func(r *Reservation) { r.Base.TreeHash[31]++ },
		"another fork":        func(r *Reservation) { r.Next.Fork++ },
		"another length":      func(r *Reservation) { r.Next.Length++ },
		"another tree":        func(r *Reservation) { r.Next.TreeHash[0]++ },
		"base and next":       func(r *Reservation) { r.Base, r.Next = r.Next, r.Base },
	} {
		changed := good
		change(&changed)
		if err := auth.VerifyReservation(changed, signature); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: got %v, want ErrSignature", name, err)
		}
	}
	if _, err := auth.SignReservation(testSecret(2), good); !errors.Is(err, ErrKey) {
		t.Errorf("signed by a stranger: got %v, want ErrKey", err)
	}
	if err := auth.Verify(good.Next, signature[:]); err == nil {
		t.Error("a reservation passes as a signed head")
	}
}
