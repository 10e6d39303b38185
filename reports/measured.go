package reports

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/chain"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

// points is how many points a series has at most, rows how many rows the table beside a chart has at most; a run may
// last a little longer than its scenario, and then has a few more.
const (
	points = 1080
	rows   = 40
	// most bounds the series of a record whose times are nonsense.
	most = 4 * points
)

// quantiles are the percentiles drawn.
var quantiles = [3]float64{0.50, 0.95, 0.99}

// measured is one record as series that can be drawn. Rates are per second of platform time, times in seconds; NaN
// is where nothing was measured.
type measured struct {
	run     *record.Run
	verdict *gate.Verdict
	// account is nil, and accountErr says why, where the record's books cannot be read; the rest is still worth telling.
	account    *record.Account
	accountErr error

	bin, rowBin time.Duration
	// step is the one whose response times are drawn, slo the promise about it (nil where there is none).
	step string
	slo  *scenarios.SLO

	offered, served         []float64
	response                [3][]float64 // by quantiles
	lateness, labLateness   []float64    // 99th percentile, wall time
	desired, current, ready []float64
	// periods of CPU quotas, the throttled of them, and the pods held back on average; empty where nobody told of any.
	periods, throttled, held []float64
	rows                     []row

	chain []stage
	pods  podCount
	// reactions sums the scale-ups up.
	reactions chain.Summary
	tenants   map[string]*tenantMeasured
}

// row is a longer stretch of the series, for the table beside a chart.
type row struct {
	at                      time.Duration
	offered, served         float64
	response                [3]float64
	lateness                float64
	desired, current, ready float64
	throttled, held         float64 // share of the periods, pods at most
}

// tenantMeasured is what one tenant's windows hold.
type tenantMeasured struct {
	shots, failed int64
	p95           time.Duration // of the drawn step
}

// measure sums a record into series.
func measure(f *Fired) (*measured, error) {
	r := f.Record
	m := &measured{run: &r.Run, verdict: f.Verdict, tenants: map[string]*tenantMeasured{}}
	if m.run.Scenario == nil {
		return nil, fmt.Errorf("reports: record %s names no scenario", r.Dir)
	}
	m.layout()
	for _, read := range []func(*record.Record) error{m.readResponse, m.readService, m.readLateness, m.readTenants, m.readTimeline} {
		if err := read(r); err != nil {
			return nil, fmt.Errorf("reports: record %s: %w", r.Dir, err)
		}
	}
	m.account, m.accountErr = r.Account()
	m.level()
	return m, nil
}

// layout chooses how wide a point and a table row are, and which step is drawn: the one a promise names first.
func (m *measured) layout() {
	over := max(m.run.Scenario.Arrivals.Over, time.Second)
	m.bin = (over + points*time.Second - 1) / (points * time.Second) * time.Second
	m.rowBin = niceSpan(over / rows)
	m.rowBin = (m.rowBin + m.bin - 1) / m.bin * m.bin
	for i, slo := range m.run.Scenario.SLOs {
		if slo.Step != "" || len(m.run.Scenario.SLOs) == 1 {
			m.slo, m.step = &m.run.Scenario.SLOs[i], slo.Step
			break
		}
	}
}

// niceSpan is the least of the spans people count in that is at least d.
func niceSpan(d time.Duration) time.Duration {
	for _, nice := range []time.Duration{1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600} {
		if nice*time.Second >= d {
			return nice * time.Second
		}
	}
	return (d + 24*time.Hour - 1) / (24 * time.Hour) * 24 * time.Hour
}

func (m *measured) readResponse(r *record.Record) error {
	windows, err := r.Windows(func(k record.Key, _ time.Duration) bool { return k.Measure == "response" && k.Tenant == "" })
	if err != nil {
		return err
	}
	if m.step == "" {
		m.step = busiest(windows)
	}
	fine, coarse := m.gatherers(func(i int, h *record.Histogram) {
		for q := range quantiles {
			put(&m.response[q], i, h.Quantile(quantiles[q]).Seconds(), math.NaN())
		}
	}, func(i int, h *record.Histogram) {
		for q := range quantiles {
			m.row(i).response[q] = h.Quantile(quantiles[q]).Seconds()
		}
	})
	for _, w := range windows {
		m.addRate(&m.offered, w)
		if w.Step != m.step {
			continue
		}
		if err := gather(w, fine, coarse); err != nil {
			return err
		}
	}
	fine.flush()
	coarse.flush()
	return nil
}

