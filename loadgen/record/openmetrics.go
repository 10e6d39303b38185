package record

import (
	"cmp"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// metrics.om holds the run as time series for Prometheus and Grafana. Time stamps are platform time laid on the wall
// clock, start + offset: at --speed 10 the series is ten times as long as the run was, and a rate(…[1m]) reads as the
// rate of life. Sample by sample it is the same as everything else in the record; only lateness is given in wall time.
//
//	ansturm_run_info                                                1, at the start
//	ansturm_arrivals_due_total                                      expected by the curve
//	ansturm_arrivals_total{fate}                                    at the end, from the ledger
//	ansturm_shots_total{step,outcome}                               laid by Due: the offered load
//	ansturm_answers_total{step,outcome}                             laid by Done: the served load
//	ansturm_response_seconds, ansturm_service_seconds{step,quantile}      answered well, in the interval before
//	ansturm_first_byte_seconds{step,quantile}                             from sent to the first byte of the answer
//	ansturm_connect_seconds, ansturm_tls_seconds{quantile}                of the connections opened, by when they were
//	ansturm_lateness_seconds{quantile}                              the generator's own, wall time
//	ansturm_tenant_shots_total{tenant,step,outcome}, ansturm_tenant_response_seconds{tenant,step,quantile}
//	ansturm_replicas_desired, _current, _ready{tenant,workload}, ansturm_utilisation_ratio{tenant,workload}
//
// Series of all tenants have a value every second, series of one tenant every minute, both less often where the file
// would grow past mostTicks or mostTenantValues.
const (
	mostTicks        = 1800
	mostTenantValues = 400_000
)

// writeMetrics writes metrics.om from what else the record holds; damaged parts are left out.
func writeMetrics(create creator, r *Record) error {
	s, err := newSheet(r)
	if err != nil {
		return err
	}
	return replaceFile(create, filepath.Join(r.Dir, metricsFile), func(out io.Writer) error {
		for _, f := range s.families() {
			if len(f.Metric) == 0 {
				continue
			}
			if _, err := expfmt.MetricFamilyToOpenMetrics(out, f); err != nil {
				return err
			}
		}
		_, err := expfmt.FinalizeOpenMetrics(out)
		return err
	})
}

// sheet is what metrics.om is made from.
type sheet struct {
	run            *Run
	ledger         *Ledger
	series         map[Key][]Window // in order of start
	keys           []Key
	events         []Event
	end            time.Duration
	second, minute time.Duration // intervals of the series of all tenants and of one
}

func newSheet(r *Record) (*sheet, error) {
	windows, _, err := r.windows(nil)
	if err != nil {
		return nil, err
	}
	events, _, err := r.timeline()
	if err != nil {
		return nil, err
	}
	l, err := r.ledger()
	if err != nil {
		return nil, err
	}
	s := &sheet{run: &r.Run, ledger: l.ledger, events: events, series: map[Key][]Window{}}
	for _, w := range windows {
		s.series[w.Key] = append(s.series[w.Key], w)
		s.end = max(s.end, w.Start+w.Length)
	}
	for _, e := range events {
		s.end = max(s.end, min(e.At, latestSecond*time.Second))
	}
	s.keys = slices.SortedFunc(maps.Keys(s.series), func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Measure, b.Measure), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Step, b.Step), cmp.Compare(a.Outcome, b.Outcome))
	})
	s.second = interval(s.end, time.Second, mostTicks)
	// A tenant has some five values a tick: shots by outcome, quantiles, replicas, utilisation.
	values := 5 * max(len(r.Run.Scenario.Tenants.List)*len(r.Run.Scenario.AllSteps()), 1)
	s.minute = interval(s.end, time.Minute, max(mostTenantValues/values, 1))
	s.end = (s.end + s.second - 1) / s.second * s.second
	return s, nil
}

// interval is the least multiple of unit of which not more than most fit into span.
func interval(span, unit time.Duration, most int) time.Duration {
	units := (span + unit - 1) / unit
	return unit * max(1, (units+time.Duration(most)-1)/time.Duration(most))
}

