package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	drawEvery = 200 * time.Millisecond
	jsonEvery = time.Second
	rateOver  = 3 * time.Second // the shown rate is an average that forgets at this pace
)

// ProgressOptions says what a progress line is about.
type ProgressOptions struct {
	Total   int64 // bytes in all; 0: not known
	DataOut bool  // standard output carries the tool's data: no line where that is a terminal

	// Counts are shown after the bytes, in this order, unless they are 0; nil: there are none. It is called by another
	// goroutine, and must not take long.
	Counts func() []Count
}

// Count is one more number of a progress line: of files, say.
type Count struct {
	Name  string // of what there are so many, or so many bytes: "files", "here already"
	Value int64
	Bytes bool
}

// Progress counts bytes and blocks and shows them while they come: as a line on a terminal, as JSON Lines on standard
// error under --json, not at all under --quiet. In a pipeline the last tool shows the line: one whose standard output
// is a pipe does not. Its methods may be called by many goroutines at once; those of a nil Progress do nothing.
type Progress struct {
	std           *IO
	bytes, blocks atomic.Int64
	total         atomic.Int64
	counts        func() []Count
	began         time.Time
	draw          func(state, bool) // nil: only counts
	stop          chan struct{}     // closed by Done
	stopped       chan struct{}     // closed by the goroutine that draws
	once          sync.Once
}

// state is what a progress line shows.
type state struct {
	bytes, blocks, total int64
	elapsed              time.Duration
	rate                 float64 // bytes a second, lately; over all when done
	counts               []Count
}

// NewProgress starts counting and showing. Done must be called.
func NewProgress(std *IO, opt ProgressOptions) *Progress {
	p := &Progress{std: std, counts: opt.Counts, began: time.Now(), stop: make(chan struct{}), stopped: make(chan struct{})}
	p.total.Store(opt.Total)
	every := drawEvery
	screen, ok := std.Err.(*screen)
	switch {
	case std.Quiet:
	case std.JSON:
		p.draw, every = p.writeJSON, jsonEvery
	case ok && std.ErrTerminal && !std.OutPipe && !(opt.DataOut && std.OutTerminal) && std.Getenv("TERM") != "dumb":
		p.draw = func(s state, last bool) {
			line := s.line(std.Name, last, screenWidth(std))
			if last {
				screen.keep(line)
			} else {
				screen.show(line)
			}
		}
	}
	if p.draw == nil {
		close(p.stopped)
		return p
	}
	go p.run(every)
	return p
}

// Add counts bytes and blocks that are done.
func (p *Progress) Add(bytes, blocks int64) {
	if p != nil {
		p.bytes.Add(bytes)
		p.blocks.Add(blocks)
	}
}

// SetTotal sets the number of bytes in all, once that is known.
func (p *Progress) SetTotal(bytes int64) {
	if p != nil {
		p.total.Store(bytes)
	}
}

// Done stops, writes the last state, and returns when that is written. It may be called again.
func (p *Progress) Done() {
	if p != nil {
		p.once.Do(func() { close(p.stop) })
		<-p.stopped
	}
}

func (p *Progress) run(every time.Duration) {
	defer close(p.stopped)
	tick := time.NewTicker(every)
	defer tick.Stop()
	rate, before, at := 0.0, int64(0), p.began
	for {
		select {
		case now := <-tick.C:
			s := p.state(now)
			rate = average(rate, s.bytes-before, now.Sub(at), s.elapsed)
			before, at = s.bytes, now
			s.rate = rate
			p.draw(s, false)
		case <-p.stop:
			s := p.state(time.Now())
			s.rate = float64(s.bytes) / max(s.elapsed.Seconds(), 1e-3)
			p.draw(s, true)
			return
		}
	}
}

func (p *Progress) state(now time.Time) state {
	s := state{
		bytes: p.bytes.Load(), blocks: p.blocks.Load(), total: p.total.Load(), elapsed: now.Sub(p.began),
	}
	if p.counts != nil {
		s.counts = p.counts()
	}
	return s
}

// average mixes the rate of the last step into the rate so far.
func average(rate float64, bytes int64, step, elapsed time.Duration) float64 {
	if step <= 0 {
		return rate
	}
	share := 1 - math.Exp(-step.Seconds()/min(rateOver, max(elapsed, step)).Seconds())
	return rate + share*(float64(bytes)/step.Seconds()-rate)
}

// line returns the state as one line of ASCII, shorter than width.
func (s state) line(name string, last bool, width int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", name, FormatSize(s.bytes))
	if !last && s.total > 0 {
		fmt.Fprintf(&b, " of %s (%d%%)", FormatSize(s.total), min(100, int(100*float64(s.bytes)/float64(s.total))))
	}
	if s.blocks == 1 {
		b.WriteString(", 1 block")
	} else if s.blocks > 0 {
		fmt.Fprintf(&b, ", %s blocks", thousands(s.blocks))
	}
	for _, count := range s.counts {
		if count.Bytes && count.Value > 0 {
			fmt.Fprintf(&b, ", %s %s", FormatSize(count.Value), count.Name)
		} else if count.Value > 0 {
			fmt.Fprintf(&b, ", %s %s", thousands(count.Value), count.Name)
		}
	}
	fmt.Fprintf(&b, ", %s/s", FormatSize(int64(s.rate)))
	switch {
	case last:
		fmt.Fprintf(&b, ", %s", clock(s.elapsed))
	case s.total > s.bytes && s.rate >= 1:
		left := time.Duration(float64(s.total-s.bytes) / s.rate * float64(time.Second))
		fmt.Fprintf(&b, ", %s left", clock(left))
	}
	line := b.String()
	return line[:min(len(line), width-1)] // in the last column some terminals wrap
}

func (p *Progress) writeJSON(s state, last bool) {
	kind := "progress"
	if last {
		kind = "summary"
	}
	_ = WriteJSON(p.std.Err, struct {
		Type    string  `json:"type"`
		Tool    string  `json:"tool"`
		Bytes   int64   `json:"bytes"`
		Blocks  int64   `json:"blocks"`
		Total   int64   `json:"total,omitempty"`
		Seconds float64 `json:"seconds"`
		Rate    int64   `json:"rate"` // bytes a second

		Counts map[string]int64 `json:"counts,omitempty"`
	}{kind, p.std.Name, s.bytes, s.blocks, s.total, math.Round(s.elapsed.Seconds()*1e3) / 1e3, int64(s.rate), s.named()})
}

// named returns the counts by name.
func (s state) named() map[string]int64 {
	if len(s.counts) == 0 {
		return nil
	}
	counts := make(map[string]int64, len(s.counts))
	for _, count := range s.counts {
		counts[count.Name] = count.Value
	}
	return counts
}

func screenWidth(std *IO) int {
	if std.Width < 20 {
		return 80
	}
	return std.Width
}

// FormatSize prints a number of bytes for people: "512 B", "1.5 MiB".
func FormatSize(bytes int64) string {
	if bytes < 1<<10 {
		return strconv.FormatInt(bytes, 10) + " B"
	}
	v, unit := float64(bytes), -1
	for v >= 1023.95 && unit < 5 { // what would round to 1024.0 is 1.0 of the next
		v /= 1 << 10
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTPE"[max(unit, 0)])
}

// thousands prints 1234567 as 1,234,567.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// clock prints a duration as 4.2s, 1m05s or 2h03m.
func clock(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(min(d.Hours(), 1e6)), int(d.Minutes())%60)
}
