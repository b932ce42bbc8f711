//go:build !darwin && !linux

package cli

import "os"

func writePieces(f *os.File, pieces [][]byte) error {
	for _, piece := range pieces {
		if _, err := f.Write(piece); err != nil {
			return err
		}
	}
	return nil
}
