package replicate

import (
	"fmt"
	"time"

	"hc/lib/merkle"
	"hc/lib/protomux"
	"hc/lib/replicate/bitfield"
	"hc/lib/replicate/messages"
)

// standing is what a fetcher knows of one peer.
type standing struct {
	opened  bool
	synced  bool
	dropped bool // its connection is being closed, or is
	reason  error
	untold  bool          // our state has not been sent yet
	remote  messages.Sync // its state, once synced
	blocks  bitfield.Remote
	told    bool            // it has announced blocks, or answered a question
	doubts  *doubts         // nil: none
	lacks   map[uint64]bool // blocks that it answered noData for since it last announced them
	wanted  uint64          // segments that it was asked about

	requests map[uint64]*asked
	nextID   uint64
	freeIDs  []uint64
	late     map[uint64]bool // requests of an earlier sink, or passed over, whose answers may still come
	upgrade  *asked          // the request for a longer head under way, nil if there is none
	probe    *asked          // the request for a head from nothing under way, nil if there is none

	objects       *protomux.Channel // for many blocks at once; nil: it has none
	copies        bool              // it answers which blocks are equal to others
	deltas        bool              // and gives blocks as deltas against others
	maps          bool              // and block maps in their own form
	tellsRuns     bool              // it answers where its runs end
	runs          runEnds
	undecided     time.Time         // how long to wait until it is known whether objects exists; zero: it is known
	questions     map[uint64]*asked // under way on objects
	questionID    uint64            // of the last one
	lateQuestions map[uint64]bool   // whose answers nobody waits for any more
	lateBlocks    int               // those of late that were passed over
	slow          int               // how often others were asked in its place
	atOnce        int               // bytes of blocks to ask for at once
	trip          time.Duration     // time of its fastest answer; 0: it gave none
	fits          int               // bytes it last gave when that was less than asked; 0: none, or since then it has given the most
	worked        bool              // it sent something that verified
	leafless      bool              // it does not give leaf hashes

	compared   uint64    // length at which its log was found to be ours, or is being compared with ours; 0: none
	comparedAt time.Time // when it was last asked for that

	declined bool  // it answered noData for the head that its last sync announced
	refutal  error // a proof that did not verify, while the probe for its cause is under way

	since        time.Time // since when it owes something, or when it last answered
	sinceAnswers int64     // answers at that time
	sinceRead    int64     // bytes read at that time
	spent        int       // the cost of its announcements since the last look
	broken       int       // refusals of blocks and heads that it had announced
	refused      int       // refusals of blocks that it had not announced
}

// segment is how many blocks one want message asks about: stock's number.
const segment = 1 << 21

// Limits on what is taken from one peer.
const (
	maxRequests = 256       // under way; stock keeps 48
	maxBacklog  = 256 << 10 // bytes waiting to be sent, above which nothing more is asked of it
	maxLacks    = 1 << 16   // refusals that are remembered
	lacksPart   = 64        // looking up this many of them costs as much as one page of bits
	maxSpent    = 1 << 17   // pages of bits that its announcements may touch between two looks
	maxRefused  = 1 << 15   // refused, less credit for answers, from which only announced blocks are asked for ahead
	goodAnswer  = 1 << 10   // refusals that one good answer offsets
	maxBroken   = 4096      // broken, less credit for answers, above which it is dropped; some count more than once:
	headBroken  = 256       // the refusal of a head
	overflow    = 16        // an answer that could not wait for the nodes it builds on
)

// Bounds of slowness: a peer that owes answers and completes none within the stall time may continue if bytes arrive at
// slowestRate, but not for more than slowestFactor times as long.
const (
	slowestRate   = 4 << 10 // bytes a second
	slowestFactor = 20
)

// send writes a request and remembers it.
func (s *session) send(a *asked) error {
	a.request.ID = s.newID()
	a.session, a.at = s, time.Now()
	if s.owed() == 0 {
		s.count(time.Now()) // silence counts from when it owes something
	}
	s.requests[a.request.ID] = a
	switch {
	case a.probe:
		s.probe = a
	case a.request.Upgrade != nil:
		s.upgrade = a
	}
	return ignoreClosed(s.channel.Send(messages.TypeRequest, messages.AppendRequest(nil, a.request)))
}

func (s *session) newID() uint64 {
	if last := len(s.freeIDs) - 1; last >= 0 {
		id := s.freeIDs[last]
		s.freeIDs = s.freeIDs[:last]
		return id
	}
	s.nextID++
	return s.nextID
}

// answered removes a request from those under way, and returns it, nil if there is none of that id.
func (s *session) answered(id uint64) *asked {
	a := s.requests[id]
	if a == nil {
		return nil
	}
	delete(s.requests, id)
	s.freeIDs = append(s.freeIDs, id)
	if block, ok := a.about(); ok && s.doubts != nil {
		delete(s.doubts.suspects, block)
	}
	s.timed(a)
	switch a {
	case s.probe:
		s.probe = nil
	case s.upgrade:
		s.upgrade = nil
	}
	return a
}

// wasOwed reports whether an answer that nobody waits for was asked for by an earlier sink, or passed over.
func (s *session) wasOwed(id uint64) bool {
	owed := s.late[id]
	delete(s.late, id)
	if owed && s.lateBlocks > 0 {
		s.lateBlocks--
	}
	return owed
}

