package bus

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// The reasons for which the bus refuses. A refused message changes nothing.
const (
	badToken   = "token"    // a connection without the run's token or its epoch's password
	otherRun   = "run"      // a connection for another run
	badVersion = "version"  // it speaks another version
	expired    = "expired"  // a join after the token's time
	forged     = "forged"   // a seal that does not hold
	replayed   = "replayed" // a beat or a join told before
	foreign    = "foreign"  // a subject, a sender or an inbox that is not its own
	garbage    = "garbage"  // no message at all
	broken     = "tls"      // a connection that fails before it says anything
	banned     = "banned"   // a connection that was shown out comes again
)

// Denied is the reason for which the coordinator itself, and not the bus, does not take a worker in.
const Denied = "denied"

// patience is how many bad messages one connection's name may send before it is shown out and its credentials are dead.
const patience = 100

// Refusal is a no that asking again does not change: of the bus, or of the coordinator.
type Refusal struct{ Reason, Text string }

func (r *Refusal) Error() string { return "refused (" + r.Reason + "): " + r.Text }

// refusals counts what was refused, tells the coordinator, and writes a line a second for each reason at most.
type refusals struct {
	log func(string) // may be nil

	mu      sync.Mutex
	counts  map[string]int
	silent  map[string]int // since the last line
	written map[string]time.Time
	tell    func(reason, from string)
}

func newRefusals(log func(string)) *refusals {
	return &refusals{log: log, counts: map[string]int{}, silent: map[string]int{}, written: map[string]time.Time{}}
}

func (r *refusals) add(reason, from, text string) {
	now := time.Now()
	r.mu.Lock()
	r.counts[reason]++
	r.silent[reason]++
	line := ""
	if n := r.silent[reason]; now.Sub(r.written[reason]) >= time.Second {
		line = fmt.Sprintf("refused (%s) from %s: %s", reason, from, text)
		if n > 1 {
			line += fmt.Sprintf(" (%d since the last line)", n)
		}
		r.written[reason], r.silent[reason] = now, 0
	}
	tell := r.tell
	r.mu.Unlock()
	if line != "" && r.log != nil {
		r.log(line)
	}
	if tell != nil {
		tell(reason, from)
	}
}

// listen has refusals told to somebody, or (nil) to nobody.
func (r *refusals) listen(tell func(reason, from string)) {
	r.mu.Lock()
	r.tell = tell
	r.mu.Unlock()
}

func (r *refusals) count() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}

// reasonOf is the reason for what parse and open say.
func reasonOf(err error) string {
	var newer newerError
	switch {
	case errors.As(err, &newer):
		return badVersion
	case errors.Is(err, errForged):
		return forged
	}
	return garbage
}
