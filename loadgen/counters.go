package loadgen

import (
	"sync"
	"sync/atomic"
	"time"
)

// connections counts those of all shards.
type connections struct{ open, peak, opened atomic.Int64 }

func (c *connections) add() {
	for n, peak := c.open.Add(1), c.peak.Load(); n > peak; peak = c.peak.Load() {
		if c.peak.CompareAndSwap(peak, n) {
			return
		}
	}
}

func (c *connections) remove() { c.open.Add(-1) }

// mishaps keeps the first reasons for which shots could not be sent or followed, for people to read.
type mishaps struct {
	mu    sync.Mutex
	texts []string
	seen  map[string]int64
}

// mostMishaps is how many different reasons are kept.
const mostMishaps = 5

func (m *mishaps) note(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	text := err.Error()
	if _, known := m.seen[text]; !known {
		if len(m.texts) == mostMishaps {
			return
		}
		if m.seen == nil {
			m.seen = map[string]int64{}
		}
		m.texts = append(m.texts, text)
	}
	m.seen[text]++
}

// list gives the reasons, in the order in which they were met.
func (m *mishaps) list() (all []Mishap) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, text := range m.texts {
		all = append(all, Mishap{text, m.seen[text]})
	}
	return all
}

// counters of shots and arrivals.
type counters struct {
	offered, late, reloads, comeBacks, gaveUp, starved atomic.Int64
	portless                                           atomic.Int64           // starved for want of ports
	knocks, waited                                     atomic.Int64           // answers that told to wait, shots that waited
	forgone                                            atomic.Int64           // unsent, because a lease came late
	outcomes                                           [outcomes]atomic.Int64 // by record.Outcome
	fates                                              [4]atomic.Int64        // by record.Fate
}

// tally is the sum of all shards' counters.
type tally struct {
	offered, late, reloads, comeBacks, gaveUp, starved int64
	portless                                           int64
	knocks, waited                                     int64
	forgone                                            int64
	outcomes                                           [outcomes]int64
	fates                                              [4]int64
}

func (e *Engine) tally() (t tally) {
	for _, s := range e.shards {
		c := &s.count
		t.offered += c.offered.Load()
		t.late += c.late.Load()
		t.reloads += c.reloads.Load()
		t.comeBacks += c.comeBacks.Load()
		t.gaveUp += c.gaveUp.Load()
		t.starved += c.starved.Load()
		t.portless += c.portless.Load()
		t.knocks += c.knocks.Load()
		t.waited += c.waited.Load()
		t.forgone += c.forgone.Load()
		for i := range t.outcomes {
			t.outcomes[i] += c.outcomes[i].Load()
		}
		for i := range t.fates {
			t.fates[i] += c.fates[i].Load()
		}
	}
	return t
}

func (t *tally) shots() (n int64) {
	for _, k := range t.outcomes {
		n += k
	}
	return n
}

// lateness is the sum of all shards'.
func (e *Engine) lateness() (counts latenessCounts, highest time.Duration) {
	counts = make(latenessCounts, latenessBuckets)
	for _, s := range e.shards {
		counts.add(s.late.snapshot())
		highest = max(highest, time.Duration(s.late.max.Load()))
	}
	return counts, highest
}
