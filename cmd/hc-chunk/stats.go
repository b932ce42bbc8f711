package main

import (
	"fmt"

	"hc/lib/cli"
)

// stats count chunks. For one goroutine.
type stats struct {
	chunks, bytes     uint64
	shortest, longest int
	progress          *cli.Progress
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

// write says what was counted on standard error.
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
		}{"stats", s.chunks, s.bytes, average, s.shortest, s.longest})
	}
	_, err := fmt.Fprintf(std.Err, "chunks    %d\nbytes     %d\naverage   %.0f\nshortest  %d\nlongest   %d\n",
		s.chunks, s.bytes, average, s.shortest, s.longest)
	return err
}
