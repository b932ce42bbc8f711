package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"
)

// generateFlag is a hidden first argument, followed by what to write about the app: man, bash, zsh, fish, or the names of
// its verbs, which have pages of their own. The Makefile makes docs/man and completions with it.
const generateFlag = "--generate"

// page is everything known about an app: its help, its manual page and its completions are made from it, and its command
// line is read by it.
type page struct {
	Manual
	name, usage, arguments, description string
	command                             string     // as it is typed: hc gc for hc-gc
	flags                               []flagInfo // in the order of the app; the shared ones last
}

// flagInfo is one flag.
type flagInfo struct {
	long       string   // without dashes
	short      []string // one letter each
	value      string   // the value's placeholder; empty: the flag takes none
	usage      string
	fallback   string // default, as printed; empty: none
	file       bool   // the value is a path
	repeatable bool
	required   bool
	hidden     bool
	choices    []string
}

func pageOf(app *urfave.App) *page {
	p := &page{
		Manual: manualOf(app),
		name:   app.Name, command: app.Name, usage: app.Usage, arguments: app.ArgsUsage, description: app.Description,
	}
	for _, f := range app.Flags {
		info := infoOf(f)
		info.choices = p.Choices[info.long]
		p.flags = append(p.flags, info)
	}
	p.flags = append(p.flags,
		flagInfo{long: "help", short: []string{"h"}, usage: "show this help"},
		flagInfo{long: "version", usage: "show the version"})
	return p
}

func infoOf(f urfave.Flag) flagInfo {
	var info flagInfo
	for _, name := range f.Names() {
		switch {
		case len(name) == 1:
			info.short = append(info.short, name)
		case info.long == "":
			info.long = name
		default:
			panic("cli: flag --" + name + ": a flag has one long name") // a second spelling, and a bug
		}
	}
	if d, ok := f.(urfave.DocGenerationFlag); ok {
		info.usage = d.GetUsage()
		if d.TakesValue() {
			info.value, info.usage = placeholder(d.GetUsage())
			if text := strings.Trim(d.GetDefaultText(), `"`); text != "0" {
				info.fallback = text
			}
		}
	}
	if s, ok := f.(urfave.DocGenerationSliceFlag); ok {
		info.repeatable = s.IsSliceFlag()
	}
	if v, ok := f.(urfave.VisibleFlag); ok {
		info.hidden = !v.IsVisible()
	}
	if r, ok := f.(urfave.RequiredFlag); ok {
		info.required = r.IsRequired()
	}
	switch f := f.(type) {
	case *urfave.StringFlag:
		info.file = f.TakesFile
	case *urfave.StringSliceFlag:
		info.file = f.TakesFile
	case *urfave.PathFlag:
		info.file = true
	}
	return info
}

// placeholder finds the name of the value, marked `NAME` in the usage.
func placeholder(usage string) (name, plain string) {
	before, rest, ok := strings.Cut(usage, "`")
	if name, after, ok2 := strings.Cut(rest, "`"); ok && ok2 {
		return name, before + name + after
	}
	return "VALUE", usage
}

// names returns the flag's spellings, short ones first: -C, --dir.
func (f flagInfo) names() []string {
	var names []string
	for _, s := range f.short {
		names = append(names, "-"+s)
	}
	if f.long != "" {
		names = append(names, "--"+f.long)
	}
	return names
}

// text returns the flag's usage with its default.
func (f flagInfo) text() string {
	if f.fallback == "" {
		return f.usage
	}
	return fmt.Sprintf("%s (default %s)", f.usage, f.fallback)
}

// visible returns the flags that help shows, in the app's order; those that all tools have come last.
func (p *page) visible() []flagInfo {
	var own, shared []flagInfo
	for _, f := range p.flags {
		switch {
		case f.hidden:
		case slices.Contains([]string{"quiet", "verbose", "help", "version"}, f.long):
			shared = append(shared, f)
		default:
			own = append(own, f)
		}
	}
	return append(own, shared...)
}

// environment returns the variables that the tool reads, including those of its shared flags.
func (p *page) environment() []Variable {
	vars := slices.Clone(p.Environment)
	for _, f := range p.flags {
		switch f.long {
		case "dir":
			vars = append(vars, Variable{"HC_DIR", "the store's folder, unless -C names one"})
		case "discover":
			vars = append(vars, Variable{"HC_PEERS", "more peers, HOST[:PORT], separated by commas or spaces"})
		case "no-discovery":
			vars = append(vars, Variable{"HC_NO_DISCOVERY", "same as --no-discovery, if not empty"})
		case "secret-key-file":
			vars = append(vars,
				Variable{"HC_SECRET_KEY_FILE", "same as --secret-key-file, unless a flag names a secret key"},
				Variable{"HC_SECRET_KEY", "the secret key itself, as 'hc keys export' writes it, or as 64 hex digits (a seed), unless one of those above is given"})
		}
	}
	return vars
}

func (p *page) generate(w io.Writer, what string) error {
	var text string
	switch what {
	case "man":
		text = p.man()
	case "bash":
		text = p.bash()
	case "zsh":
		text = p.zsh()
	case "fish":
		text = p.fish()
	case "verbs":
		return p.Verbs.print(w)
	default:
		return Usagef("%s %q: one of man, bash, zsh, fish, verbs", generateFlag, what)
	}
	_, err := io.WriteString(w, text)
	return err
}

// part is a paragraph of a description, or literal lines.
type part struct {
	literal bool
	text    string
}

// parts splits a description: blank lines separate paragraphs, indented lines are literal.
func parts(description string) []part {
	var all []part
	for block := range strings.SplitSeq(strings.Trim(description, "\n"), "\n\n") {
		block = strings.Trim(block, "\n")
		switch {
		case strings.TrimSpace(block) == "":
		case strings.HasPrefix(block, " ") || strings.HasPrefix(block, "\t"):
			all = append(all, part{true, unindent(block)})
		default:
			all = append(all, part{false, strings.Join(strings.Fields(block), " ")})
		}
	}
	return all
}

// unindent takes away the indent of the first line from all lines.
func unindent(block string) string {
	indent := block[:len(block)-len(strings.TrimLeft(block, " \t"))]
	lines := strings.Split(block, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(strings.TrimPrefix(l, indent), " \t")
	}
	return strings.Join(lines, "\n")
}
