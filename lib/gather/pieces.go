package gather

import "io"

// mostPieces is how many pieces one writev takes: IOV_MAX of Linux, macOS and the BSDs.
const mostPieces = 1024

// WriteAll writes pieces in order by calling write. It changes the slices, but not their bytes. write gets no more
// pieces at once than the system takes, and may write less: WriteAll continues where it stopped. A write of nothing
// is io.ErrShortWrite.
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

// behind returns pieces without their first n bytes. It changes pieces.
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