// offers reports whether the peer can be asked for anything, now or later.
func (s *session) offers() bool { return s.synced && !s.dropped && s.refutal == nil }

// room reports whether the peer can be sent one more request without waiting for it to read.
func (s *session) room() bool {
	if s.objects != nil && !s.told && !s.adopted && len(s.questions) > 0 { // its announcements follow its state; until then each block would be asked for by itself
		return false
	}
	if s.objects != nil && s.atOnce < mostQuestion && len(s.questions) >= fewQuestions && s.questionBytes() >= fewQuestions*firstQuestion {
		return false
	}
	return !s.asksSuspect() && s.owed() < maxRequests && s.channel.Queued() < maxBacklog
}

// questionBytes returns how many bytes are expected of the questions for many blocks that are under way.
func (s *session) questionBytes() (bytes int) {
	for _, a := range s.questions {
		bytes += a.bytes
	}
	return bytes
}

// mayUpgrade reports whether the peer says that it can prove a longer log.
func (s *session) mayUpgrade(length, fork uint64) bool {
	return s.offers() && !s.declined && s.remote.Length > length &&
		(length == 0 || s.remote.Fork == fork && s.remote.CanUpgrade)
}

// mayHave reports whether the peer may have a block, and can prove it up to a tree node. It can only if the node is in its
// own log, which may be shorter.
func (s *session) mayHave(block, anchor, fork uint64) bool {
	return s.offers() && s.remote.Fork == fork && merkle.LastBlock(anchor) < s.remote.Length && !s.lacks[block] && !s.doubts.isFatal(block, anchor)
}

// asksSuspect reports whether a suspect block is under way, for which nothing else may be.
func (s *session) asksSuspect() bool {
	if s.doubts == nil || len(s.requests) != 1 {
		return false
	}
	for _, a := range s.requests {
		block, ok := a.about()
		return ok && s.doubts.suspect(block)
	}
	return false
}

// refuse notes that the peer does not give a block.
func (s *session) refuse(block uint64) {
	if s.blocks.Has(block) {
		s.broken++
	} else {
		s.refused++
	}
	if len(s.lacks) >= maxLacks {
		clear(s.lacks)
	}
	s.lacks[block] = true
}

// answeredWell notes an answer that verified.
func (s *session) answeredWell() {
	s.broken = max(0, s.broken-1)
	s.refused = max(0, s.refused-goodAnswer)
}

// nextToAsk returns the first block, from the given one on, that the peer may be asked for ahead; ok is false if there is
// none.
func (s *session) nextToAsk(block, fork uint64) (next uint64, ok bool) {
	switch {
	case !s.offers() || s.remote.Fork != fork:
		return 0, false
	case s.refused < maxRefused:
		next = block
	default:
		if next, ok = s.blocks.Next(block); !ok {
			return 0, false
		}
	}
	return next, next < s.remote.Length
}

// announced forgets the refusals of blocks that the peer has just announced.
func (s *session) announced(start, length uint64) {
	s.spent += int(min(length, uint64(len(s.lacks)))) / lacksPart
	if length < uint64(len(s.lacks)) {
		for block := start; block-start < length; block++ {
			if s.blocks.Has(block) {
				delete(s.lacks, block)
			}
		}
		return
	}
	for block := range s.lacks {
		if block-start < length && s.blocks.Has(block) {
			delete(s.lacks, block)
		}
	}
}

// count starts to measure how long the peer is silent.
func (s *session) count(now time.Time) {
	s.since, s.sinceAnswers, s.sinceRead = now, s.answers.Load(), s.read.Load()
}

// misbehaves returns why the peer is to be dropped, nil if it is not. It is called from time to time.
func (s *session) misbehaves(now time.Time, stall time.Duration) error {
	spent := s.spent
	s.spent = 0
	switch {
	case !s.synced && now.Sub(s.since) > stall:
		return fmt.Errorf("%w: nothing heard for %v", ErrLost, stall)
	case !s.synced:
		return nil
	case spent > maxSpent:
		return fmt.Errorf("%w: it announces more than anybody can take in", ErrPeer)
	case s.broken > maxBroken:
		return fmt.Errorf("%w: it refuses blocks that it announced", ErrPeer)
	case s.owed() == 0 || s.waiting.Load() || s.answers.Load() != s.sinceAnswers || s.held != nil && s.held():
		s.count(now)
		return nil
	}
	silent, read := now.Sub(s.since), s.read.Load()-s.sinceRead
	slowest := int64(slowestRate * silent.Seconds())
	switch {
	case silent <= stall || silent <= slowestFactor*stall && read > slowest:
		return nil
	case read > slowest:
		return fmt.Errorf("%w: it answered nothing for %v, with %d answers owed", ErrPeer, slowestFactor*stall, s.owed())
	case read > slowestRate:
		return fmt.Errorf("%w: slower than %d KiB/s, with %d answers owed", ErrLost, slowestRate>>10, s.owed())
	}
	return fmt.Errorf("%w: stalled for %v, with %d answers owed", ErrLost, stall, s.owed())
}
