package worktree

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"hc/lib/drive"
	"hc/lib/hypercore"
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

// A publish that was killed right behind its commit is gone on with, unless the files were made those of another version since: an old
// version is not published over a newer one.
func TestPublishKilledBehindCommit(t *testing.T) {
	folder := t.TempDir()
	in := newStore(t, folder)
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, "file"), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	put("one")
	tree, _, err := Begin(t.Context(), in, PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	publish := func() error { _, err := tree.Publish(t.Context(), PublishOptions{}); return err }
	killed := func(text string) keys.Ref {
		t.Helper()
		before := tree.at
		put(text)
		if err := publish(); err != nil {
			t.Fatal(err)
		}
		if err := tree.note(tree.state, before, nil, nil); err != nil {
			t.Fatal(err)
		}
		newest, err := tree.Newest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ref, err := newest.Ref(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.publishes(keys.Head{Fork: ref.Fork, Length: ref.Length, TreeHash: *ref.TreeHash}); err != nil {
			t.Fatal(err)
		}
		return before
	}
	killed("two")
	if err := publish(); err != nil {
		t.Fatalf("run again: %v", err)
	}
	before := killed("three")
	for _, version := range []uint64{0, before.Length} { // the newest one, then back
		to, err := tree.Newest(t.Context())
		if err == nil && version != 0 {
			to, err = to.At(t.Context(), version)
		}
		if err != nil {
			t.Fatal(err)
		}
		ref, err := to.Ref(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tree.Update(t.Context(), ref, Stored(to), UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := publish(); !errors.Is(err, drive.ErrConflict) {
		t.Errorf("an old version over a newer one: %v", err)
	}
}

// A publish that was killed before its commit has published nothing: what somebody else did then is not taken for its own, and not undone.
func TestPublishKilledBeforeCommit(t *testing.T) {
	folder := t.TempDir()
	in := newStore(t, folder)
	put := func(in, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(in, "file"), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	put(folder, "one")
	tree, _, err := Begin(t.Context(), in, PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	put(folder, "mine")
	killed := errors.New("killed")
	_, err = tree.importAll(t.Context(), tree.key.String(), nil, PublishOptions{Append: hypercore.AppendOptions{Signs: func(head keys.Head) error {
		if err := tree.publishes(head); err != nil {
			t.Error(err)
		}
		return killed
	}}})
	if !errors.Is(err, killed) {
		t.Fatal(err)
	}
	other := &Tree{in: in, Root: t.TempDir(), key: tree.key}
	put(other.Root, "theirs")
	theirs, err := other.importAll(t.Context(), tree.key.String(), nil, PublishOptions{})
	if err != nil || theirs.Changed != 1 {
		t.Fatalf("%+v, %v", theirs, err)
	}
	if _, err := tree.Publish(t.Context(), PublishOptions{}); !errors.Is(err, drive.ErrConflict) {
		t.Errorf("over what somebody else did: %v", err)
	}
	if newest, err := tree.Newest(t.Context()); err != nil || newest.Version() != theirs.Length {
		t.Errorf("version %d, want %d; %v", newest.Version(), theirs.Length, err)
	}
}
