package network

import (
	"time"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/peer"
)

// Limiter returns the limiter for --limit-rate, nil if that is not given, and how long a peer may then take no byte of the data
// that waits for it, while up to max others take turns with it; 0: as long as usual.
func Limiter(c *urfave.Context, max int) (limiter *peer.Limiter, stall time.Duration, err error) {
	if !c.IsSet("limit-rate") {
		return nil, 0, nil
	}
	rate, err := cli.ParseSize(c.String("limit-rate"))
	if err != nil {
		return nil, 0, err
	}
	if rate < peer.MinRate {
		return nil, 0, cli.Usagef("--limit-rate %s: at least %d bytes a second", c.String("limit-rate"), peer.MinRate)
	}
	const longestWrite = 256 << 10 // bytes that may be under way to a peer before any progress is seen
	seconds := int64(max+1) * longestWrite / rate
	return peer.NewLimiter(rate), time.Minute + time.Duration(seconds)*time.Second, nil
}