func (s *sheet) families() []*dto.MetricFamily {
	out := []*dto.MetricFamily{s.info(), s.due(), s.fates()}
	out = append(out,
		s.counts("ansturm_shots_total", "Shots by the time they were due.", Response, false),
		s.counts("ansturm_answers_total", "Shots by the time they were done; refused ones are not among them.", Service, false),
		s.quantiles("ansturm_response_seconds", "Time from due to done of the shots answered well, by the time they were due.", Response, false, 1),
		s.quantiles("ansturm_service_seconds", "Time from sent to done of the shots answered well, by the time they were done.", Service, false, 1),
		s.quantiles("ansturm_first_byte_seconds", "Time from sent to the first byte of the shots answered well, by the time they were done.", FirstByte, false, 1),
		s.quantiles("ansturm_connect_seconds", "Time to open a TCP connection, by the time the shot it was opened for was sent.", Connect, false, 1),
		s.quantiles("ansturm_tls_seconds", "Time of a TLS handshake, by the time the shot it was made for was sent.", TLS, false, 1),
		s.quantiles("ansturm_lateness_seconds", "How late shots were sent, in wall time.", Lateness, false, s.run.Speed),
		s.counts("ansturm_tenant_shots_total", "Shots of one tenant by the time they were due.", Response, true),
		s.quantiles("ansturm_tenant_response_seconds", "Time from due to done of one tenant's shots answered well.", Response, true, 1),
	)
	return append(out, s.replicas()...)
}

func family(name, help string, kind dto.MetricType) *dto.MetricFamily {
	return &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}
}

// label is one label pair; a list keeps their order.
type label struct{ name, value string }

// put adds one value at an offset from the start.
func (s *sheet) put(f *dto.MetricFamily, at time.Duration, value float64, labels ...label) {
	stamp := s.run.StartedAt.UnixMilli() + at.Milliseconds()
	m := &dto.Metric{TimestampMs: &stamp}
	for i := range labels {
		m.Label = append(m.Label, &dto.LabelPair{Name: &labels[i].name, Value: &labels[i].value})
	}
	if f.GetType() == dto.MetricType_COUNTER {
		m.Counter = &dto.Counter{Value: &value}
	} else {
		m.Gauge = &dto.Gauge{Value: &value}
	}
	f.Metric = append(f.Metric, m)
}

func (s *sheet) info() *dto.MetricFamily {
	f := family("ansturm_run_info", "The run; time stamps of all series are platform time from its start.", dto.MetricType_GAUGE)
	s.put(f, 0, 1, label{"id", s.run.ID}, label{"scenario", s.run.Scenario.Name}, label{"purpose", s.run.Purpose},
		label{"target", s.run.Target}, label{"speed", strconv.FormatFloat(s.run.Speed, 'g', -1, 64)})
	return f
}

// due is what the curve leads one to expect; nothing where the curve cannot be computed.
func (s *sheet) due() *dto.MetricFamily {
	f := family("ansturm_arrivals_due_total", "Arrivals expected by the scenario's curve.", dto.MetricType_COUNTER)
	curve, err := s.run.Scenario.Curve()
	if err != nil {
		return f
	}
	for at := time.Duration(0); at <= s.end; at += s.second {
		s.put(f, at, curve.Cumulative(min(at, s.run.Scenario.Arrivals.Over)))
	}
	return f
}

func (s *sheet) fates() *dto.MetricFamily {
	f := family("ansturm_arrivals_total", "Arrivals by where they ended.", dto.MetricType_COUNTER)
	for fate, set := range s.ledger.Sets {
		s.put(f, s.end, float64(set.GetCardinality()), label{"fate", Fate(fate).String()})
	}
	return f
}

func (s *sheet) labels(k Key, more ...label) []label {
	var out []label
	if k.Tenant != "" {
		out = append(out, label{"tenant", k.Tenant})
	}
	if k.Step != "" {
		out = append(out, label{"step", k.Step})
	}
	return append(out, more...)
}

// each calls do with the keys of one measure, of all tenants together or of each by itself.
func (s *sheet) each(measure string, tenants bool, do func(k Key, every time.Duration)) {
	every := s.second
	if tenants {
		every = s.minute
	}
	for _, k := range s.keys {
		if k.Measure == measure && (k.Tenant != "") == tenants {
			do(k, every)
		}
	}
}

// counts are cumulative numbers of shots, zero at the start.
func (s *sheet) counts(name, help, measure string, tenants bool) *dto.MetricFamily {
	f := family(name, help, dto.MetricType_COUNTER)
	s.each(measure, tenants, func(k Key, every time.Duration) {
		labels := s.labels(k, label{"outcome", k.Outcome.String()})
		var sum int64
		s.put(f, 0, 0, labels...)
		s.ticks(k, every, func(at time.Duration, windows []Window) {
			for _, w := range windows {
				sum += w.Histogram.Count()
			}
			s.put(f, at, float64(sum), labels...)
		})
	})
	return f
}

