package secretstream

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"filippo.io/edwards25519"
)

func TestDH(t *testing.T) {
	var file struct {
		DH []struct {
			Seed   octets `json:"mySeed"`
			Public octets `json:"theirPublicKey"`
			Shared octets `json:"shared"`
		} `json:"ed25519dh"`
		Rejected []struct {
			Public octets `json:"theirPublicKey"`
		} `json:"ed25519dhRejected"`
	}
	load(t, "crypto.json", &file)
	if len(file.DH) == 0 || len(file.Rejected) == 0 {
		t.Fatal("no cases")
	}
	for _, v := range file.DH {
		got, err := curve{}.DH(v.Seed, v.Public)
		if err != nil || !bytes.Equal(got, v.Shared) {
			t.Errorf("DH(%x, %x) = %x, %v, want %x", v.Seed, v.Public, got, err, v.Shared)
		}
	}
	for _, v := range file.Rejected {
		if got, err := (curve{}).DH(make([]byte, 32), v.Public); err == nil {
			t.Errorf("DH with %x = %x, want an error", v.Public, got)
		}
	}
}

func TestDHRejectsPointsOutsideOfTheSubgroup(t *testing.T) {
	seed := bytes.Repeat([]byte{7}, 32)
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	good, err := new(edwards25519.Point).SetBytes(public)
	if err != nil {
		t.Fatal(err)
	}
	// (0, -1) has order 2.
	two := append([]byte{0xec}, bytes.Repeat([]byte{0xff}, 31)...)
	two[31] = 0x7f
	small, err := new(edwards25519.Point).SetBytes(two)
	if err != nil {
		t.Fatal(err)
	}
	nonCanonicalOne := append([]byte{0xee}, bytes.Repeat([]byte{0xff}, 31)...) // y = p + 1
	nonCanonicalOne[31] = 0x7f
	for name, b := range map[string][]byte{
		"order 2":                 two,
		"a point with a cofactor": new(edwards25519.Point).Add(good, small).Bytes(),
		"second spelling of 1":    nonCanonicalOne,
		"sign bit of x = 0":       append(append([]byte{1}, make([]byte, 30)...), 0x80),
		"short":                   public[:31],
		"nothing":                 nil,
	} {
		if _, err := (curve{}).DH(seed, b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := (curve{}).DH(seed, public); err != nil {
		t.Errorf("a good point: %v", err)
	}
}
