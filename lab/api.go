package lab

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/ansturm/ansturm/scenarios"
)

// Config says which platform to be for which scenario.
type Config struct {
	Platform *scenarios.Platform
	Scenario *scenarios.Scenario
	// Speed is how much faster than life the platform goes, more than 0 and at most 100. Zero means 1.
	Speed float64
	// Seed makes the delays and the work; the same seed and the same requests give the same decisions.
	Seed uint64
	// MaxConnections is how many connections may be open before every further one is answered 503. Zero means 8,000;
	// fewer where the process may not open so many files.
	MaxConnections int
}

// Validate says what is missing; it never changes the Config.
func (c Config) Validate() error {
	switch {
	case c.Platform == nil:
		return errors.New("lab: no platform given")
	case c.Scenario == nil:
		return errors.New("lab: no scenario given")
	case !(c.Speed >= 0 && c.Speed <= 100):
		return fmt.Errorf("lab: speed is %v, must be more than 0 and at most 100", c.Speed)
	case c.MaxConnections < 0:
		return fmt.Errorf("lab: maximum of connections is %d, must not be negative", c.MaxConnections)
	}
	return nil
}

// Endpoints are the lab's addresses, host:port on 127.0.0.1.
type Endpoints struct {
	// Control is where a [Client] dials.
	Control string `json:"control"`
	// Tenants are the tenants' addresses by name.
	Tenants map[string]string `json:"tenants"`
	// Steps are example URLs by step name, at the first tenant that knows the step. A request names its step by the
	// header Ansturm-Step or by the first segment of its path.
	Steps map[string]string `json:"steps"`
}

// Account is what the lab itself counted.
type Account struct {
	// Accepted are the idempotency keys of the applications kept.
	Accepted *roaring.Bitmap `json:"accepted"`
	// Duplicates are applications kept again, Unkeyed those without a numeric key.
	Duplicates int64 `json:"duplicates"`
	Unkeyed    int64 `json:"unkeyed"`
	// Refused are the requests answered 503.
	Refused int64 `json:"refused"`
	// LetIn are the persons whom the waiting room let in, ToldToWait the requests that it told to come again.
	LetIn      int64 `json:"letIn,omitempty"`
	ToldToWait int64 `json:"toldToWait,omitempty"`
	// LatenessP99 is how late answers left, against the moment the platform's clock had them ready (wall time), over
	// all requests; Limit is what each second's own p99 was held against.
	LatenessP99 time.Duration `json:"latenessP99"`
	Limit       time.Duration `json:"limit"`
	// Valid is false when more than [SecondsOverMost] of the seconds were over Limit; Reason then says so.
	Valid  bool           `json:"valid"`
	Reason scenarios.Text `json:"reason,omitempty"`
}

// A run in which the 99 % quantile of the lab's own lateness is above a limit in more than the share SecondsOverMost of
// its seconds, and in more than one, is not valid (seconds with fewer than 100 answers are joined to the next): response times would be the
// machine's, not the platform's. The limit, in wall time, is a tenth of the scenario's smallest promise, but at least
// LeastLatenessLimit, which a shared machine's scheduler may well take.
const (
	LeastLatenessLimit = 10 * time.Millisecond
	SecondsOverMost    = 0.05
)

func latenessLimit(s *scenarios.Scenario, speed float64) time.Duration {
	smallest := time.Duration(math.MaxInt64)
	for _, slo := range s.SLOs {
		if slo.Within > 0 {
			smallest = min(smallest, slo.Within)
		}
	}
	if smallest == math.MaxInt64 {
		return LeastLatenessLimit
	}
	return max(LeastLatenessLimit, time.Duration(float64(smallest)/10/speed))
}

// Stats is the platform at a moment.
type Stats struct {
	// At is the platform time.
	At time.Duration `json:"at"`
	// Nodes are alive, of them Lost are not.
	Nodes int `json:"nodes"`
	Lost  int `json:"lost"`
	// Pods ready to serve, desired by the autoscalers, and waiting for room on a node.
	Ready   int `json:"ready"`
	Desired int `json:"desired"`
	Pending int `json:"pending"`
	// Waiting persons have a place in the waiting room.
	Waiting int64 `json:"waiting,omitempty"`
	// BusyCores are in use now, Cores could be, on the nodes alive.
	BusyCores float64 `json:"busyCores"`
	Cores     float64 `json:"cores"`
	// InFlight requests are in pods now.
	InFlight    int   `json:"inFlight"`
	Connections int64 `json:"connections"`
	Served      int64 `json:"served"`
	Refused     int64 `json:"refused"`
	Cut         int64 `json:"cut"`
	Accepted    int64 `json:"accepted"`
}

func (c *core) stats() Stats {
	s := Stats{At: c.now, Served: c.counts.served, Refused: c.counts.refused, Cut: c.counts.cut, Accepted: int64(c.accepted.GetCardinality())}
	for _, n := range c.nodes {
		if n.lost {
			s.Lost++
			continue
		}
		s.Nodes++
		s.Cores += n.cores
		for _, p := range n.pods {
			s.BusyCores += p.granted
		}
	}
	for _, d := range c.tenants {
		s.Desired += int(d.desired)
		s.Ready += int(d.readyCount())
		s.InFlight += d.inFlight()
	}
	s.Pending = len(c.waiting)
	if c.door != nil {
		s.Waiting = c.door.waiting()
	}
	return s
}
