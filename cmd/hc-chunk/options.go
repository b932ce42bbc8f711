package main

import (
	"cmp"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/chunk"
	"hc/lib/cli"
)

// algorithms are the values of --algorithm.
var algorithms = []string{"rabin", "fastcdc", "fixed", "lines"}

// mode says what is written.
type mode int

const (
	writeStream mode = iota
	writeList
	writeCuts
	writeJoined
)

// options are the command line, understood.
type options struct {
	mode    mode
	cutter  chunk.Cutter // nil for writeJoined
	lines   bool         // chunks are lines
	largest int          // bytes of a chunk
	stats   bool
	force   bool
	files   []string
	folder  folderOptions
}

func parse(c *urfave.Context, std *cli.IO) (opts options, err error) {
	opts = options{stats: c.Bool("stats"), force: c.Bool("force"), files: c.Args().Slice()}
	modes := 0
	for _, m := range []struct {
		flag string
		mode mode
	}{{"list", writeList}, {"cuts", writeCuts}, {"join", writeJoined}} {
		if c.Bool(m.flag) {
			opts.mode = m.mode
			modes++
		}
	}
	if modes > 1 {
		return opts, cli.Usagef("--list, --cuts and --join cannot be used together")
	}
	if opts.folder, err = parseFolder(c, std); err != nil {
		return opts, err
	}
	if opts.mode != writeStream && (opts.folder.tar || opts.folder.set != "") {
		return opts, cli.Usagef("--list, --cuts and --join are for files; --tar, --%s and the like are for folders", cmp.Or(opts.folder.set, "add"))
	}
	if opts.mode == writeJoined {
		for _, name := range []string{"algorithm", "avg", "min", "max"} {
			if c.IsSet(name) {
				return opts, cli.Usagef("--%s says how to cut, and --join does not cut", name)
			}
		}
		return opts, nil
	}
	limits, err := parseLimits(c)
	if err != nil {
		return opts, err
	}
	if opts.cutter, err = newCutter(c, limits); err != nil {
		return opts, err
	}
	opts.lines = c.String("algorithm") == "lines"
	opts.largest = opts.cutter.Max()
	return opts, nil
}

// parseLimits reads --avg, --min and --max; those that are not given are 0.
func parseLimits(c *urfave.Context) (chunk.Limits, error) {
	var l chunk.Limits
	for name, to := range map[string]*int{"avg": &l.Average, "min": &l.Min, "max": &l.Max} {
		if !c.IsSet(name) {
			continue
		}
		n, err := cli.ParseSize(c.String(name))
		if err != nil {
			return l, err
		}
		if n < 1 || n > chunk.Largest {
			return l, cli.Usagef("--%s %s: must be from 1 to %d bytes", name, c.String(name), chunk.Largest)
		}
		*to = int(n)
	}
	return l, nil
}

func newCutter(c *urfave.Context, l chunk.Limits) (cutter chunk.Cutter, err error) {
	algorithm := c.String("algorithm")
	if rolling := algorithm == "rabin" || algorithm == "fastcdc"; rolling && !chunk.IsAverage(l.Average) {
		return nil, cli.Usagef("--avg %q: want a power of two from 64 to 8 MiB, such as 64k or 128k", c.String("avg"))
	}
	switch algorithm {
	case "rabin":
		cutter, err = chunk.NewRabin(l)
	case "fastcdc":
		cutter, err = chunk.NewFastCDC(l)
	case "fixed":
		if l.Min != 0 || l.Max != 0 {
			return nil, cli.Usagef("--algorithm fixed has one size, --avg: leave out --min and --max")
		}
		cutter, err = chunk.NewFixed(l.Average)
	case "lines":
		if l.Average != 0 || l.Min != 0 {
			return nil, cli.Usagef("--algorithm lines cuts after each line feed: leave out --avg and --min")
		}
		cutter, err = chunk.NewLines(l.Max)
	default:
		return nil, cli.Usagef("--algorithm %q: one of %s", algorithm, strings.Join(algorithms, ", "))
	}
	if err != nil {
		return nil, cli.Usagef("%w", err)
	}
	return cutter, nil
}
