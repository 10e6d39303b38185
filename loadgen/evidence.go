package loadgen

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// Evidence is what a generator knows of its own fitness, as counts that add up over its shards and seconds; a run is judged
// by the evidence of all its generators. Times are wall time. A worker's engine tells its own, up to then, with every delta:
// see [record.Collector.Attest] and [ParseEvidence].
type Evidence struct {
	// Worker is whose it is, for people to read; empty where a process fires alone.
	Worker string `json:"-"`

	// Outcomes counts shots by [record.Outcome]; Late of them were sent later than LateAfter.
	Outcomes [outcomes]int64 `json:"outcomes"`
	Late     int64           `json:"late"`
	// What people did.
	Reloads   int64 `json:"reloads"`
	ComeBacks int64 `json:"comeBacks"`
	GaveUp    int64 `json:"gaveUp"`
	// Door says that a waiting room was looked for; Told are the answers that told to wait, Waited the shots that did.
	Door   bool  `json:"door,omitempty"`
	Told   int64 `json:"told"`
	Waited int64 `json:"waited"`
	// Unsent arrivals; Forgone of them were overdue when a lease came or came back.
	Unsent  int64 `json:"unsent"`
	Forgone int64 `json:"forgone"`
	// Fenced is why the lease was fenced.
	Fenced string `json:"fenced,omitempty"`

	// Lateness counts shots by how late they were, in the engine's own buckets; none is above LatenessMax. LatenessLimit is what
	// the 99th percentile is held against.
	Lateness      []int64       `json:"lateness"`
	LatenessMax   time.Duration `json:"latenessMax"`
	LatenessLimit time.Duration `json:"latenessLimit"`
	// Seconds with shots in them; SecondsOver of these had a 99th percentile above the limit.
	Seconds     int64 `json:"seconds"`
	SecondsOver int64 `json:"secondsOver"`

	// Connections opened, the most at one time, and how many there might have been; Fewer is that number where the limit of
	// open files set it, else 0.
	Connections     int64 `json:"connections"`
	ConnectionsPeak int64 `json:"connectionsPeak"`
	ConnectionsMost int64 `json:"connectionsMost"`
	Fewer           int64 `json:"fewer,omitempty"`
	// Starved dials failed for want of descriptors or ports, Portless of them of ports, of which the system has those from the
	// first to the last number in Ports.
	Starved  int64  `json:"starved"`
	Portless int64  `json:"portless"`
	Ports    string `json:"ports,omitempty"`

	// Watched is for how long the generator was; Processors the time of all its machine's processors in that, of which Stolen
	// went to other virtual machines. Its threads waited Queued for a processor.
	Watched    time.Duration `json:"watched"`
	Processors time.Duration `json:"processors"`
	Stolen     time.Duration `json:"stolen"`
	Queued     time.Duration `json:"queued"`
	// Throttled are the periods in which a CPU quota held the generator back, and for how long.
	Throttled     int64         `json:"throttled"`
	ThrottledTime time.Duration `json:"throttledTime"`

	// Mishaps are the first reasons for which shots came to nothing.
	Mishaps []Mishap `json:"mishaps,omitempty"`
	// Insecure says that servers' certificates were not verified.
	Insecure bool `json:"insecure,omitempty"`
}

// outcomes is how many there are of a shot.
const outcomes = 6

// Mishap is a reason for which shots came to nothing, and how many did.
type Mishap struct {
	Text  string `json:"text"`
	Times int64  `json:"times"`
}

// counts are those that add up.
func (e *Evidence) counts() []*int64 {
	counts := []*int64{
		&e.Late, &e.Reloads, &e.ComeBacks, &e.GaveUp, &e.Told, &e.Waited, &e.Unsent, &e.Forgone, &e.Seconds, &e.SecondsOver,
		&e.Connections, &e.ConnectionsPeak, &e.ConnectionsMost, &e.Starved, &e.Portless, &e.Throttled,
		(*int64)(&e.Watched), (*int64)(&e.Processors), (*int64)(&e.Stolen), (*int64)(&e.Queued), (*int64)(&e.ThrottledTime),
	}
	for o := range e.Outcomes {
		counts = append(counts, &e.Outcomes[o])
	}
	for i := range e.Lateness {
		counts = append(counts, &e.Lateness[i])
	}
	return counts
}

