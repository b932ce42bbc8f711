//go:build !unix

package main

import "os/exec"

// leadGroup does nothing: there are no process groups here, and the context ends the command only.
func leadGroup(*exec.Cmd) {}
