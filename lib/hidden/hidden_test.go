package hidden

import "testing"

func TestPath(t *testing.T) {
	for path, want := range map[string]bool{
		"":                       false,
		"a/b":                    false,
		"hc":                     false,
		".hcx":                   false,
		"x.hc":                   false,
		".hc2/keys":              false,
		"..hc":                   false,
		" .hc":                   false,
		".h c":                   false,
		".hc":                    true,
		"./.hc":                  true,
		"/srv/.hc/keys/a":        true,
		"a/.hc":                  true,
		"a/.hc/":                 true,
		".HC":                    true,
		"a/.Hc/b":                true,
		".hc.":                   true,
		".hc . .":                true,
		".hc\u200c":              true,
		".\u200dh\ufeffc":        true,
		"\u2060.hc":              true,
		".h\u00adc/x":            true,
		".hc\ufe0f. \U000e0020":  true,
		`a\.hc\keys`:             true,
		".h\xffc":                false,
		"\u0430.hc":              false,
		"data/.hc-old/.hcignore": false,
	} {
		if got := Path(path); got != want {
			t.Errorf("Path(%q) = %v, want %v", path, got, want)
		}
	}
}
