package replicate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hc/lib/budget"
	"hc/lib/lent"
	"hc/lib/peer"
	"hc/lib/protomux"
	"hc/lib/secretstream"
)

// limits bound what the other end of a connection may do. Zero durations stand for the defaults.
type limits struct {
	handshake time.Duration  // how long a stranger may keep a connection without having shaken hands
	stall     time.Duration  // how long a peer may take none of the bytes waiting for it
	long      *budget.Budget // memory for incoming long frames; nil: no limit
}

func (l limits) withDefaults() limits {
	if l.handshake == 0 {
		l.handshake = 15 * time.Second
	}
	if l.stall == 0 {
		l.stall = time.Minute
	}
	return l
}

// connect shakes hands and puts a multiplexer on the connection. It reads into memory of the pool, if there is one.
func connect(ctx context.Context, conn peer.Conn, initiator bool, limits limits, pool *lent.Pool) (*protomux.Mux, *secretstream.Conn, error) {
	limits = limits.withDefaults()
	shaking, cancel := context.WithTimeout(ctx, limits.handshake)
	secret, err := secretstream.Handshake(shaking, conn, secretstream.Options{Initiator: initiator, Memory: pool, Long: limits.long, Shaken: cancel})
	if err != nil {
		if errors.Is(shaking.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
			err = fmt.Errorf("no handshake within %v: %w", limits.handshake, err)
		}
		return nil, nil, fmt.Errorf("shaking hands: %w", err)
	}
	return protomux.New(secret, protomux.Options{Stall: limits.stall}), secret, nil
}
