// Command stages prints where processor time went, as a table in Markdown: scripts/profile.sh uses it.
//
//	stages NAME BYTES FILE [NAME BYTES FILE …]
//
// Each FILE is the output of `perf script -F comm,period,ip,sym` for a recording by a clock, so that periods are nanoseconds. A
// column for each NAME shows what each stage of each program took, in nanoseconds for each of BYTES.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "stages:", err)
		os.Exit(1)
	}
}

// stage is a row: what a program did.
type stage struct{ program, what string }

// column is the recording of one input.
type column struct {
	name  string
	spent map[stage]float64 // nanoseconds a byte
}

func run(args []string, out io.Writer) error {
	if len(args) == 0 || len(args)%3 != 0 {
		return errors.New("usage: stages NAME BYTES FILE [NAME BYTES FILE …]")
	}
	var columns []column
	for args := range slices.Chunk(args, 3) {
		c, err := read(args[0], args[1], args[2])
		if err != nil {
			return fmt.Errorf("reading %s: %w", args[2], err)
		}
		columns = append(columns, c)
	}
	return print(out, columns)
}

func read(name, bytes, file string) (column, error) {
	c := column{name, map[stage]float64{}}
	size, err := strconv.ParseFloat(bytes, 64)
	if err != nil || size <= 0 {
		return c, fmt.Errorf("%q bytes: want a number above 0", bytes)
	}
	f, err := os.Open(file)
	if err != nil {
		return c, err
	}
	defer f.Close()
	return c, samples(f, func(program string, period float64, frames []string) {
		if strings.HasPrefix(program, "hc") {
			c.spent[stage{program, stageOf(frames)}] += period / size
		}
	})
}

// samples calls each for every sample of a script: a line with a program's name and a period, a line for each frame, innermost
// first, and an empty one.
func samples(r io.Reader, each func(program string, period float64, frames []string)) error {
	lines := bufio.NewScanner(r)
	var program string
	var period float64
	var frames []string
	found := false
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 0 && program != "":
			each(program, period, frames)
			program, frames, found = "", frames[:0], true
		case len(words) == 0:
		case program == "":
			var err error
			if len(words) < 2 {
				return fmt.Errorf("%q has no period", lines.Text())
			}
			if period, err = strconv.ParseFloat(strings.TrimSuffix(words[len(words)-1], ":"), 64); err != nil {
				return fmt.Errorf("%q: %w", lines.Text(), err)
			}
			program = words[0]
		case len(words) > 1:
			frames = append(frames, words[1])
		}
	}
	if program != "" {
		each(program, period, frames)
		found = true
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if !found {
		return errors.New("there are no samples")
	}
	return nil
}

func print(out io.Writer, columns []column) error {
	w := bufio.NewWriter(out)
	fmt.Fprint(w, "| stage |")
	for _, c := range columns {
		fmt.Fprintf(w, " %s |", c.name)
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---:|", len(columns)))
	sums := make([]float64, len(columns))
	for _, program := range programs(columns) {
		of := make([]float64, len(columns))
		for i, c := range columns {
			for s, spent := range c.spent {
				if s.program == program {
					of[i] += spent
				}
			}
			sums[i] += of[i]
		}
		row(w, "**`"+program+"`**", of)
		for _, what := range order {
			spent := make([]float64, len(columns))
			for i, c := range columns {
				spent[i] = c.spent[stage{program, what}]
			}
			if slices.Max(spent) >= 0.005 {
				row(w, what, spent)
			}
		}
	}
	row(w, "**all**", sums)
	return w.Flush()
}

func programs(columns []column) []string {
	var all []string
	for _, c := range columns {
		for s := range c.spent {
			if !slices.Contains(all, s.program) {
				all = append(all, s.program)
			}
		}
	}
	pipeline := []string{"hc-chunk", "hc-append", "hc-serve", "hc-fetch", "hc-verify"}
	slices.SortFunc(all, func(a, b string) int {
		i, j := slices.Index(pipeline, a), slices.Index(pipeline, b)
		if i != j {
			return i - j
		}
		return strings.Compare(a, b)
	})
	return all
}

func row(w io.Writer, what string, spent []float64) {
	fmt.Fprintf(w, "| %s |", what)
	for _, s := range spent {
		if s < 0.005 {
			fmt.Fprint(w, " – |")
		} else {
			fmt.Fprintf(w, " %.2f |", s)
		}
	}
	fmt.Fprintln(w)
}
