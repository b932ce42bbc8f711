package cli

import (
	"io"
	"strings"
	"sync"
)

// screen is standard error: whole writes of many goroutines, and below them one line that changes, while a progress
// line is shown. It needs no escape sequence: a line is overwritten with blanks.
type screen struct {
	w io.Writer

	mu     sync.Mutex // guards status and the order of writes
	status string
}

func newScreen(w io.Writer) *screen {
	if s, ok := w.(*screen); ok {
		return s
	}
	return &screen{w: w}
}

// Write writes p above the status line.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status == "" {
		return s.w.Write(p)
	}
	_, _ = io.WriteString(s.w, blank(len(s.status)))
	n, err := s.w.Write(p)
	if len(p) > 0 && p[len(p)-1] == '\n' {
		_, _ = io.WriteString(s.w, s.status)
	} else {
		s.status = ""
	}
	return n, err
}

// show replaces the status line; an empty one takes it away. line is ASCII and shorter than the terminal is wide.
func (s *screen) show(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pad := ""
	if n := len(s.status) - len(line); n > 0 {
		pad = strings.Repeat(" ", n)
		if line == "" {
			pad += "\r"
		}
	}
	if s.status != "" {
		line = "\r" + line
	}
	_, _ = io.WriteString(s.w, line+pad)
	s.status = strings.TrimPrefix(line, "\r")
}

// keep ends the status line: it stays, and what comes next is written below it.
func (s *screen) keep(line string) {
	s.show(line)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = io.WriteString(s.w, "\n")
	s.status = ""
}

// hold takes the status line away and makes all other writers wait until release is called, while the user is being asked
// something.
func (s *screen) hold() (release func()) {
	s.mu.Lock()
	if s.status != "" {
		_, _ = io.WriteString(s.w, blank(len(s.status)))
		s.status = ""
	}
	return s.mu.Unlock
}

func blank(n int) string { return "\r" + strings.Repeat(" ", n) + "\r" }