func (m *measured) readService(r *record.Record) error {
	windows, err := r.Windows(func(k record.Key, _ time.Duration) bool {
		return k.Measure == "service" && k.Tenant == "" && k.Outcome == record.OK
	})
	for _, w := range windows {
		m.addRate(&m.served, w)
	}
	return err
}

func (m *measured) readLateness(r *record.Record) error {
	windows, err := r.Windows(func(k record.Key, _ time.Duration) bool { return k.Measure == "lateness" && k.Tenant == "" })
	if err != nil {
		return err
	}
	speed := max(m.run.Speed, 1)
	fine, coarse := m.gatherers(func(i int, h *record.Histogram) {
		put(&m.lateness, i, h.Quantile(0.99).Seconds()/speed, math.NaN())
	}, func(i int, h *record.Histogram) {
		m.row(i).lateness = h.Quantile(0.99).Seconds() / speed
	})
	for _, w := range windows {
		if err := gather(w, fine, coarse); err != nil {
			return err
		}
	}
	fine.flush()
	coarse.flush()
	return nil
}

func (m *measured) readTenants(r *record.Record) error {
	windows, err := r.Windows(func(k record.Key, _ time.Duration) bool { return k.Measure == "response" && k.Tenant != "" })
	if err != nil {
		return err
	}
	sums := map[string]*record.Histogram{}
	for _, w := range windows {
		t := m.tenants[w.Tenant]
		if t == nil {
			t = &tenantMeasured{}
			m.tenants[w.Tenant] = t
		}
		n := w.Histogram.Count()
		t.shots += n
		if w.Outcome != record.OK {
			t.failed += n
		}
		if w.Step != m.step {
			continue
		}
		if sums[w.Tenant], err = join(sums[w.Tenant], w.Histogram); err != nil {
			return err
		}
	}
	for name, sum := range sums {
		m.tenants[name].p95 = sum.Quantile(0.95)
	}
	return nil
}

// busiest is the step with most shots.
func busiest(windows []record.Window) string {
	counts, best := map[string]int64{}, ""
	for _, w := range windows {
		counts[w.Step] += w.Histogram.Count()
	}
	for step, n := range counts {
		if best == "" || n > counts[best] || n == counts[best] && step < best {
			best = step
		}
	}
	return best
}

// addRate adds a window's count to a series of rates.
func (m *measured) addRate(series *[]float64, w record.Window) {
	add(series, int(w.Start/m.bin), float64(w.Histogram.Count())/m.bin.Seconds())
}

// row gives the i-th row of the table, made where it is not there yet.
func (m *measured) row(i int) *row {
	i = min(max(i, 0), most)
	for len(m.rows) <= i {
		nan := math.NaN()
		m.rows = append(m.rows, row{
			at: time.Duration(len(m.rows)) * m.rowBin, response: [3]float64{nan, nan, nan},
			lateness: nan, desired: nan, current: nan, ready: nan,
		})
	}
	return &m.rows[i]
}

// level gives all series one length and fills the rows with what the series hold.
func (m *measured) level() {
	n := max(len(m.offered), len(m.served), len(m.response[0]), 1)
	// The last answers come a moment after the last request; a stub of a second would look like a breakdown.
	if whole := int(m.run.Scenario.Arrivals.Over / m.bin); n > whole && n-whole <= whole/100 {
		n = whole
		m.offered, m.served = m.offered[:min(n, len(m.offered))], m.served[:min(n, len(m.served))]
		for q := range m.response {
			m.response[q] = m.response[q][:min(n, len(m.response[q]))]
		}
	}
	zero := []*[]float64{&m.offered, &m.served, &m.periods, &m.throttled, &m.held}
	none := []*[]float64{&m.response[0], &m.response[1], &m.response[2], &m.lateness, &m.labLateness}
	for _, s := range zero {
		stretch(s, n, 0)
	}
	for _, s := range none {
		stretch(s, n, math.NaN())
	}
	for _, s := range []*[]float64{&m.desired, &m.current, &m.ready} {
		last := math.NaN()
		if len(*s) > 0 {
			last = (*s)[len(*s)-1]
		}
		stretch(s, n, last)
	}
	per := int(m.rowBin / m.bin)
	for i := 0; i*per < n; i++ {
		from, to := i*per, min((i+1)*per, n)
		r := m.row(i)
		r.offered, r.served = mean(m.offered[from:to]), mean(m.served[from:to])
		r.desired, r.current, r.ready = m.desired[to-1], m.current[to-1], m.ready[to-1]
		r.throttled, r.held = mean(m.throttled[from:to])/max(mean(m.periods[from:to]), 1e-9), slices.Max(m.held[from:to])
	}
	m.rows = m.rows[:min(len(m.rows), (n+per-1)/per)]
}
