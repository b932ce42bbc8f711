package smallfile

import (
	"errors"
	"io/fs"
	"testing"

	"hc/lib/store/packlog/memfs"
)

// Whenever the power fails, a replaced file is the old one or the new one; once Replace has returned, the new one.
func TestReplaceIsWhole(t *testing.T) {
	const path, old, now = "/dir/file", "what was there", "what is there now, which is longer"
	replaced := 0
	for crash := 1; crash < 12; crash++ {
		for seed := range uint64(50) {
			machine := memfs.New(seed)
			disk := machine.Process()
			if err := errors.Join(MakeFolder(disk, "/dir", 0o755), SyncFolder(disk, "/"), Replace(disk, path, []byte(old), 0o644)); err != nil {
				t.Fatal(err)
			}
			from := machine.Calls()
			machine.Fault = func(c memfs.Call) memfs.Outcome { return memfs.Outcome{Crash: c.N == from+crash} }
			returned := Replace(disk, path, []byte(now), 0o644)
			machine.Fault = nil
			machine.PowerLoss()
			got, err := Read(machine.Process(), path, int64(len(now)))
			if err != nil || string(got) != now && (returned == nil || string(got) != old) {
				t.Fatalf("crash %d, seed %d: %q, %v; Replace returned %v", crash, seed, got, err, returned)
			}
			if returned == nil {
				replaced++
			}
		}
	}
	if replaced == 0 || replaced == 11*50 {
		t.Fatalf("%d of them were replaced before the power failed", replaced)
	}
}

func TestReadRefuses(t *testing.T) {
	disk := memfs.New(1).Process()
	if _, err := Read(disk, "/none", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := Create(disk, "/file", make([]byte, 11), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(disk, "/file", 10); !errors.Is(err, ErrTooLong) {
		t.Errorf("11 bytes of at most 10: %d, %v", len(got), err)
	}
	if got, err := Read(disk, "/file", 11); err != nil || len(got) != 11 {
		t.Errorf("11 bytes of at most 11: %d, %v", len(got), err)
	}
}
