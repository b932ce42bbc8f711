package cli

import (
	"fmt"
	"io"
	"strings"

	urfave "github.com/urfave/cli/v2"
)

const helpWidth = 80 // columns

// help returns the text of --help.
func (p *page) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\nusage: %s\n", p.command, p.usage, p.synopsis())
	for _, part := range parts(p.description) {
		b.WriteByte('\n')
		if part.literal {
			b.WriteString(indent(part.text, "    ") + "\n")
		} else {
			b.WriteString(wrap(part.text, helpWidth, "") + "\n")
		}
	}
	if p.HelpOnly != nil {
		if text := p.HelpOnly(); text != "" {
			b.WriteString("\n" + text)
		}
	}
	b.WriteString("\nflags:\n")
	rows := make([][2]string, 0, len(p.flags))
	for _, f := range p.visible() {
		name := strings.Join(f.names(), ", ")
		if len(f.short) == 0 {
			name = "    " + name
		}
		if f.value != "" {
			name += " " + f.value
		}
		rows = append(rows, [2]string{name, f.text()})
	}
	b.WriteString(columns(rows))
	if len(p.Examples) > 0 {
		b.WriteString("\nexamples:\n")
		for _, e := range p.Examples {
			fmt.Fprintf(&b, "  # %s\n  %s\n", e.Does, e.Command)
		}
	}
	if vars := p.environment(); len(vars) > 0 {
		b.WriteString("\nenvironment:\n")
		rows = rows[:0]
		for _, v := range vars {
			rows = append(rows, [2]string{v.Name, v.Meaning})
		}
		b.WriteString(columns(rows))
	}
	b.WriteString("\nexit status:\n")
	for _, e := range exitMeanings {
		fmt.Fprintf(&b, "  %3d  %s\n", e.code, e.meaning)
	}
	return b.String()
}

// PrintHelp prints an app's help, as --help does.
func PrintHelp(std *IO, app *urfave.App) error {
	p := pageOf(app)
	p.command = std.Name
	_, err := io.WriteString(std.Out, p.help())
	return err
}

func (p *page) synopsis() string {
	return strings.TrimSpace(p.command + " [FLAG...] " + p.arguments)
}

// columns lays out rows of a name and its text.
func columns(rows [][2]string) string {
	const most = 26
	width := 0
	for _, r := range rows {
		if len(r[0]) <= most {
			width = max(width, len(r[0]))
		}
	}
	hang := strings.Repeat(" ", width+4)
	var b strings.Builder
	for _, r := range rows {
		text := strings.TrimPrefix(wrap(r[1], helpWidth, hang), hang)
		if len(r[0]) > width {
			fmt.Fprintf(&b, "  %s\n%s%s\n", r[0], hang, text)
		} else {
			fmt.Fprintf(&b, "  %-*s  %s\n", width, r[0], text)
		}
	}
	return b.String()
}

// wrap breaks text into lines of at most width columns, each after the indent.
func wrap(text string, width int, indent string) string {
	var lines []string
	line := indent
	for _, word := range strings.Fields(text) {
		if line != indent && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(text, "\n", "\n"+by)
}
