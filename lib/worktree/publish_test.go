package worktree

import (
	"os"
	"path/filepath"
	"testing"

	"hc/lib/keys"
)

// A first publish that was killed when the drive had a key and a name, and nothing was committed, is gone on with: whether or not the
// folder was noted as its working copy by then.
func TestBeginGoesOn(t *testing.T) {
	for name, noted := range map[string]bool{"named": false, "named and noted": true} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			in := newStore(t, folder)
			secret := keys.SecretFromSeed([32]byte{1})
			key := keys.DefaultManifest(secret.Public()).Key()
			if err := in.PutSecret(t.Context(), key, secret); err != nil {
				t.Fatal(err)
			}
			if err := in.SetName(t.Context(), driveName, key); err != nil {
				t.Fatal(err)
			}
			if noted {
				if _, err := Create(in, key, nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(folder, "file"), []byte("content"), 0o666); err != nil {
				t.Fatal(err)
			}
			tree, result, err := Begin(t.Context(), in, PublishOptions{})
			if err != nil || result.Key != key.String() {
				t.Fatalf("%+v, %v", result, err)
			}
			newest, err := tree.Newest(t.Context())
			if err != nil || newest.Version() != result.Length || !tree.at.Pinned || tree.at.Length != result.Length {
				t.Errorf("%+v, at %v, %v", result, tree.at, err)
			}
		})
	}
}
