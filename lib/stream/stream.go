// Package stream reads and writes hc-stream/1: blocks on their way into a log, in a form for pipes.
//
// A stream consists of text lines that say what follows, and raw bytes whose length precedes them; FORMAT.md, beside
// this file, specifies it. Use NewWriter and NewReader:
//
//	w := stream.NewWriter(os.Stdout)
//	err := w.Chunk(data)
//	…
//	err = w.Close() // without it the stream is void
//
// A stream of a folder carries files instead of a log's blocks: use Tree, Changes, File and their like on a Writer,
// and NewFolderReader. A Reader refuses it with ErrFolder.
//
// A stream counts as a whole or not at all: only a Reader's io.EOF says that every block came, in order and
// undamaged. Until then a program that acts on blocks must be able to undo that. A Reader holds one frame (at most 15
// MiB and a header) and the batch that it was asked for; a Writer 64 KiB of small blocks and an output buffer.
// Neither is safe for concurrent use.
package stream

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
)

// The format's limits, in bytes unless said otherwise.
const (
	// MaxBlock is the largest block: stock Hypercore's limit.
	MaxBlock = 15 << 20
	// MaxPacked is the largest total size of several blocks in one frame.
	MaxPacked = 64 << 10
	// MaxHeader is the longest header line, its LF included.
	MaxHeader = 32 << 10
	// maxLengths is the largest number of lengths in a chunk frame. Lines need no such limit: MaxPacked bounds them.
	maxLengths = 4096
)

// magic is the first line.
const magic = "hc-stream/1\n"

// Begins reports whether data begin with a stream's first line.
func Begins(data []byte) bool { return bytes.HasPrefix(data, []byte(magic)) }

// castagnoli is the table of the checksum: CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	// ErrFormat is wrapped by errors about a stream that breaks a rule of FORMAT.md.
	ErrFormat = errors.New("malformed hc-stream")
	// ErrTruncated is wrapped by errors about a stream that stops before its end frame. It wraps io.ErrUnexpectedEOF.
	ErrTruncated error = truncated{}
	// ErrFolder is wrapped by errors about a stream of files, if a stream of blocks is wanted.
	ErrFolder = errors.New("this is a stream of a folder")
	// ErrPlain is returned for a stream of blocks, where a stream of files is wanted. It wraps ErrFormat.
	ErrPlain error = plainBytes{}
	// ErrTooLarge is wrapped by a Writer's error about a block or a line over MaxBlock.
	ErrTooLarge = errors.New("larger than a block may be")
)

type plainBytes struct{}

func (plainBytes) Error() string { return "the stream is of plain bytes, not of a folder" }
func (plainBytes) Unwrap() error { return ErrFormat }

type truncated struct{}

func (truncated) Error() string { return "hc-stream stops before its end frame" }
func (truncated) Unwrap() error { return io.ErrUnexpectedEOF }
