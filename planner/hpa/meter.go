package hpa

import "time"

// Reading is a container's counters as a scrape brought them. At is when the kubelet read them ([Housekeeping]), not when
// they were scraped.
type Reading struct {
	Started, At time.Duration
	CPU         time.Duration // processor time since Started
	Memory      int64         // working set in bytes
}

// Housekeeping is how long after one reading of a container the kubelet takes the next, for a u drawn evenly from 0 to 1:
// its period (10 s) and up to as long again (cAdvisor 0.53, manager/container.go: the period with its jitter). The first one
// is taken when the container starts. That the period grows to 15 s while no counter moves at all is left out.
func Housekeeping(period time.Duration, u float64) time.Duration {
	return period + time.Duration(u*float64(period))
}

// Meter is what metrics-server keeps of one container: its last reading, and the one from which its usage is rated (rule
// 22; metrics-server 0.9, storage/pod.go). The zero value has met no scrape yet.
type Meter struct {
	last, from     Reading
	scraped, rated bool
}

// LeastFresh is the age from which a container's start serves as its first reading (rule 22).
const LeastFresh = 10 * time.Second

// Take takes a reading in; resolution is the period of the scrapes.
func (m *Meter) Take(r Reading, resolution time.Duration) {
	same := m.scraped && r.Started < m.last.At // not restarted since the reading before
	switch age := r.At - r.Started; {
	case age >= LeastFresh && age < resolution:
		m.from, m.rated = Reading{Started: r.Started, At: r.Started}, true
	case same && r.At > m.last.At:
		m.from, m.rated = m.last, true
	default: // restarted, or the same reading again, which leaves it rated as it was
		m.rated = same && m.rated && m.from.At < r.At
	}
	m.last, m.scraped = r, true
}

// Rated says whether there are two readings to rate between. As long as a container that was scraped has not, its pod has
// no sample.
func (m *Meter) Rated() bool { return m.rated }

// Rate is a container's usage over the window that ends At.
type Rate struct {
	At, Window time.Duration
	Nanocores  int64
	Memory     int64 // bytes
}

// Rate is what was used between the two readings; false where a counter ran backwards. m is rated.
func (m *Meter) Rate() (Rate, bool) {
	if m.last.Started < m.from.Started || m.last.CPU < m.from.CPU {
		return Rate{}, false
	}
	window := m.last.At - m.from.At
	return Rate{m.last.At, window, int64(float64(m.last.CPU-m.from.CPU) / window.Seconds()), m.last.Memory}, true
}

// Usage is a rated container's usage as the controller reads it; false where there is none.
func (m *Meter) Usage() (Amount, bool) {
	if !m.rated {
		return Amount{}, false
	}
	rate, given := m.Rate()
	return rate.usage(), given
}

// usage is the rate as the controller reads it: a part of a millicore is one.
func (r *Rate) usage() Amount { return Of((r.Nanocores+999_999)/1_000_000, r.Memory) }

// Measure makes the pod's sample of its containers' meters, one each in their order. A pod has no sample as long as one of
// its containers that was scraped cannot be rated; its sample's time is the earliest of its containers'.
func (p *Pod) Measure(meters []Meter) {
	p.Sample = Sample{}
	for i := range p.Containers {
		c := &p.Containers[i]
		c.Usage, c.Unlisted = Amount{}, true
		if i >= len(meters) || !meters[i].scraped {
			continue
		}
		if !meters[i].rated {
			p.Sample = Sample{}
			return
		}
		rate, given := meters[i].Rate()
		if !given {
			continue
		}
		c.Usage, c.Unlisted = rate.usage(), false
		if !p.Sample.Has || rate.At < p.Sample.Time {
			p.Sample = Sample{Has: true, Time: rate.At, Window: rate.Window}
		}
	}
}
