//go:build unix

package interop

import (
	"os/exec"
	"syscall"
)

// startGroup puts a pipeline into a process group of its own, so that killGroup ends all of it.
func startGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
