package main

import (
	"fmt"
	"io"

	"hc/lib/cli"
	"hc/lib/folder"
)

// stats count chunks. For one goroutine.
type stats struct {
	chunks, bytes     uint64
	shortest, longest int
	progress          *cli.Progress
	folder            *folder.Stats // nil where there is none
}

func (s *stats) add(n int) {
	if s.chunks == 0 || n < s.shortest {
		s.shortest = n
	}
	s.longest = max(s.longest, n)
	s.chunks++
	s.bytes += uint64(n)
	s.progress.Add(int64(n), 1)
}

// counted is what a folder's stream has besides chunks.
type counted struct {
	Files uint64 `json:"files"`
	Links uint64 `json:"links"`
	Kept  uint64 `json:"kept"`
}

func (s *stats) counted() *counted {
	if s.folder == nil {
		return nil
	}
	return &counted{s.folder.Files, s.folder.Links, s.folder.Kept}
}

// write writes the counts to standard error.
func (s *stats) write(std *cli.IO) error {
	average := 0.0
	if s.chunks > 0 {
		average = float64(s.bytes) / float64(s.chunks)
	}
	if std.JSON {
		return cli.WriteJSON(std.Err, struct {
			Type     string  `json:"type"`
			Chunks   uint64  `json:"chunks"`
			Bytes    uint64  `json:"bytes"`
			Average  float64 `json:"average"`
			Shortest int     `json:"shortest"`
			Longest  int     `json:"longest"`
			*counted
		}{"stats", s.chunks, s.bytes, average, s.shortest, s.longest, s.counted()})
	}
	text := fmt.Sprintf("chunks    %d\nbytes     %d\naverage   %.0f\nshortest  %d\nlongest   %d\n",
		s.chunks, s.bytes, average, s.shortest, s.longest)
	if c := s.counted(); c != nil {
		text += fmt.Sprintf("files     %d\nlinks     %d\nkept      %d\n", c.Files, c.Links, c.Kept)
	}
	_, err := io.WriteString(std.Err, text)
	return err
}
