package record

import (
	"bufio"
	"io"
	"path/filepath"
	"strconv"
	"time"
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
//	ansturm_throttled_seconds_total{tenant,workload}                by their CPU quotas, where a source told of it
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
		o := &openMetrics{Writer: bufio.NewWriterSize(out, 256<<10), start: r.Run.StartedAt.UnixMilli()}
		s.write(o)
		_, _ = o.WriteString(endOfMetrics) // an error stays until the Flush
		return o.Flush()
	})
}

// write writes all families.
func (s *sheet) write(o *openMetrics) {
	s.info(o)
	s.due(o)
	s.fates(o)
	s.counts(o, "ansturm_shots", "Shots by the time they were due.", Response, false)
	s.counts(o, "ansturm_answers", "Shots by the time they were done; refused ones are not among them.", Service, false)
	s.quantiles(o, "ansturm_response_seconds", "Time from due to done of the shots answered well, by the time they were due.", Response, false, 1)
	s.quantiles(o, "ansturm_service_seconds", "Time from sent to done of the shots answered well, by the time they were done.", Service, false, 1)
	s.quantiles(o, "ansturm_first_byte_seconds", "Time from sent to the first byte of the shots answered well, by the time they were done.", FirstByte, false, 1)
	s.quantiles(o, "ansturm_connect_seconds", "Time to open a TCP connection, by the time the shot it was opened for was sent.", Connect, false, 1)
	s.quantiles(o, "ansturm_tls_seconds", "Time of a TLS handshake, by the time the shot it was made for was sent.", TLS, false, 1)
	s.quantiles(o, "ansturm_waited_seconds", "Time in the waiting room of the shots that had to wait there, by the time they were due.", Waited, false, 1)
	s.quantiles(o, "ansturm_lateness_seconds", "How late shots were sent, in wall time.", Lateness, false, s.run.Speed)
	s.counts(o, "ansturm_tenant_shots", "Shots of one tenant by the time they were due.", Response, true)
	s.quantiles(o, "ansturm_tenant_response_seconds", "Time from due to done of one tenant's shots answered well.", Response, true, 1)
	s.replicas(o)
}

func (s *sheet) info(o *openMetrics) {
	o.family("ansturm_run_info", "The run; time stamps of all series are platform time from its start.", gauge)
	o.put(0, 1, label{"id", s.run.ID}, label{"scenario", s.run.Scenario.Name}, label{"purpose", s.run.Purpose},
		label{"target", s.run.Target}, label{"speed", strconv.FormatFloat(s.run.Speed, 'g', -1, 64)})
}

// due is what the curve leads one to expect; nothing where the curve cannot be computed.
func (s *sheet) due(o *openMetrics) {
	o.family("ansturm_arrivals_due", "Arrivals expected by the scenario's curve.", counter)
	curve, err := s.run.Scenario.Curve()
	if err != nil {
		return
	}
	for at := time.Duration(0); at <= s.end; at += s.second {
		o.put(at, curve.Cumulative(min(at, s.run.Scenario.Arrivals.Over)))
	}
}

func (s *sheet) fates(o *openMetrics) {
	o.family("ansturm_arrivals", "Arrivals by where they ended.", counter)
	for fate, set := range s.ledger.Sets {
		o.put(s.end, float64(set.GetCardinality()), label{"fate", Fate(fate).String()})
	}
}

func labels(k Key, more ...label) []label {
	var out []label
	if k.Tenant != "" {
		out = append(out, label{"tenant", k.Tenant})
	}
	if k.Step != "" {
		out = append(out, label{"step", k.Step})
	}
	return append(out, more...)
}

// counts are cumulative numbers of shots, zero at the start.
func (s *sheet) counts(o *openMetrics, name, help, measure string, tenants bool) {
	o.family(name, help, counter)
	s.each(measure, tenants, func(k Key, series int, every time.Duration) {
		labels := labels(k, label{"outcome", k.Outcome.String()})
		var sum int64
		o.put(0, 0, labels...)
		for n := range s.length(every) {
			if t := s.ticks[tickID{series, n}]; t != nil {
				sum += t.count
			}
			o.put(time.Duration(n+1)*every, float64(sum), labels...)
		}
	})
}

// shown are the quantiles in metrics.om.
var shown = [...]float64{0.5, 0.95, 0.99}

// quantiles are those of the interval before, of the shots answered well; no value where there was none.
func (s *sheet) quantiles(o *openMetrics, name, help, measure string, tenants bool, divisor float64) {
	o.family(name, help, gauge)
	s.each(measure, tenants, func(k Key, series int, every time.Duration) {
		if k.Outcome != OK {
			return
		}
		for i, q := range shown {
			labels := labels(k, label{"quantile", strconv.FormatFloat(q, 'g', -1, 64)})
			for n := range s.length(every) {
				if t := s.ticks[tickID{series, n}]; t != nil && t.known {
					o.put(time.Duration(n+1)*every, t.quantiles[i].Seconds()/divisor, labels...)
				}
			}
		}
	})
}

// standings are what events say about a workload, by the name of their series.
var standings = []struct {
	name, help, kind string
	of               func(standing) (value float64, there bool)
}{
	{"ansturm_replicas_desired", "Replicas the autoscaler asked for.", gauge, func(x standing) (float64, bool) { return float64(x.desired), x.replicas }},
	{"ansturm_replicas_current", "Replicas that exist.", gauge, func(x standing) (float64, bool) { return float64(x.current), x.replicas }},
	{"ansturm_replicas_ready", "Replicas that are ready.", gauge, func(x standing) (float64, bool) { return float64(x.ready), x.replicas }},
	{"ansturm_utilisation_ratio", "CPU used over CPU requested, of the ready pods.", gauge, func(x standing) (float64, bool) { return x.utilisation, x.scraped }},
	{"ansturm_throttled_seconds", "Time that pods were held back by their CPU quotas.", counter, func(x standing) (float64, bool) { return x.stood, x.throttled }},
}

// replicas are the counts and the utilisation of each workload, as they stand at the end of each interval, from the
// first on.
func (s *sheet) replicas(o *openMetrics) {
	for _, g := range standings {
		o.family(g.name, g.help, g.kind)
		for _, w := range s.workloads {
			rest, value, known := s.standings[w], 0.0, false
			for n := range s.length(s.minute) {
				at := time.Duration(n+1) * s.minute
				for len(rest) > 0 && rest[0].at <= at {
					if v, there := g.of(rest[0]); there {
						value, known = v, true
					}
					rest = rest[1:]
				}
				if known {
					o.put(at, value, label{"tenant", w.tenant}, label{"workload", w.name})
				}
			}
		}
	}
}
