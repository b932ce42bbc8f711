//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// leadGroup makes a command the first of a process group, in which is whatever it starts.
func leadGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalGroup sends a signal to all of a group that are still there.
func signalGroup(first *os.Process, s os.Signal) { _ = syscall.Kill(-first.Pid, s.(syscall.Signal)) }
