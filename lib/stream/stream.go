// Package stream reads and writes hc-stream/1: blocks on their way into a log, as a pipe carries them.
//
// A stream is text lines that name what follows, and raw bytes behind their length; FORMAT.md, beside this file, is its
// specification. Begin with NewWriter and NewReader:
//
//	w := stream.NewWriter(os.Stdout)
//	err := w.Chunk(data)
//	…
//	err = w.Close() // without it the stream is void
//
// A stream of a folder carries files in place of a log's blocks: Tree, Changes, File and their like on a Writer, and NewFolderReader.
// A Reader refuses it with ErrFolder.
//
// A stream stands as a whole or not at all: only a Reader's io.EOF says that every block came, in order and unharmed.
// Who acts on blocks must be able to take it back until then. A Reader holds one frame (at most 15 MiB and a header) and
// what it was asked to batch; a Writer 64 KiB of small blocks and an output buffer. Neither is for concurrent use.
package stream

import (
	"errors"
	"hash/crc32"
	"io"
)

// The format's limits, in bytes unless said otherwise.
const (
	// MaxBlock is the largest block: stock Hypercore's limit.
	MaxBlock = 15 << 20
	// MaxPacked is the most that several blocks in one frame have together.
	MaxPacked = 64 << 10
	// MaxHeader is the longest header line, its LF included.
	MaxHeader = 32 << 10
	// maxLengths is the most lengths that a chunk frame names. Lines need no such limit: MaxPacked bounds them.
	maxLengths = 4096
)

// magic is the first line.
const magic = "hc-stream/1\n"

// castagnoli is the table of the checksum: CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	// ErrFormat is wrapped by errors about a stream that breaks a rule of FORMAT.md.
	ErrFormat = errors.New("malformed hc-stream")
	// ErrTruncated is wrapped by errors about a stream that stops before its end frame. It wraps io.ErrUnexpectedEOF.
	ErrTruncated error = truncated{}
	// ErrFolder is wrapped by errors about a stream of files, where a stream of blocks is wanted.
	ErrFolder = errors.New("this is a stream of a folder")
	// ErrTooLarge is wrapped by a Writer's error about a block or a line over MaxBlock.
	ErrTooLarge = errors.New("larger than a block may be")
)

type truncated struct{}

func (truncated) Error() string { return "hc-stream stops before its end frame" }
func (truncated) Unwrap() error { return io.ErrUnexpectedEOF }
