package folder

import "strings"

// wildmatch reports whether a git pattern matches text. With paths, * ? and [] do not match /, and ** between slashes or at an
// end matches any number of folders. Without, text is one name, and ** is *. It works on bytes, as git does, and its time is at
// most proportional to the product of both lengths.
func wildmatch(pattern, text string, paths bool) bool {
	w := wild{pattern: pattern, text: text, paths: paths}
	return w.match(0, 0)
}

type wild struct {
	pattern, text string
	paths         bool
	failed        map[[2]int]struct{} // after a star: places in pattern and text that do not match
}

// match reports whether the rest of the pattern from p matches the rest of the text from t.
func (w *wild) match(p, t int) bool {
	for p < len(w.pattern) {
		c := w.pattern[p]
		if c == '*' {
			return w.star(p, t)
		}
		if t == len(w.text) {
			return false
		}
		next, ok := p+1, false
		switch c {
		case '?':
			ok = !w.paths || w.text[t] != '/'
		case '[':
			next, ok = w.class(p, w.text[t])
		case '\\':
			next = p + 2
			ok = p+1 < len(w.pattern) && w.pattern[p+1] == w.text[t]
		default:
			ok = c == w.text[t]
		}
		if !ok {
			return false
		}
		p, t = next, t+1
	}
	return t == len(w.text)
}

// star matches from stars on, which begin at p.
func (w *wild) star(p, t int) bool {
	behind := p
	for behind < len(w.pattern) && w.pattern[behind] == '*' {
		behind++
	}
	folders := !w.paths // the star matches slashes, too
	if w.paths && behind-p > 1 && w.alone(p, behind) {
		folders = true
		if behind < len(w.pattern) && w.pattern[behind] == '/' && w.try(behind+1, t) {
			return true // no folder at all
		}
	}
	for ; ; t++ {
		if w.try(behind, t) {
			return true
		}
		if t == len(w.text) || w.text[t] == '/' && !folders {
			return false
		}
	}
}

// alone reports whether the stars from p to behind are a whole part of the path.
func (w *wild) alone(p, behind int) bool {
	rest := w.pattern[behind:]
	return (p == 0 || w.pattern[p-1] == '/') && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, `\/`))
}

// try is match that remembers what fails.
func (w *wild) try(p, t int) bool {
	if p == len(w.pattern) {
		return t == len(w.text)
	}
	if _, known := w.failed[[2]int{p, t}]; known {
		return false
	}
	if w.match(p, t) {
		return true
	}
	if strings.IndexByte(w.pattern[p:], '*') >= 0 { // else the rest is quick to try again
		if w.failed == nil {
			w.failed = map[[2]int]struct{}{}
		}
		w.failed[[2]int{p, t}] = struct{}{}
	}
	return false
}

// class matches c against the brackets that open at p, and returns the place after them.
func (w *wild) class(p int, c byte) (next int, ok bool) {
	p++
	negated := p < len(w.pattern) && (w.pattern[p] == '!' || w.pattern[p] == '^')
	if negated {
		p++
	}
	in, low := false, -1 // low: the start of a range, if a - follows
	for first := true; ; first = false {
		if p >= len(w.pattern) {
			return 0, false // it never closes
		}
		if w.pattern[p] == ']' && !first {
			return p + 1, in != negated && !(w.paths && c == '/')
		}
		name, behind, named := w.className(p)
		if named {
			is, known := classes[name]
			if !known {
				return 0, false
			}
			in = in || is(c)
			p, low = behind, -1
			continue
		}
		if w.pattern[p] == '-' && low >= 0 && p+1 < len(w.pattern) && w.pattern[p+1] != ']' {
			high, behind := w.member(p + 1)
			in = in || low <= int(c) && int(c) <= high
			p, low = behind, -1
			continue
		}
		low, p = w.member(p)
		in = in || low == int(c)
	}
}

// member returns the byte at p within brackets, unescaped, and the place after it.
func (w *wild) member(p int) (int, int) {
	if w.pattern[p] != '\\' {
		return int(w.pattern[p]), p + 1
	}
	if p+1 == len(w.pattern) {
		return -1, p + 1
	}
	return int(w.pattern[p+1]), p + 2
}

// className reads [:name:] at p.
func (w *wild) className(p int) (name string, behind int, ok bool) {
	rest, ok := strings.CutPrefix(w.pattern[p:], "[:")
	if !ok {
		return "", 0, false
	}
	end := strings.IndexByte(rest, ']')
	if end < 0 {
		return "", len(w.pattern), true // no class has that name
	}
	name, ok = strings.CutSuffix(rest[:end], ":")
	return name, p + len("[:") + end + 1, ok
}

// classes are POSIX's, in ASCII.
var classes = map[string]func(c byte) bool{
	"alnum":  func(c byte) bool { return isDigit(c) || isAlpha(c) },
	"alpha":  isAlpha,
	"blank":  func(c byte) bool { return c == ' ' || c == '\t' },
	"cntrl":  func(c byte) bool { return c < ' ' || c == 0x7F },
	"digit":  isDigit,
	"graph":  func(c byte) bool { return c > ' ' && c < 0x7F },
	"lower":  func(c byte) bool { return 'a' <= c && c <= 'z' },
	"print":  func(c byte) bool { return c >= ' ' && c < 0x7F },
	"punct":  func(c byte) bool { return c > ' ' && c < 0x7F && !isDigit(c) && !isAlpha(c) },
	"space":  func(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' },
	"upper":  func(c byte) bool { return 'A' <= c && c <= 'Z' },
	"xdigit": func(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' },
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
