package cli

import (
	"strconv"
	"strings"
)

// line is a command line that was read: flags under their long names, in order, and the arguments.
type line struct {
	flags         [][2]string // name, value
	args          []string
	help, version bool
}

// words returns the line in the one form that is left for the package flag to read.
func (l *line) words() []string {
	var words []string
	for _, f := range l.flags {
		words = append(words, "--"+f[0]+"="+f[1])
	}
	return append(append(words, "--"), l.args...)
}

// read reads a command line the way Unix tools do: flags anywhere, --name value, --name=value, -n value, -nvalue, -abc
// for -a -b -c; `--` ends the flags and `-` is an argument. It returns an error wrapping ErrUsage.
func (p *page) read(args []string) (*line, error) {
	l := &line{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			l.args = append(l.args, args[i+1:]...)
			return l, p.checkRequired(l)
		case len(arg) < 2 || arg[0] != '-':
			if p.FlagsFirst {
				l.args = append(l.args, args[i:]...)
				return l, p.checkRequired(l)
			}
			l.args = append(l.args, arg)
		case strings.HasPrefix(arg, "--"):
			used, err := p.readLong(l, arg[2:], args[i+1:])
			if err != nil {
				return nil, err
			}
			i += used
		default:
			used, err := p.readShort(l, arg[1:], args[i+1:])
			if err != nil {
				return nil, err
			}
			i += used
		}
	}
	return l, p.checkRequired(l)
}

// readLong reads --word, whose value may be the first of rest; it returns how many of rest it took.
func (p *page) readLong(l *line, word string, rest []string) (int, error) {
	name, value, given := strings.Cut(word, "=")
	f := p.find(func(f flagInfo) bool { return f.long == name })
	if f == nil {
		return 0, p.unknown("--" + name)
	}
	if f.value == "" {
		if !given {
			value = "true"
		} else if _, err := strconv.ParseBool(value); err != nil {
			return 0, Usagef("--%s takes no value, got %q", name, value)
		}
		l.set(f, value)
		return 0, nil
	}
	if given {
		l.set(f, value)
		return 0, nil
	}
	if len(rest) == 0 {
		return 0, Usagef("--%s needs a value (%s)", name, f.value)
	}
	l.set(f, rest[0])
	return 1, nil
}

// readShort reads the letters of -abc; what follows a letter that takes a value is the value.
func (p *page) readShort(l *line, letters string, rest []string) (int, error) {
	for i, r := range letters {
		letter := string(r)
		f := p.find(func(f flagInfo) bool {
			for _, s := range f.short {
				if s == letter {
					return true
				}
			}
			return false
		})
		if f == nil {
			if i == 0 && len(letters) > 1 {
				return 0, p.unknown("-" + letters)
			}
			return 0, p.unknown("-" + letter)
		}
		if f.value == "" {
			l.set(f, "true")
			continue
		}
		if value := letters[i+len(letter):]; value != "" {
			l.set(f, strings.TrimPrefix(value, "="))
			return 0, nil
		}
		if len(rest) == 0 {
			return 0, Usagef("-%s needs a value (%s)", letter, f.value)
		}
		l.set(f, rest[0])
		return 1, nil
	}
	return 0, nil
}

func (l *line) set(f *flagInfo, value string) {
	yes := value != "false"
	switch f.long {
	case "help":
		l.help = yes
	case "version":
		l.version = yes
	default:
		name := f.long
		if name == "" {
			name = f.short[0]
		}
		l.flags = append(l.flags, [2]string{name, value})
	}
}

func (p *page) find(match func(flagInfo) bool) *flagInfo {
	for i := range p.flags {
		if match(p.flags[i]) {
			return &p.flags[i]
		}
	}
	return nil
}

func (p *page) unknown(flag string) error {
	var names []string
	for _, f := range p.visible() {
		if f.long != "" {
			names = append(names, "--"+f.long)
		}
	}
	err := Usagef("unknown flag %s", flag)
	if near := Nearest("--"+strings.TrimLeft(flag, "-"), names); len(near) > 0 {
		return Hint(err, "did you mean "+strings.Join(near, " or ")+"?")
	}
	return err
}

func (p *page) checkRequired(l *line) error {
	if l.help || l.version {
		return nil
	}
	for _, f := range p.flags {
		if f.required && !l.has(f.long) {
			return Usagef("--%s %s is required", f.long, f.value)
		}
	}
	return nil
}

func (l *line) has(name string) bool {
	for _, f := range l.flags {
		if f[0] == name {
			return true
		}
	}
	return false
}

// usageText puts an error of the package flag into our words; only bad values get this far.
func usageText(err error) string {
	text := err.Error()
	text = strings.TrimSuffix(text, ": parse error")
	text = strings.Replace(text, " for flag -", " for --", 1)
	return text
}
