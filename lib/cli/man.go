package cli

import (
	"fmt"
	"strings"
)

// man returns the manual page, in roff with the man macros. It has no date, so that the same app gives the same page.
func (p *page) man() string {
	var b strings.Builder
	fmt.Fprintf(&b, ".\\\" Made by `make man`. Do not edit.\n")
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"hc\" \"hc manual\"\n", strings.ToUpper(roff(p.name)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(p.name), roff(p.usage))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n[\\fIFLAG\\fR...] %s\n", roff(p.command), roff(p.arguments))
	if p.description != "" {
		b.WriteString(".SH DESCRIPTION\n")
	}
	for i, part := range parts(p.description) {
		switch {
		case part.literal:
			fmt.Fprintf(&b, ".PP\n.RS 4\n.nf\n%s\n.fi\n.RE\n", roffLines(part.text))
		case i == 0:
			fmt.Fprintf(&b, "%s\n", roffLines(part.text))
		default:
			fmt.Fprintf(&b, ".PP\n%s\n", roffLines(part.text))
		}
	}
	if len(p.Verbs) > 0 {
		b.WriteString(".SH VERBS\nThese are part of the program, each with a page of its own:\n")
	}
	for _, verb := range p.Verbs.Names() {
		fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s\n", roff(p.name+"-"+verb), roffLines(p.Verbs.Usage(verb)))
	}
	b.WriteString(".SH OPTIONS\nFlags may stand anywhere on the line;\n.B \\-\\-\nends them.\n")
	for _, f := range p.visible() {
		names := f.names()
		for i, n := range names {
			names[i] = `\fB` + roff(n) + `\fR`
		}
		fmt.Fprintf(&b, ".TP\n%s", strings.Join(names, ", "))
		if f.value != "" {
			fmt.Fprintf(&b, ` \fI%s\fR`, roff(f.value))
		}
		fmt.Fprintf(&b, "\n%s\n", roffLines(f.text()))
	}
	if len(p.Examples) > 0 {
		b.WriteString(".SH EXAMPLES\n")
		for _, e := range p.Examples {
			fmt.Fprintf(&b, ".TP\n%s:\n.nf\n%s\n.fi\n", roff(e.Does), roffLines(e.Command))
		}
	}
	vars := p.environment()
	if len(vars) > 0 {
		b.WriteString(".SH ENVIRONMENT\n")
	}
	for _, v := range vars {
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(v.Name), roffLines(v.Meaning))
	}
	b.WriteString(".SH EXIT STATUS\n")
	for _, e := range exitMeanings {
		fmt.Fprintf(&b, ".TP\n.B %d\n%s\n", e.code, roffLines(e.meaning))
	}
	if len(p.SeeAlso) > 0 {
		b.WriteString(".SH SEE ALSO\n")
		for i, s := range p.SeeAlso {
			name, section, _ := strings.Cut(s, "(")
			comma := ","
			if i == len(p.SeeAlso)-1 {
				comma = ""
			}
			fmt.Fprintf(&b, ".BR %s (%s%s\n", roff(name), section, comma)
		}
	}
	return b.String()
}

// roff escapes text inside a line.
func roff(s string) string {
	return strings.NewReplacer(`\`, `\e`, `-`, `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
}

// roffLines escapes whole lines: a line that begins with a full stop would be a request.
func roffLines(s string) string {
	lines := strings.Split(roff(s), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
