package proof

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Open is the end of an open range ("100-"), which goes as far as the log does.
const Open = math.MaxUint64

// Kind is what a claim is about.
type Kind uint8

// The kinds of claims.
const (
	KindAll    Kind = iota // every block
	KindHead               // the head only, no data
	KindBlocks             // blocks From to To
	KindBytes              // bytes From to To
	KindPath               // one file of a drive
	KindTree               // a folder of a drive
	KindNames              // all names of a drive, with the head of its blobs, and no content
)

// Claim is what a proof stream claims to prove. The zero value is `all`.
type Claim struct {
	Kind Kind
	From uint64  // KindBlocks: block; KindBytes: offset in the log
	To   uint64  // inclusive, or Open
	Path string  // KindPath, KindTree; not quoted
	At   *uint64 // the log at that earlier length, proved as a part of the newest head; nil: the newest
}

var kindWords = map[Kind]string{
	KindAll: "all", KindHead: "head", KindBlocks: "blocks", KindBytes: "bytes", KindPath: "path", KindTree: "tree",
	KindNames: "names",
}

// OfDrive reports whether the claim is about a drive: its two cores.
func (c Claim) OfDrive() bool { return c.Kind == KindPath || c.Kind == KindTree || c.Kind == KindNames }

// Equal reports whether two claims are the same.
func (c Claim) Equal(d Claim) bool { return c.String() == d.String() }

// String returns the claim as it is in a stream, without the word claim.
func (c Claim) String() string {
	s := kindWords[c.Kind]
	switch c.Kind {
	case KindBlocks, KindBytes:
		s += " " + strconv.FormatUint(c.From, 10) + "-"
		if c.To != Open {
			s += strconv.FormatUint(c.To, 10)
		}
	case KindPath, KindTree:
		s += " " + quotePath(c.Path)
	}
	if c.At != nil {
		s += " at " + strconv.FormatUint(*c.At, 10)
	}
	return s
}

// check refuses a claim that a stream cannot carry.
func (c Claim) check() error {
	if _, ok := kindWords[c.Kind]; !ok {
		return fmt.Errorf("claim of unknown kind %d", c.Kind)
	}
	if c.Kind == KindBlocks || c.Kind == KindBytes {
		if c.To < c.From {
			return fmt.Errorf("range %d-%d ends before it begins", c.From, c.To)
		}
		if c.From > maxNumber || c.To > maxNumber && c.To != Open {
			return fmt.Errorf("range %d-%d: over the limit of %d", c.From, c.To, uint64(maxNumber))
		}
	}
	if c.OfDrive() && c.Kind != KindNames {
		if err := checkPath(c.Path, c.Kind == KindTree); err != nil {
			return err
		}
	}
	if c.At != nil && *c.At > maxLength {
		return fmt.Errorf("length %d: over the limit of %d", *c.At, uint64(maxLength))
	}
	return nil
}

// limit returns how many blocks of a log of length blocks the claim can be about: none if the log does not reach the
// length in the claim.
func (c Claim) limit(length uint64) uint64 {
	switch {
	case c.At == nil:
		return length
	case *c.At <= length:
		return *c.At
	}
	return 0
}

// missing returns an error if a log of length blocks does not have everything claimed. bytes is the size of its
// blocks up to c.At.
func (c Claim) missing(length, bytes uint64) error {
	if c.At != nil {
		if length < *c.At {
			return fmt.Errorf("%w: the log does not reach length %d: it has %d blocks", ErrPartial, *c.At, length)
		}
		length = *c.At
	}
	has, unit := length, "blocks"
	if c.Kind == KindBytes {
		has, unit = bytes, "bytes"
	}
	if c.Kind == KindBlocks || c.Kind == KindBytes {
		if c.To == Open && c.From > has || c.To != Open && c.To >= has {
			return fmt.Errorf("%w: %v reaches beyond the end: the log has %d %s", ErrPartial, c, has, unit)
		}
	}
	return nil
}

// ParseClaim reads a claim as String writes it, and accepts no other form.
func ParseClaim(s string) (Claim, error) {
	c, err := parseClaim(s)
	if err == nil {
		err = c.check()
	}
	if err == nil && c.String() != s {
		err = fmt.Errorf("must be spelt %q", c.String())
	}
	if err != nil {
		return Claim{}, fmt.Errorf("claim %q: %w", shorten(s), err)
	}
	return c, nil
}

func parseClaim(s string) (Claim, error) {
	what, at, err := cutAt(s)
	if err != nil {
		return Claim{}, err
	}
	c := Claim{At: at}
	word, rest, more := strings.Cut(what, " ")
	switch {
	case word == kindWords[KindAll] && !more:
		return c, nil
	case word == kindWords[KindHead] && !more:
		c.Kind = KindHead
		return c, nil
	case word == kindWords[KindNames] && !more:
		c.Kind = KindNames
		return c, nil
	case word == kindWords[KindBlocks] && more:
		c.Kind = KindBlocks
	case word == kindWords[KindBytes] && more:
		c.Kind = KindBytes
	case word == kindWords[KindPath] && more:
		c.Kind = KindPath
	case word == kindWords[KindTree] && more:
		c.Kind = KindTree
	default:
		return Claim{}, fmt.Errorf("unknown claim")
	}
	if c.OfDrive() {
		c.Path, err = unquotePath(rest)
		return c, err
	}
	c.From, c.To, err = parseRange(rest)
	return c, err
}

// cutAt takes ` at LENGTH` off the end. A path that ends like that is quoted, see quotePath.
func cutAt(s string) (what string, at *uint64, err error) {
	i := strings.LastIndex(s, " at ")
	if i < 0 || strings.HasSuffix(s, `"`) {
		return s, nil, nil
	}
	length, err := parseNumber([]byte(s[i+len(" at "):]))
	if err != nil {
		return "", nil, fmt.Errorf("length %q: %w", s[i+len(" at "):], err)
	}
	return s[:i], &length, nil
}

func parseRange(s string) (from, to uint64, err error) {
	first, last, ok := strings.Cut(s, "-")
	if !ok {
		return 0, 0, fmt.Errorf("range %q has no -", s)
	}
	if from, err = parseNumber([]byte(first)); err != nil {
		return 0, 0, fmt.Errorf("range %q: %w", s, err)
	}
	if last == "" {
		return from, Open, nil
	}
	if to, err = parseNumber([]byte(last)); err != nil {
		return 0, 0, fmt.Errorf("range %q: %w", s, err)
	}
	return from, to, nil
}

// shorten keeps a hostile line from filling the terminal.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