// sum adds generators up: what most of them had at one time adds up, too.
func sum(all []Evidence) Evidence {
	s := Evidence{Lateness: make([]int64, latenessBuckets)}
	for _, e := range all {
		e.Lateness = append(slices.Clone(e.Lateness), make([]int64, latenessBuckets-len(e.Lateness))...)
		counts := e.counts()
		for i, n := range s.counts() {
			*n += *counts[i]
		}
		s.LatenessMax, s.LatenessLimit = max(s.LatenessMax, e.LatenessMax), max(s.LatenessLimit, e.LatenessLimit)
		s.Door, s.Insecure, s.Ports = s.Door || e.Door, s.Insecure || e.Insecure, cmp.Or(s.Ports, e.Ports)
		for _, m := range e.Mishaps {
			s.addMishap(m)
		}
	}
	return s
}

func (e *Evidence) addMishap(m Mishap) {
	at := slices.IndexFunc(e.Mishaps, func(have Mishap) bool { return have.Text == m.Text })
	if at >= 0 {
		e.Mishaps[at].Times += m.Times
	} else if len(e.Mishaps) < mostMishaps {
		e.Mishaps = append(e.Mishaps, m)
	}
}

// lateBy is the lateness that a share of the shots stay within.
func (e *Evidence) lateBy(share float64) time.Duration {
	return latenessCounts(e.Lateness).quantile(share)
}

// Totals is what the generators of a run have done.
func Totals(all []Evidence) record.Totals {
	s := sum(all)
	t := record.Totals{
		Late: s.Late, Reloads: s.Reloads, ComeBacks: s.ComeBacks, GaveUp: s.GaveUp,
		ByOutcome: map[string]int64{}, Connections: s.Connections, ConnectionsPeak: s.ConnectionsPeak,
	}
	if s.Door {
		t.Door = &record.Door{Told: s.Told, Waited: s.Waited}
	}
	for o, n := range s.Outcomes {
		t.Shots += n
		t.ByOutcome[record.Outcome(o).String()] = n
	}
	return t
}

// evidence is the engine's own, up to now. It is for who watches the engine, and for everybody once that has ended.
func (e *Engine) evidence() Evidence {
	t, w := e.tally(), &e.watching
	late, highest := e.lateness()
	x := Evidence{
		Outcomes: t.outcomes, Late: t.late, Reloads: t.reloads, ComeBacks: t.comeBacks, GaveUp: t.gaveUp,
		Door: e.cfg.WaitingRoom != "", Told: t.knocks, Waited: t.waited, Unsent: t.fates[record.Unsent], Forgone: t.forgone,
		Lateness: late.trimmed(), LatenessMax: highest, LatenessLimit: e.limit,
		Seconds: int64(w.seconds), SecondsOver: int64(w.over),
		Connections: e.connections.opened.Load(), ConnectionsPeak: e.connections.peak.Load(), Fewer: int64(e.fewer),
		Starved: t.starved, Portless: t.portless,
		Watched: w.spent, Processors: w.processors, Stolen: w.stolenTime, Queued: w.waited,
		Throttled: w.throttled, ThrottledTime: w.throttledTime,
		Mishaps: e.mishaps.list(), Insecure: e.cfg.TLS != nil && e.cfg.TLS.InsecureSkipVerify,
	}
	for _, s := range e.shards {
		x.ConnectionsMost += int64(s.pool.max)
	}
	if e.cfg.Lease != nil {
		x.Fenced, _ = e.cfg.Lease.Fenced()
	}
	if text, err := os.ReadFile(portRange); t.portless > 0 && err == nil {
		x.Ports = strings.Join(strings.Fields(string(text)), " ")
	}
	return x
}

// mostCount is what no count of evidence reaches: a thousand generators' add up.
const mostCount = 1 << 53

// ParseEvidence reads the evidence that an engine has attested.
func ParseEvidence(text []byte) (Evidence, error) {
	var e Evidence
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&e); err != nil {
		return Evidence{}, fmt.Errorf("evidence: %w", err)
	}
	if err := e.check(); err != nil {
		return Evidence{}, fmt.Errorf("evidence: %w", err)
	}
	return e, nil
}

// check says what no engine attests.
func (e *Evidence) check() error {
	if len(e.Lateness) > latenessBuckets || len(e.Mishaps) > mostMishaps {
		return errors.New("there are too many buckets or mishaps")
	}
	counts := append(e.counts(), (*int64)(&e.LatenessMax), (*int64)(&e.LatenessLimit), &e.Fewer)
	for i := range e.Mishaps {
		counts = append(counts, &e.Mishaps[i].Times)
	}
	for _, n := range counts {
		if *n < 0 || *n > mostCount {
			return fmt.Errorf("a count of %d", *n)
		}
	}
	return nil
}
