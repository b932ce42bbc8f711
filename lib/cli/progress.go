package cli

// ProgressOptions says what a progress line is about.
type ProgressOptions struct {
	Total   int64 // bytes in all; 0: not known
	DataOut bool  // standard output carries data: no line where that is a terminal, too
}

// Progress counts bytes and blocks and shows them while they come: as a line on a terminal, as JSON Lines under --json,
// not at all under --quiet or where another process of the pipeline shows its own. Its methods may be called by many
// goroutines at once; a nil Progress does nothing.
type Progress struct{}

// NewProgress starts a progress line. Done must be called.
func NewProgress(std *IO, opt ProgressOptions) *Progress { return &Progress{} }

// Add counts bytes and blocks that are done.
func (p *Progress) Add(bytes, blocks int64) {}

// SetTotal tells the number of bytes in all, once known.
func (p *Progress) SetTotal(bytes int64) {}

// Done stops the line, writes its last state, and returns when that is out.
func (p *Progress) Done() {}
