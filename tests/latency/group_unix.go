//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// leadGroup makes a command the leader of a process group, all of which ends with its context.
func leadGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}
