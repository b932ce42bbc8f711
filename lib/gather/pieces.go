package gather

import "io"

// mostPieces is how many one writev of the system takes: IOV_MAX of Linux, macOS and the BSDs.
const mostPieces = 1024

// WriteAll writes pieces, which it changes but not their bytes, one behind the other, by way of write. That is given no more of them than
// the system takes at once, and may write less: it goes on where that stopped. A write of nothing is io.ErrShortWrite.
func WriteAll(pieces [][]byte, write func(some [][]byte) (int, error)) error {
	pieces = behind(pieces, 0)
	for len(pieces) > 0 {
		n, err := write(pieces[:min(len(pieces), mostPieces)])
		if err == nil && n <= 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
		pieces = behind(pieces, n)
	}
	return nil
}

// behind returns what stands behind the first n bytes of pieces, which it changes.
func behind(pieces [][]byte, n int) [][]byte {
	for len(pieces) > 0 && n >= len(pieces[0]) {
		n -= len(pieces[0])
		pieces = pieces[1:]
	}
	if n > 0 {
		pieces[0] = pieces[0][n:]
	}
	return pieces
}
