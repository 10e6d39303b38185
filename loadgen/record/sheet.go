package record

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// sheet is what metrics.om is made from: some numbers an interval, however long the run was.
type sheet struct {
	run            *Run
	ledger         *Ledger
	keys           []Key // by series
	order          []int // series in order of their keys
	ticks          map[tickID]*tick
	standings      map[workload][]standing // in order of time
	workloads      []workload              // in order of their names
	end            time.Duration
	second, minute time.Duration // intervals of the series of all tenants and of one
}

// tickID names an interval of a series.
type tickID struct{ series, number int }

// tick is an interval of a series.
type tick struct {
	lines     int // of the log, not yet read
	count     int64
	histogram *Histogram // while there are lines to come
	known     bool       // the quantiles
	quantiles [len(shown)]time.Duration
}

type workload struct{ tenant, name string }

// standing is what an event says about a workload.
type standing struct {
	at                      time.Duration
	desired, current, ready int32
	utilisation, stood      float64 // stood: seconds up to then
	replicas, scraped       bool
	throttled               bool
}

func newSheet(r *Record) (*sheet, error) {
	l, err := r.ledger()
	if err != nil {
		return nil, err
	}
	s := &sheet{run: &r.Run, ledger: l.ledger, ticks: map[tickID]*tick{}, standings: map[workload][]standing{}}
	if err := s.readEvents(r); err != nil {
		return nil, err
	}
	if err := s.readWindows(r); err != nil {
		return nil, err
	}
	s.order = make([]int, len(s.keys))
	for i := range s.order {
		s.order[i] = i
	}
	slices.SortFunc(s.order, func(i, j int) int {
		a, b := s.keys[i], s.keys[j]
		return cmp.Or(cmp.Compare(a.Measure, b.Measure), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Step, b.Step), cmp.Compare(a.Outcome, b.Outcome))
	})
	s.end = (s.end + s.second - 1) / s.second * s.second
	return s, nil
}

func (s *sheet) readEvents(r *Record) error {
	_, err := r.eachEvent(func(e Event) {
		s.end = max(s.end, min(e.At, latestSecond*time.Second))
		percent, scraped := e.Values["utilisation_percent"]
		x := standing{
			at: e.At, desired: e.Desired, current: e.Current, ready: e.Ready, utilisation: percent / 100, stood: e.Values["throttled_seconds"],
			replicas: e.Kind == KindReplicas, scraped: scraped && e.Kind == KindMetrics, throttled: e.Kind == KindThrottling,
		}
		if x.replicas || x.throttled || e.Kind == KindMetrics {
			w := workload{e.Tenant, e.Workload}
			s.standings[w] = append(s.standings[w], x)
		}
	})
	for _, list := range s.standings {
		slices.SortStableFunc(list, func(a, b standing) int { return cmp.Compare(a.at, b.at) })
		stood := 0.0
		for i := range list {
			if list[i].throttled {
				stood += list[i].stood
			}
			list[i].stood = stood
		}
	}
	s.workloads = slices.SortedFunc(maps.Keys(s.standings), func(a, b workload) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.name, b.name))
	})
	return err
}

// readWindows goes over the log three times: how long the run was, how many lines each interval has, what they hold. So
// the histogram of an interval is needed only from its first line to its last, and those are seldom far apart.
func (s *sheet) readWindows(r *Record) error {
	if _, err := r.intervals(func(x interval) error {
		s.end = max(s.end, x.start+x.length)
		return nil
	}); err != nil {
		return err
	}
	s.second = lengthOf(s.end, time.Second, mostTicks)
	// A tenant has some five values a tick: shots by outcome, quantiles, replicas, utilisation.
	values := 5 * max(len(r.Run.Scenario.Tenants.List)*len(r.Run.Scenario.AllSteps()), 1)
	s.minute = lengthOf(s.end, time.Minute, max(mostTenantValues/values, 1))

	if _, err := r.intervals(func(x interval) error {
		s.tick(x).lines++
		return nil
	}); err != nil {
		return err
	}
	var decode decoder
	_, err := r.intervals(func(x interval) error {
		for len(s.keys) <= x.series { // a series of which no line is whole stays without a key
			s.keys = append(s.keys, Key{})
		}
		s.keys[x.series] = x.Key
		return s.tick(x).read(x, &decode)
	})
	return err
}

// tick is the interval that a line belongs to.
func (s *sheet) tick(x interval) *tick {
	every := s.second
	if x.Tenant != "" {
		every = s.minute
	}
	id := tickID{x.series, int(x.start / every)}
	t := s.ticks[id]
	if t == nil {
		t = &tick{}
		s.ticks[id] = t
	}
	return t
}

// read adds a line to its interval.
func (t *tick) read(x interval, decode *decoder) error {
	defer t.settle()
	t.lines--
	if x.Outcome != OK { // only counted
		n, err := decode.count(x.payload)
		if err == nil {
			t.count += n
		}
		return err
	}
	h, err := decode.decode(x.payload)
	if err != nil {
		return err
	}
	t.count += h.Count()
	if t.histogram == nil {
		t.histogram = h
		return nil
	}
	return t.histogram.Merge(h)
}

// settle takes the quantiles once all lines are read.
func (t *tick) settle() {
	if t.lines > 0 || t.histogram == nil {
		return
	}
	for i, q := range shown {
		t.quantiles[i] = t.histogram.Quantile(q)
	}
	t.known, t.histogram = true, nil
}

// lengthOf is the least multiple of unit of which not more than most fit into span.
func lengthOf(span, unit time.Duration, most int) time.Duration {
	units := (span + unit - 1) / unit
	return unit * max(1, (units+time.Duration(most)-1)/time.Duration(most))
}

// length is how many intervals there are.
func (s *sheet) length(every time.Duration) int { return int((s.end + every - 1) / every) }

// each calls do with the series of one measure, of all tenants together or of each by itself.
func (s *sheet) each(measure string, tenants bool, do func(k Key, series int, every time.Duration)) {
	every := s.second
	if tenants {
		every = s.minute
	}
	for _, series := range s.order {
		if k := s.keys[series]; k.Measure == measure && (k.Tenant != "") == tenants {
			do(k, series, every)
		}
	}
}
