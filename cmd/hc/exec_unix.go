//go:build unix

package main

import "syscall"

// execute replaces this process by a program. It returns only if it cannot.
func execute(path string, args, env []string) error { return syscall.Exec(path, args, env) }
