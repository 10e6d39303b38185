package main

import (
	"runtime"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// fireResult is what ansturm fire says, made from the record alone.
type fireResult struct {
	URL string `json:"url"`
	// Record is where the record was kept; empty where it was not.
	Record string `json:"record,omitempty"`
	// Duration is from the start to the last answer, or to the schedule's end where that is later.
	Duration    float64 `json:"duration_s"`
	Interrupted bool    `json:"interrupted,omitempty"`
	// Client is what spoke to the target, and how.
	Client string `json:"client"`
	// Closed is the number of connections of a closed loop.
	Closed int `json:"closed,omitempty"`

	// Where the arrivals ended.
	Arrivals      int64 `json:"arrivals"`
	Completed     int64 `json:"completed"`
	Failed        int64 `json:"failed"`
	Indeterminate int64 `json:"indeterminate"`
	Unsent        int64 `json:"unsent"`
	// Outcomes counts shots by outcome.
	Outcomes map[string]int64 `json:"outcomes"`

	// The rates a second: as the schedule has it, as sent, and as completed (Rate).
	OfferedRate float64 `json:"offered_rate"`
	SentRate    float64 `json:"sent_rate"`
	Rate        float64 `json:"rate"`

	Connections     int64 `json:"connections"`
	ConnectionsPeak int64 `json:"connections_peak"`
	// Cores is how many processors the generator used in the mean. Busy is the share of the time for which its threads
	// worked or waited for a processor.
	Cores float64 `json:"generator_cores"`
	Busy  float64 `json:"generator_busy"`

	// Response and Lateness are of all shots, Service of all but the refused, which nothing was sent of. ResponseOK is of
	// those that ended well.
	Response   spread `json:"response"`
	Service    spread `json:"service"`
	Lateness   spread `json:"lateness"`
	ResponseOK spread `json:"response_ok"`
	// FirstByte is from sent to the answer's first byte, Connect and TLS are of the shots for which a connection was opened.
	FirstByte spread `json:"first_byte"`
	Connect   spread `json:"connect"`
	TLS       spread `json:"tls"`

	Valid       bool     `json:"valid"`
	Reasons     []string `json:"reasons"`
	Advice      []string `json:"advice"`
	Warnings    []string `json:"warnings"`
	Problems    []string `json:"problems"`
	Explanation string   `json:"explanation"`

	limit time.Duration // of the lateness
	full  bool          // every allowed connection was open
}

// spread is a distribution of times in microseconds, to three digits.
type spread struct {
	Count int64 `json:"count"`
	P50   int64 `json:"p50_us"`
	P90   int64 `json:"p90_us"`
	P95   int64 `json:"p95_us"`
	P99   int64 `json:"p99_us"`
	P999  int64 `json:"p999_us"`
	Max   int64 `json:"max_us"`
}

func spreadOf(h *record.Histogram) spread {
	q := func(p float64) int64 { return h.Quantile(p).Microseconds() }
	return spread{h.Count(), q(0.5), q(0.9), q(0.95), q(0.99), q(0.999), h.Max().Microseconds()}
}

// rows are the quantiles in the order of the table.
func (s spread) rows() []int64 { return []int64{s.P50, s.P90, s.P95, s.P99, s.P999, s.Max} }

// resultOf reads the record of what was fired.
func resultOf(rec *record.Record, f firing) (*fireResult, error) {
	account, err := rec.Account()
	if err != nil {
		return nil, err
	}
	run, ledger := &rec.Run, account.Ledger
	r := &fireResult{
		URL: run.Scenario.Journeys[0].Steps[0].URL, Interrupted: run.Interrupted, Client: clientText(run), Closed: run.Closed,
		Arrivals: ledger.Total, Completed: ledger.Completed, Failed: ledger.Failed, Indeterminate: ledger.Indeterminate, Unsent: ledger.Unsent,
		Outcomes: run.Totals.ByOutcome, Connections: run.Totals.Connections, ConnectionsPeak: run.Totals.ConnectionsPeak,
		Valid: run.Validity.Valid, Reasons: scenarios.AllIn(run.Validity.Reasons, "en"), Advice: scenarios.AllIn(run.Validity.Advice, "en"),
		Warnings: warningTexts(run.Warnings), Problems: account.Problems, limit: run.Validity.LatenessLimit,
	}
	if r.Outcomes == nil {
		r.Outcomes = map[string]int64{}
	}
	if err := r.times(rec); err != nil {
		return nil, err
	}
	r.rates(run)
	r.full = run.Validity.LatenessP99 > r.limit && r.ConnectionsPeak >= allowed(run, f.maxConnections)
	if err := r.effort(rec, f.shards); err != nil {
		return nil, err
	}
	r.Explanation = r.explain()
	return r, nil
}

// times merges the record's windows of a second.
func (r *fireResult) times(rec *record.Record) error {
	windows, err := rec.Windows(func(k record.Key, _ time.Duration) bool { return k.Tenant == "" })
	if err != nil {
		return err
	}
	good := record.NewHistogram(digits)
	all := map[string]*record.Histogram{}
	for measure := range r.spreads() {
		all[measure] = record.NewHistogram(digits)
	}
	for _, w := range windows {
		if all[w.Measure] == nil {
			continue
		}
		err := all[w.Measure].Merge(w.Histogram)
		if err == nil && w.Measure == record.Response && w.Outcome == record.OK {
			err = good.Merge(w.Histogram)
		}
		if err != nil {
			return err
		}
	}
	for measure, into := range r.spreads() {
		*into = spreadOf(all[measure])
	}
	r.ResponseOK = spreadOf(good)
	return nil
}

// digits are those of the record's windows of a second.
const digits = 3

// spreads are the result's distributions by the record's measures.
func (r *fireResult) spreads() map[string]*spread {
	return map[string]*spread{
		record.Response: &r.Response, record.Service: &r.Service, record.Lateness: &r.Lateness,
		record.FirstByte: &r.FirstByte, record.Connect: &r.Connect, record.TLS: &r.TLS,
	}
}

// rates are over the run's duration, the offered one over the schedule's.
func (r *fireResult) rates(run *record.Run) {
	over := run.Scenario.Arrivals.Over.Seconds()
	r.Duration = run.EndedAt.Sub(run.StartedAt).Seconds()
	if !r.Interrupted {
		r.Duration = max(r.Duration, over)
	}
	if r.Duration > 0 {
		r.SentRate, r.Rate = float64(r.Service.Count)/r.Duration, float64(r.Completed)/r.Duration
	}
	r.OfferedRate = float64(r.Arrivals) / over
	if r.Closed > 0 {
		r.OfferedRate = r.SentRate // whoever was answered offers the next
	}
}

// effort is what the generator itself needed, as it wrote every second in the timeline. A closed loop is never late: that
// the generator was its limit shows here only.
func (r *fireResult) effort(rec *record.Record, shards int) error {
	events, err := rec.Timeline()
	if err != nil || r.Duration <= 0 {
		return err
	}
	var worked, waited float64
	for _, e := range events {
		if e.Kind == record.KindGenerator {
			worked += e.Values["cpu_seconds"]
			waited += e.Values["run_queue_seconds"]
		}
	}
	if shards == 0 {
		shards = max(1, runtime.NumCPU()/2) // see loadgen.Config
	}
	r.Cores, r.Busy = worked/r.Duration, min(1, (worked+waited)/r.Duration/float64(shards))
	return nil
}

// allowed is the number of connections that could be open at one time.
func allowed(run *record.Run, connections int) int64 {
	for _, w := range run.Warnings {
		if w.Code == "few-descriptors" {
			return run.Totals.ConnectionsPeak
		}
	}
	if connections == 0 {
		return loadgen.DefaultMaxConnections
	}
	return int64(connections)
}

// warningTexts is never nil, so that programs find an empty list.
func warningTexts(warnings []record.Warning) []string {
	texts := []string{}
	for _, w := range warnings {
		texts = append(texts, w.Text.In("en"))
	}
	return texts
}