// ticks cuts the windows of a series into intervals; at is the end of each.
func (s *sheet) ticks(k Key, every time.Duration, do func(at time.Duration, windows []Window)) {
	rest := s.series[k]
	for at := every; at-every < s.end; at += every {
		n := 0
		for n < len(rest) && rest[n].Start < at {
			n++
		}
		do(at, rest[:n])
		rest = rest[n:]
	}
}

// quantiles are those of the interval before, of the shots answered well; no value where there was none.
func (s *sheet) quantiles(name, help, measure string, tenants bool, divisor float64) *dto.MetricFamily {
	f := family(name, help, dto.MetricType_GAUGE)
	s.each(measure, tenants, func(k Key, every time.Duration) {
		if k.Outcome != OK {
			return
		}
		type value struct {
			at time.Duration
			h  *Histogram
		}
		var values []value
		s.ticks(k, every, func(at time.Duration, windows []Window) {
			if h := merged(windows); h != nil {
				values = append(values, value{at, h})
			}
		})
		for _, q := range []float64{0.5, 0.95, 0.99} {
			labels := s.labels(k, label{"quantile", strconv.FormatFloat(q, 'g', -1, 64)})
			for _, v := range values {
				s.put(f, v.at, v.h.Quantile(q).Seconds()/divisor, labels...)
			}
		}
	})
	return f
}

// merged is the sum of windows of one series, nil of none. It leaves the windows as they are.
func merged(windows []Window) *Histogram {
	switch len(windows) {
	case 0:
		return nil
	case 1:
		return windows[0].Histogram
	}
	h := windows[0].Histogram.Clone()
	for _, w := range windows[1:] {
		if err := h.Merge(w.Histogram); err != nil {
			return nil // windows of one key and unlike layout: no writer makes them
		}
	}
	return h
}

// gauges are what an event says about a workload, by the name of their series.
var gauges = []struct {
	name, help string
	of         func(Event) (value float64, there bool)
}{
	{"ansturm_replicas_desired", "Replicas the autoscaler asked for.", func(e Event) (float64, bool) {
		return float64(e.Desired), e.Kind == KindReplicas
	}},
	{"ansturm_replicas_current", "Replicas that exist.", func(e Event) (float64, bool) {
		return float64(e.Current), e.Kind == KindReplicas
	}},
	{"ansturm_replicas_ready", "Replicas that are ready.", func(e Event) (float64, bool) {
		return float64(e.Ready), e.Kind == KindReplicas
	}},
	{"ansturm_utilisation_ratio", "CPU used over CPU requested, of the ready pods.", func(e Event) (float64, bool) {
		percent, there := e.Values["utilisation_percent"]
		return percent / 100, there && e.Kind == KindMetrics
	}},
}

// replicas are the counts and the utilisation of each workload, as they stand at the end of each interval.
func (s *sheet) replicas() []*dto.MetricFamily {
	type workload struct{ tenant, name string }
	events := map[workload][]Event{}
	for _, e := range s.events {
		if e.Kind == KindReplicas || e.Kind == KindMetrics {
			k := workload{e.Tenant, e.Workload}
			events[k] = append(events[k], e)
		}
	}
	keys := slices.SortedFunc(maps.Keys(events), func(a, b workload) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.name, b.name))
	})
	var out []*dto.MetricFamily
	for _, g := range gauges {
		f := family(g.name, g.help, dto.MetricType_GAUGE)
		for _, k := range keys {
			s.standing(f, events[k], g.of, label{"tenant", k.tenant}, label{"workload", k.name})
		}
		out = append(out, f)
	}
	return out
}

// standing puts the latest value at the end of each interval, from the first on.
func (s *sheet) standing(f *dto.MetricFamily, events []Event, of func(Event) (float64, bool), labels ...label) {
	var value float64
	known := false
	for at := s.minute; at-s.minute < s.end; at += s.minute {
		for len(events) > 0 && events[0].At <= at {
			if v, there := of(events[0]); there {
				value, known = v, true
			}
			events = events[1:]
		}
		if known {
			s.put(f, at, value, labels...)
		}
	}
}
