// Command noise writes bytes that nothing can compress, the same ones each time: scripts/bench.sh compares the output of its
// pipelines with them, when a file of that size would need too much of the disk.
//
//	noise BYTES
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "noise:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: noise BYTES")
	}
	count, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil || count < 0 {
		return fmt.Errorf("%q is no count of bytes", args[0])
	}
	_, err = io.CopyN(out, rand.NewChaCha8([32]byte{}), count)
	return err
}
