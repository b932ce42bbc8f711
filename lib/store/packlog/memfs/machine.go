// Package memfs is a machine in memory for tests of crash safety: processes that can be killed at any call, a disk that
// after a power loss has any part of the unsynced data, syncs that fail, and locks that go with their process.
//
//	machine := memfs.New(seed)
//	process := machine.Process()          // a packlog.FS
//	machine.Fault = func(c memfs.Call) memfs.Outcome { ... }
//	machine.PowerLoss()                   // all processes are gone; the disk is what survived
//
// The disk works like this: a sector of unsynced data is there in any of the versions written since the last sync, or
// not at all; a file's length may be there without its data; each change of a folder is there or not, by itself, unless
// the folder was synced. After a failed Sync the file counts as clean: a later Sync does not write those bytes. A
// seeded generator decides all of this, so a history can be repeated.
package memfs

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"

	"hc/lib/store/packlog"
)

// ErrKilled is returned by all calls of a killed process.
var ErrKilled = errors.New("memfs: process was killed")

const sector = 64 // bytes that reach the disk as a unit; small, so that small records are torn

// Machine is a computer: one disk, and processes.
type Machine struct {
	// Fault, if set, is called before each call, without any lock held. Set it while no process runs.
	Fault func(Call) Outcome

	// Room, if set, is how many bytes the disk has for the contents of files. A write that does not fit is done in
	// part. Set it while no process runs.
	Room int

	mu     sync.Mutex
	random *rand.Rand
	root   *node
	boot   uint64
	calls  int
	procs  []*Process
}

// Call is what a process is about to do.
type Call struct {
	Process int
	Op      string // open create read write truncate sync rename remove readdir mkdir syncdir stat lock unlock
	Path    string
	N       int // counts calls that change something, from 1; 0 if this one does not
}

// Outcome is what becomes of a call. The zero Outcome lets it happen.
type Outcome struct {
	Err   error // the call fails with it; a write may have been done in part, a sync leaves the file clean and perhaps evicted
	Kill  bool  // the process dies; a write may have been done in part
	Crash bool  // the power fails; a write may have been done in part
}

// New returns a machine with an empty disk.
func New(seed uint64) *Machine {
	return &Machine{random: rand.New(rand.NewPCG(seed, 1)), root: newDir(), boot: 1}
}

// Process starts a process.
func (m *Machine) Process() *Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := &Process{machine: m, id: len(m.procs) + 1}
	m.procs = append(m.procs, p)
	return p
}

// Calls returns how many calls changed something so far.
func (m *Machine) Calls() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

// PowerLoss ends all processes; what survived remains. The next boot has another id.
func (m *Machine) PowerLoss() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.powerLoss()
}

func (m *Machine) powerLoss() {
	for _, p := range m.procs {
		p.kill()
	}
	m.root.settle(m.random, map[*node]bool{})
	m.boot++
}

// Used returns the total size of the files in bytes.
func (m *Machine) Used() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.root.used()
}

// room returns how many bytes of a write fit.
func (m *Machine) room(n *node, offset, length int) int {
	if m.Room == 0 {
		return length
	}
	more := max(0, offset+length-len(n.data))
	return length - max(0, more-max(0, m.Room-m.root.used()))
}

// Edit changes a file's bytes, in the cache and on the disk alike, as bit rot would. It reports whether the file
// exists.
func (m *Machine) Edit(name string, edit func([]byte) []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.root.find(name)
	if n == nil || n.dir {
		return false
	}
	n.data = edit(append([]byte(nil), n.data...))
	n.disk, n.dirty = append([]byte(nil), n.data...), nil
	return true
}

// Read returns a file's bytes as processes see them, nil if it does not exist.
func (m *Machine) Read(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.root.find(name); n != nil && !n.dir {
		return append([]byte{}, n.data...)
	}
	return nil
}

func (m *Machine) bootID() (id packlog.BootID) {
	binary.BigEndian.PutUint64(id[8:], m.boot)
	return id
}

// enter is called with m.mu held at the beginning of each call, and releases it while it calls Fault.
func (m *Machine) enter(p *Process, op, path string, changes bool) (Outcome, error) {
	if p.dead {
		return Outcome{}, ErrKilled
	}
	call := Call{Process: p.id, Op: op, Path: path}
	if changes {
		m.calls++
		call.N = m.calls
	}
	if m.Fault == nil {
		return Outcome{}, nil
	}
	m.mu.Unlock()
	out := m.Fault(call)
	m.mu.Lock()
	if p.dead {
		return Outcome{}, ErrKilled
	}
	return out, nil
}

// fail applies an outcome, for calls that happen completely or not at all; it returns nil if the call is to happen.
func (m *Machine) fail(p *Process, out Outcome) error {
	switch {
	case out.Crash:
		m.powerLoss()
		return ErrKilled
	case out.Kill:
		p.kill()
		return ErrKilled
	}
	return out.Err
}

func split(name string) []string {
	name = strings.Trim(filepath.ToSlash(filepath.Clean(name)), "/")
	if name == "" || name == "." {
		return nil
	}
	return strings.Split(name, "/")
}
