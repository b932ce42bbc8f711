//go:build !unix

package main

import (
	"os"
	"os/exec"
)

// leadGroup does nothing: there are no process groups here.
func leadGroup(*exec.Cmd) {}

// signalGroup reaches the command only.
func signalGroup(first *os.Process, s os.Signal) { _ = first.Signal(s) }
