package proof

import (
	"testing"
)

var claims = []struct {
	text  string
	claim Claim
}{
	{"all", Claim{}},
	{"all at 0", Claim{At: ptr(uint64(0))}},
	{"all at 4503599627370496", Claim{At: ptr(uint64(1 << 52))}},
	{"head", Claim{Kind: KindHead}},
	{"head at 12", Claim{Kind: KindHead, At: ptr(uint64(12))}},
	{"blocks 0-0", Claim{Kind: KindBlocks}},
	{"blocks 100-200", Claim{Kind: KindBlocks, From: 100, To: 200}},
	{"blocks 100-", Claim{Kind: KindBlocks, From: 100, To: Open}},
	{"blocks 100-200 at 5", Claim{Kind: KindBlocks, From: 100, To: 200, At: ptr(uint64(5))}},
	{"bytes 0-9007199254740991", Claim{Kind: KindBytes, To: 1<<53 - 1}},
	{"bytes 7- at 5", Claim{Kind: KindBytes, From: 7, To: Open, At: ptr(uint64(5))}},
	{"path /a/b c.txt", Claim{Kind: KindPath, Path: "/a/b c.txt"}},
	{"path /a at 5", Claim{Kind: KindPath, Path: "/a", At: ptr(uint64(5))}},
	{`path "/a at 5"`, Claim{Kind: KindPath, Path: "/a at 5"}},
	{`path "/a at 5" at 6`, Claim{Kind: KindPath, Path: "/a at 5", At: ptr(uint64(6))}},
	{`path "/\"\\\t\001\303\251"`, Claim{Kind: KindPath, Path: "/\"\\\t\x01é"}},
	{"tree /", Claim{Kind: KindTree, Path: "/"}},
	{"tree /docs at 9", Claim{Kind: KindTree, Path: "/docs", At: ptr(uint64(9))}},
}

func TestClaim(t *testing.T) {
	for _, c := range claims {
		if got := c.claim.String(); got != c.text {
			t.Errorf("String() = %q, want %q", got, c.text)
		}
		got, err := ParseClaim(c.text)
		if err != nil || !got.Equal(c.claim) {
			t.Errorf("ParseClaim(%q) = %+v, %v, want %+v", c.text, got, err, c.claim)
		}
	}
}

func TestClaimRefused(t *testing.T) {
	for _, s := range []string{
		"", " ", "ALL", "all ", " all", "all  at 5", "all at", "all at 05", "all at -1", "all at 4503599627370497", "all all",
		"everything", "head 5", "blocks", "blocks ", "blocks 5", "blocks -5", "blocks 7-5", "blocks 05-7", "blocks 5-07",
		"blocks 5-7-9", "blocks 5 - 7", "blocks 0x5-7", "blocks 5-9007199254740992", "blocks 9007199254740992-",
		"bytes 99999999999999999999-", "path", "path ", "path a", "path /", "path //a", "path /a/", "path /./a", "path /a/..",
		`path "/a"`, `path "/a`, `path "/\q"`, `path "/\"`, `path "/\477"`, "path /é", `path "/\303"`, `path "/\000"`, "tree",
	} {
		if c, err := ParseClaim(s); err == nil {
			t.Errorf("ParseClaim(%q) = %+v, want an error", s, c)
		}
	}
}

func FuzzParseClaim(f *testing.F) {
	for _, c := range claims {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseClaim(s)
		if err != nil {
			return
		}
		if got := c.String(); got != s {
			t.Errorf("%q has a second spelling, %q", got, s)
		}
		if err := c.check(); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	})
}
