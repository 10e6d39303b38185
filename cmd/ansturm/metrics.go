package main

import (
	"fmt"
	"net"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet"
)

// metrics is a run's page for Prometheus while it lasts:
//
//	ansturm_arrivals, ansturm_shots{…}                               of the run, so far
//	ansturm_worker_…{worker,name}                                    of each worker's last epoch, as it last said
type metrics struct {
	progress func() loadgen.Progress
	workers  func() []fleet.Worker // nil: no fleet fires
}

// serve serves the page at an address, until the function it gives is called; an empty one asks for none.
func (m metrics) serve(address string) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, inputError(fmt.Errorf("--metrics: %w", err), "name a free port of this machine, like 127.0.0.1:9464")
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ended by stop
	}()
	return func() {
		_ = server.Close()
		<-done
	}, nil
}

// ServeHTTP writes the page as OpenMetrics.
func (m metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	format := expfmt.NewFormat(expfmt.TypeOpenMetrics)
	w.Header().Set("Content-Type", string(format))
	out := expfmt.NewEncoder(w, format)
	for _, f := range m.families() {
		if out.Encode(f) != nil {
			return // who asked has gone
		}
	}
	if c, ok := out.(expfmt.Closer); ok {
		_ = c.Close()
	}
}

// families are all series, each with its values now.
func (m metrics) families() []*dto.MetricFamily {
	p := m.progress()
	arrivals := counterFamily("ansturm_arrivals_total", "Arrivals by what came of them so far.")
	for _, x := range []struct {
		fate string
		n    int64
	}{{"completed", p.Completed}, {"failed", p.Failed}, {"indeterminate", p.Indeterminate}, {"unsent", p.Unsent}} {
		arrivals.add(float64(x.n), "fate", x.fate)
	}
	all := []*family{
		gaugeFamily("ansturm_arrivals_planned", "Arrivals of the whole run.").add(float64(p.Total)),
		gaugeFamily("ansturm_arrivals_in_flight", "Arrivals that have begun and have no fate yet.").add(float64(p.InFlight)),
		arrivals,
		counterFamily("ansturm_shots_total", "Shots that have ended.").add(float64(p.Shots)),
		counterFamily("ansturm_shots_late_total", "Shots that went out late.").add(float64(p.Late)),
		gaugeFamily("ansturm_lateness_p99_seconds", "99th percentile of the shots' lateness in the last second; of a fleet, that of its latest worker.").add(p.LatenessP99.Seconds()),
	}
	if m.workers != nil {
		all = append(all, workerFamilies(lastEpochs(m.workers()))...)
	}
	families := make([]*dto.MetricFamily, len(all))
	for i, f := range all {
		families[i] = &f.MetricFamily
	}
	return families
}

// workerFamilies are a fleet's series by worker.
func workerFamilies(workers []fleet.Worker) []*family {
	series := []struct {
		*family
		value func(w *fleet.Worker) float64
	}{
		{counterFamily("ansturm_worker_shots_total", "Shots that have ended, of the worker's epoch."), func(w *fleet.Worker) float64 { return float64(w.Beat.Progress.Shots) }},
		{gaugeFamily("ansturm_worker_epoch", "How many times the worker has begun."), func(w *fleet.Worker) float64 { return float64(w.Epoch) }},
		{gaugeFamily("ansturm_worker_lateness_p99_seconds", "99th percentile of its shots' lateness in the last second."), func(w *fleet.Worker) float64 { return w.Beat.Progress.LatenessP99.Seconds() }},
		{gaugeFamily("ansturm_worker_processors", "Processors that it used in the last second."), func(w *fleet.Worker) float64 { return w.Beat.Progress.CPU }},
		{gaugeFamily("ansturm_worker_frames_waiting", "Frames that the record does not have yet."), func(w *fleet.Worker) float64 { return float64(w.Beat.Waiting) }},
		{gaugeFamily("ansturm_worker_heard_seconds", "Time since its last heartbeat."), func(w *fleet.Worker) float64 { return w.Heard.Seconds() }},
		{gaugeFamily("ansturm_worker_clock_offset_seconds", "How far the coordinator's clock is ahead of its own."), func(w *fleet.Worker) float64 { return w.Beat.Offset.Seconds() }},
		{gaugeFamily("ansturm_worker_clock_uncertainty_seconds", "How far that offset may be from the truth."), func(w *fleet.Worker) float64 { return w.Beat.Uncertainty.Seconds() }},
	}
	families := make([]*family, len(series))
	for i, s := range series {
		for k := range workers {
			w := &workers[k]
			s.add(s.value(w), "worker", fmt.Sprint(w.Worker), "name", w.Name)
		}
		families[i] = s.family
	}
	return families
}

// family is series of one name.
type family struct{ dto.MetricFamily }

func counterFamily(name, help string) *family { return newFamily(name, help, dto.MetricType_COUNTER) }
func gaugeFamily(name, help string) *family   { return newFamily(name, help, dto.MetricType_GAUGE) }

func newFamily(name, help string, kind dto.MetricType) *family {
	f := &family{}
	f.Name, f.Help, f.Type = &name, &help, &kind
	return f
}

// add adds a value, with labels in pairs of name and value.
func (f *family) add(value float64, labels ...string) *family {
	m := &dto.Metric{}
	for i := 0; i+1 < len(labels); i += 2 {
		m.Label = append(m.Label, &dto.LabelPair{Name: &labels[i], Value: &labels[i+1]})
	}
	if f.GetType() == dto.MetricType_COUNTER {
		m.Counter = &dto.Counter{Value: &value}
	} else {
		m.Gauge = &dto.Gauge{Value: &value}
	}
	f.Metric = append(f.Metric, m)
	return f
}
