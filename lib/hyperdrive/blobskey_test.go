package hyperdrive

import (
	"errors"
	"testing"

	"hc/lib/keys"
)

func TestBlobsManifestAsStock(t *testing.T) {
	var cases []struct{ Description, Manifest, DriveKey, BlobsManifest, BlobsKey string }
	load(t, "../../tests/vectors/blobs-keys.json", &cases)
	if len(cases) < 5 {
		t.Fatalf("blobs-keys.json has %d cases", len(cases))
	}
	for _, c := range cases {
		check(t, c.Description, c.DriveKey, c.Manifest, c.BlobsKey, c.BlobsManifest)
	}
	for name, v := range drives(t) {
		if name == "compat" { // its blobs are an independent core
			v.Blobs.Key, v.Blobs.Manifest = "", ""
		}
		check(t, name, v.Metadata.Key, v.Metadata.Manifest, v.Blobs.Key, v.Blobs.Manifest)
	}
}

func check(t *testing.T, name, driveKey, manifest, wantKey, wantManifest string) {
	t.Helper()
	drive, err := keys.ParseKey(driveKey)
	if err != nil {
		t.Fatal(err)
	}
	blobs, key, err := BlobsManifest(drive, unhex(t, manifest))
	if wantKey == "" {
		if !errors.Is(err, ErrNoBlobs) {
			t.Errorf("%s: %v, want ErrNoBlobs", name, err)
		}
		return
	}
	if err != nil || key.String() != wantKey || string(blobs) != string(unhex(t, wantManifest)) {
		t.Errorf("%s: key %v, manifest %x, %v, want %s, %s", name, key, blobs, err, wantKey, wantManifest)
	}
}

func TestBlobsManifestRefuses(t *testing.T) {
	for name, manifest := range map[string][]byte{"none": nil, "malformed": {9}} {
		if _, _, err := BlobsManifest(keys.Key{}, manifest); !errors.Is(err, ErrNoBlobs) {
			t.Errorf("%s: %v, want ErrNoBlobs", name, err)
		}
	}
}
