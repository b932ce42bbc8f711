//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// leadGroup makes a command the leader of a process group with everything that it starts.
func leadGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalGroup sends a signal to all processes of a group that still run.
func signalGroup(first *os.Process, s os.Signal) { _ = syscall.Kill(-first.Pid, s.(syscall.Signal)) }
