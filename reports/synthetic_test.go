package reports

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

// The synthetic rush: 150 municipalities, 18 minutes, a peak at minute 13, on a platform whose autoscalers may go to
// three replicas (before) or to what is needed (after). Queues are fluid, one a tenant; what a pod carries is scaled
// with the total, so that small records have the shape of the large one.
const (
	municipalities = 150
	rush           = 18 * time.Minute
)

var begun = time.Date(2026, 2, 14, 9, 0, 0, 0, time.UTC)

func rushScenario(total int64) *scenarios.Scenario {
	share := 0.15
	s := &scenarios.Scenario{
		Name: "briefwahl", Title: scenarios.Text{"de": "Briefwahlanträge", "en": "Absentee-ballot applications"},
		On:       time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC),
		Arrivals: scenarios.Arrivals{Total: total, Over: rush},
		Journeys: []scenarios.Journey{{Name: "apply", Steps: []scenarios.Step{{Name: "form", Share: &share, URL: "/form"}, {Name: "submit", Method: "POST", URL: "/submit"}}}},
		SLOs: []scenarios.SLO{
			{Name: "submit-in-2s", Step: "submit", Percentile: 95, Within: 2 * time.Second, Errors: 0.01, Window: time.Minute},
			{Name: "form-in-1s", Step: "form", Percentile: 95, Within: time.Second, Errors: 0.01, Window: time.Minute},
		},
	}
	for i := range municipalities {
		s.Tenants.List = append(s.Tenants.List, scenarios.Tenant{
			Name: fmt.Sprintf("gemeinde-%03d", i+1), Title: fmt.Sprintf("Gemeinde %03d", i+1), Weight: math.Pow(float64(i+1), -0.8),
		})
	}
	return s
}

func rushPlatform(nodes int) *scenarios.Platform {
	return &scenarios.Platform{
		Name: "rechenzentrum", Title: scenarios.Text{"de": "Antragsplattform im Rechenzentrum", "en": "application platform, data centre"},
		Pools: []scenarios.NodePool{{Name: "vm", Count: nodes, LeadTime: 4 * time.Hour}, {Name: "dedicated", Count: 4, LeadTime: 72 * time.Hour}},
	}
}

// rushRate is the shape of the rush at t, 1 at its top.
func rushRate(t time.Duration) float64 {
	m := t.Minutes()
	if m < 13 {
		return 0.28 + 0.72*math.Exp((m-13)/2.6)
	}
	return 0.18 + 0.82*math.Exp((13-m)/1.1)
}

// fired writes the record of a synthetic rush and judges it.
func fired(t testing.TB, total int64, after bool) *Fired {
	t.Helper()
	purpose, nodes := "surge", 14
	if after {
		purpose, nodes = "verify", 23
	}
	dir := filepath.Join(t.TempDir(), purpose)
	w, err := record.Create(dir, record.Run{
		ID: "briefwahl-" + purpose, Ansturm: "v0.1.0", Go: "go1.26", Purpose: purpose, Scenario: rushScenario(total),
		Platform: rushPlatform(nodes), Target: "lab", Speed: 10, Workers: 1, StartedAt: begun,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &rusher{w: w, sh: w.Shard(), rng: rand.New(rand.NewPCG(7, uint64(total))), total: total, after: after, accepted: roaring.New()}
	r.play()
	file, err := w.WriteAccepted(r.accepted)
	if err != nil {
		t.Fatal(err)
	}
	err = w.Close(begun.Add(rush/10), func(run *record.Run) {
		run.Lab = &record.LabAccount{Accepted: int64(r.accepted.GetCardinality()), File: file, LatenessP99: time.Millisecond, Limit: 5 * time.Millisecond, Valid: true}
		run.Validity = record.Validity{Valid: true, LatenessP50: 40 * time.Microsecond, LatenessP99: 900 * time.Microsecond, LatenessMax: 6 * time.Millisecond, LatenessLimit: 10 * time.Millisecond}
	})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := gate.Judge(rec, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Fired{Record: rec, Verdict: verdict}
}

// rusher plays one synthetic rush into a writer, second by second.
type rusher struct {
	sh       *record.Shard
	w        *record.Writer
	rng      *rand.Rand
	total    int64
	after    bool
	seq      uint32
	accepted *roaring.Bitmap
	pods     int
}

type town struct {
	weight, share, queue, load float64
	ready, current             int32
	starting                   []time.Duration // when the next pods are ready
}

func (r *rusher) play() {
	towns, weights := make([]town, municipalities), 0.0
	for i := range towns {
		towns[i].weight = math.Pow(float64(i+1), -0.8)
		weights += towns[i].weight
	}
	shape := 0.0
	for s := range int(rush.Seconds()) {
		shape += rushRate(time.Duration(s) * time.Second)
	}
	for i := range towns {
		towns[i].share = towns[i].weight / weights
		low, _, _ := r.autoscaling(towns[i].share)
		towns[i].ready, towns[i].current = low, low
		r.replicas(0, i, low, &towns[i])
	}
	cumulative := make([]float64, len(towns))
	owed := 0.0
	for s := range int(rush.Seconds()) {
		now := time.Duration(s) * time.Second
		owed += rushRate(now) / shape * float64(r.total)
		n := int(owed)
		if s == int(rush.Seconds())-1 {
			n = int(r.total) - int(r.seq)
		}
		owed -= float64(n)
		sum := 0.0
		for i := range towns {
			sum += towns[i].weight
			cumulative[i] = sum
		}
		dues := make([]time.Duration, n)
		for i := range dues {
			dues[i] = now + time.Duration(r.rng.Int64N(int64(time.Second)))
		}
		slices.Sort(dues)
		for _, due := range dues {
			i, _ := slices.BinarySearch(cumulative, r.rng.Float64()*sum)
			r.arrive(due, int32(min(i, len(towns)-1)), &towns[min(i, len(towns)-1)])
		}
		for i := range towns {
			r.second(now+time.Second, i, &towns[i])
		}
		if s%5 == 0 {
			r.w.Event(record.Event{At: now, Source: "lab", Kind: record.KindLab, Values: map[string]float64{"lateness_p99_seconds": 0.0006 + 0.0004*r.rng.Float64()}})
		}
	}
}

// perPod is how many submissions a pod carries a second.
func (r *rusher) perPod() float64 { return 3.3 * float64(r.total) / 600_000 }

func (r *rusher) arrive(due time.Duration, tenant int32, t *town) {
	wait := time.Duration(max(0, t.queue/(float64(t.ready)*r.perPod())-1.5) * float64(time.Second))
	t.queue++
	t.load++
	late := time.Duration(r.rng.ExpFloat64() * float64(2*time.Millisecond))
	sample := record.Sample{Seq: r.seq, Tenant: tenant, Step: 1, Due: due, Sent: due + late}
	work := time.Duration(math.Exp(r.rng.NormFloat64()*0.35) * float64(220*time.Millisecond))
	sample.Done = sample.Sent + wait + work
	fate := record.Completed
	switch {
	case t.queue > 36*float64(t.ready)*max(r.perPod()/3.3, 0.05)*3.3 && r.rng.Float64() < 0.5:
		sample.Outcome, sample.Done = record.Failed, sample.Sent+5*time.Millisecond
		t.queue--
		fate = record.FailedArrival
	case wait > 30*time.Second:
		sample.Outcome, sample.Done = record.TimedOut, sample.Sent+30*time.Second
		fate = record.Indeterminate
	}
	sample.FirstByte = sample.Done
	if r.rng.Float64() < 0.15 {
		form := record.Sample{Seq: r.seq, Tenant: tenant, Due: due, Sent: due + late, Done: due + late + wait/3 + work/2}
		form.FirstByte = form.Done
		r.sh.Sample(form)
	}
	r.sh.Sample(sample)
	r.sh.Fate(r.seq, fate)
	if fate != record.FailedArrival {
		r.accepted.Add(r.seq)
	}
	r.seq++
}

// second lets a tenant's pods work for a second and its autoscaler decide every fifteen.
func (r *rusher) second(now time.Duration, i int, t *town) {
	t.queue = max(0, t.queue-float64(t.ready)*r.perPod())
	came := 0
	for len(t.starting) > came && t.starting[came] <= now {
		came++
	}
	if came > 0 {
		t.starting = t.starting[came:]
		t.ready += int32(came)
		r.replicas(now, i, t.current, t)
	}
	if int(now.Seconds())%15 != i%15 {
		return
	}
	_, top, target := r.autoscaling(t.share)
	if busy := t.load / 15 / (float64(t.ready) * r.perPod()); busy > 0.8 && !r.after { // at their limits
		r.w.Event(record.Event{At: now, Source: "scrape", Kind: record.KindThrottling, Tenant: name(i), Workload: "antrag", Object: "antrag-0", Values: map[string]float64{
			"window_seconds": 15, "periods": 150, "throttled_periods": math.Round(min(1, busy-0.6) * 150), "throttled_seconds": 9 * min(1, busy),
		}})
	}
	desired := int32(math.Ceil(t.load / 15 / (r.perPod() * target)))
	t.load = 0
	desired = min(max(desired, t.current), top, t.current*2+4)
	if desired > t.current {
		r.w.Event(record.Event{At: now, Source: "lab", Kind: record.KindScale, Tenant: name(i), Workload: "antrag", From: t.current, Desired: desired})
		for range desired - t.current {
			t.starting = append(t.starting, r.pod(now, i))
		}
		slices.Sort(t.starting)
		t.current = desired
		r.replicas(now, i, desired, t)
	}
}

// autoscaling are least and most replicas, and the target, of a tenant with that share of the rush.
func (r *rusher) autoscaling(share float64) (low, top int32, target float64) {
	if r.after {
		return int32(math.Ceil(share*360)) + 1, int32(math.Ceil(share*1000)) + 2, 0.45
	}
	return int32(math.Ceil(share * 150)), int32(math.Ceil(share * 270)), 0.8
}

func name(i int) string { return fmt.Sprintf("gemeinde-%03d", i+1) }

func (r *rusher) replicas(at time.Duration, i int, desired int32, t *town) {
	r.w.Event(record.Event{At: at, Source: "lab", Kind: record.KindReplicas, Tenant: name(i), Workload: "antrag", Desired: desired, Current: t.current, Ready: t.ready})
}

// pod writes a pod's way and gives when it is ready.
func (r *rusher) pod(at time.Duration, i int) time.Duration {
	r.pods++
	object := fmt.Sprintf("antrag-%d", r.pods)
	step := func(phase string, median, sigma float64) {
		if median > 0 {
			at += time.Duration(median * math.Exp(r.rng.NormFloat64()*sigma) * float64(time.Second))
		}
		r.w.Event(record.Event{At: at, Source: "lab", Kind: record.KindPod, Tenant: name(i), Workload: "antrag", Object: object, Phase: phase})
	}
	at += time.Millisecond
	step(record.PhaseCreated, 0, 0)
	step(record.PhaseScheduled, 0.12, 0.2)
	if r.rng.Float64() < 0.3 {
		step(record.PhasePulled, 6, 0.5)
	}
	step(record.PhaseStarted, 1.4, 0.3)
	step(record.PhaseReady, 14, 0.35)
	ready := at
	step(record.PhaseServing, 1.1, 0.4)
	return ready
}

// rushPlan is a plan by hand, as the planner would give it for the synthetic rush.
func rushPlan(total int64) *planner.Plan {
	p := &planner.Plan{
		Format: 1, Scenario: rushScenario(total), Before: rushPlatform(14), Platform: rushPlatform(23), Stands: gate.Fail, Mendable: true,
		Pools: []planner.PoolPlan{
			{Pool: "vm", Now: 14, Planned: 23, LowerBound: 22, LeadTime: 4 * time.Hour, OrderBy: time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC), BoundBy: scenarios.Text{"de": "CPU der gleichzeitig nötigen Pods", "en": "CPU of the pods needed at the same time"}},
			{Pool: "dedicated", Now: 4, Planned: 4, LowerBound: 4, LeadTime: 72 * time.Hour},
		},
		Risk: planner.Risk{Delta: 0.01, Worlds: 512, Broken: 1, Upper: 0.0092},
		Notch: planner.Notch{
			Kind: "node", What: scenarios.Text{"de": "Ein Knoten weniger: 22 statt 23", "en": "One node fewer: 22 instead of 23"},
			Breaks: scenarios.Text{"de": "Fällt Knoten vm-3 aus, finden 11 Pods keinen Platz; in Gemeinde 001 sind dann 23 % der Anfragen zu langsam.", "en": "when node vm-3 is lost, 11 pods find no room; 23 % of the requests in Gemeinde 001 are then too slow."},
		},
		Constraints: []scenarios.Text{
			{"de": "Fällt ein Knoten aus, müssen alle 615 Pods der Spitze auf den übrigen 22 Knoten Platz haben", "en": "When a node is lost, all 615 pods of the peak must find room on the other 22 nodes"},
			{"de": "Neue Pods nehmen frühestens nach etwa 17 Sekunden Anfragen an: Was vorher kommt, tragen die 580 Pods der Mindestzahl", "en": "New pods take requests after 17 seconds at the earliest: what comes before is carried by the 580 pods of the minimum"},
			{"de": "Ein Knoten braucht von der Bestellung bis zum Betrieb 4 Stunden: Während des Ansturms kommt keiner hinzu", "en": "A node takes 4 hours from order to use: none joins during the rush"},
		},
		Evidence: []fit.Source{{ID: "cal-1", Purpose: "calibration"}, {ID: "briefwahl-surge", Purpose: "surge"}},
		Warnings: []record.Warning{{Code: "lab", Text: scenarios.Text{"de": "Gemessen auf der eingebauten Modellplattform; vor der Bestellung ist ein Lauf auf dem eigenen Cluster nötig.", "en": "Measured on the embedded model platform; before ordering, a run on the real cluster is needed."}}},
		Model:    rushModel(),
	}
	for i := range municipalities {
		peak := math.Ceil(math.Pow(float64(i+1), -0.8) * 29)
		minimum := int32(2)
		p.Tenants = append(p.Tenants, planner.TenantPlan{
			Tenant: name(i), Workload: "antrag", Before: hpaSpec(80, 1, 3), HPA: *hpaSpec(50, max(minimum, int32(peak/3)), int32(peak)+4),
			Clairvoyant: int32(peak) - 1, Target: 50, Min: max(minimum, int32(peak/3)), Max: int32(peak) + 4, Peak: fit.Estimate{Value: peak, Low: math.Floor(peak * 0.9), High: math.Ceil(peak * 1.15)},
		})
	}
	for i := range 14 {
		risk := math.Min(1, math.Exp(-float64(i)*0.62)*1.4)
		p.Frontier = append(p.Frontier, planner.Candidate{
			Nodes: 18 + i, Target: int32(70 - 5*(i%5)), ReplicaHours: 120 + 9*float64(i), Cost: 18 + float64(i) + 0.09*float64(i%5),
			Risk: risk, RiskUpper: math.Min(1, risk+0.004+0.03*risk), Chosen: i == 9,
		})
	}
	p.Prediction.Step = 5 * time.Second
	for i := range 216 {
		at := time.Duration(i) * p.Prediction.Step
		offered := rushRate(at) * float64(total) / 376
		p.Prediction.Offered, p.Prediction.Served = append(p.Prediction.Offered, offered), append(p.Prediction.Served, offered)
		p.Prediction.Ready = append(p.Prediction.Ready, 560+420*max(0, min(1, (at.Minutes()-8)/5)))
		p95 := 0.38 + 0.25*rushRate(at)
		p.Prediction.P95, p.Prediction.P95Low, p.Prediction.P95High = append(p.Prediction.P95, p95), append(p.Prediction.P95Low, 0.85*p95), append(p.Prediction.P95High, p95*(1+0.6*rushRate(at)))
	}
	p.Validation = []planner.Comparison{
		{Figure: scenarios.Text{"de": "Beginn des ersten Bruchs", "en": "start of the first break"}, Unit: "s", Predicted: 408, Low: 360, High: 480, Measured: 420},
		{Figure: scenarios.Text{"de": "p95 in der Spitzenminute", "en": "p95 in the peak minute"}, Unit: "s", Predicted: 27.4, Low: 24.1, High: 29.9, Measured: 30},
	}
	return p
}

func hpaSpec(target, low, high int32) *autoscalingv2.HorizontalPodAutoscalerSpec {
	return &autoscalingv2.HorizontalPodAutoscalerSpec{MinReplicas: &low, MaxReplicas: high, Metrics: []autoscalingv2.MetricSpec{{
		Type:     autoscalingv2.ResourceMetricSourceType,
		Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{AverageUtilization: &target}},
	}}}
}

func rushModel() *fit.Model {
	rng := rand.New(rand.NewPCG(1, 2))
	c := fit.Capacity{KneeObserved: true}
	for range 160 {
		n := 1 + rng.Float64()*29
		c.Points = append(c.Points, fit.CapacityPoint{Replicas: math.Round(n), Throughput: usl(3.3, 0.008, 0.00035, math.Round(n)) * (1 + 0.05*rng.NormFloat64()), Utilisation: 0.9})
	}
	draws := func(v, sd float64) fit.Estimate {
		e := fit.Estimate{Value: v, Low: v * (1 - 1.64*sd), High: v * (1 + 1.64*sd)}
		for range 200 {
			e.Draws = append(e.Draws, v*(1+sd*rng.NormFloat64()))
		}
		return e
	}
	c.Gamma, c.Alpha, c.Beta = draws(3.3, 0.03), draws(0.008, 0.2), draws(0.00035, 0.2)
	w := &fit.WorkloadModel{Capacity: c, Memory: &fit.Memory{Known: true}}
	for _, run := range []string{"cal-1", "cal-2"} {
		for i := range 24 {
			at, cores := time.Duration(i)*3*time.Second, 20+10*float64(i%5)
			w.Residuals = append(w.Residuals, fit.Residual{Run: run, At: at, Predicted: cores, Observed: cores + 0.4*rng.NormFloat64()})
			bytes := 256*mebibyte + 1e6*float64(i%5)
			w.Memory.Residuals = append(w.Memory.Residuals, fit.Residual{Run: run, At: at, Predicted: bytes, Observed: bytes + 3e5*rng.NormFloat64()})
		}
	}
	return &fit.Model{Level: 0.9, Workloads: map[string]*fit.WorkloadModel{"antrag": w}, Parameters: []fit.Parameter{
		{Kind: fit.KindDemand, Status: fit.Known, Value: 0.149, Low: 0.147, High: 0.151, Unit: "s", Name: scenarios.Text{"de": "antrag: Rechenzeit des Schritts submit", "en": "antrag: CPU time of step submit"}},
		{Kind: fit.KindMemory, Status: fit.Known, Value: 1.05e6, Low: 1.01e6, High: 1.1e6, Unit: "bytes", Name: scenarios.Text{"de": "antrag: Arbeitsspeicher je offener Anfrage", "en": "antrag: memory of a request in flight"}},
		{Kind: fit.KindBackend, Of: "meldung", Status: fit.Assumed, Low: 410, Unit: "1/s", Settles: fit.RunBackends, Name: scenarios.Text{"de": "Hintergrunddienst meldung: höchster Durchsatz", "en": "back end meldung: most it serves"}},
		{Kind: fit.KindNeighbours, Status: fit.Unknown, Settles: fit.RunLoud, Name: scenarios.Text{"de": "Knotenpool vm: Einfluss lauter Nachbarn", "en": "node pool vm: effect of loud neighbours"}},
	}}
}

// rushInput is the whole input: a run that fails, a plan, and its proof.
func rushInput(t testing.TB, total int64) *Input {
	in := &Input{Surge: fired(t, total, false), VerifyRun: fired(t, total, true), Plan: rushPlan(total), Made: time.Date(2026, 2, 16, 7, 30, 0, 0, time.UTC)}
	in.Calibration, in.Surge.Record.Run.Fleet = []*record.Record{in.Surge.Record}, rushFleet()
	in.Verify = &planner.Verification{Format: 1, Verdict: in.VerifyRun.Verdict, Comparisons: []planner.Comparison{
		{Figure: scenarios.Text{"de": "größte Zahl bereiter Replikate", "en": "most replicas ready"}, Predicted: 588, Low: 560, High: 640, Measured: 601},
	}}
	return in
}

// rushFleet are three load generators, of which one stood still and came back.
func rushFleet() *record.Fleet {
	f := &record.Fleet{Parts: 256, Hold: 3 * time.Second, Coordinators: 1}
	add := func(worker, epoch uint32, ended string, lost int64, c *record.FleetClock, skew time.Duration) {
		if skew > 0 {
			c.Skew = &skew
		}
		f.Epochs = append(f.Epochs, record.FleetEpoch{
			Worker: worker, Epoch: epoch, Name: fmt.Sprintf("last-%d", worker), Host: fmt.Sprintf("last-%02d", worker), Processors: 4, Ended: ended, Lost: lost, Clock: c,
		})
	}
	const us = time.Microsecond
	add(1, 1, record.EpochDone, 0, &record.FleetClock{Offset: 41 * us, Uncertainty: 66 * us, Worst: 90 * us, Drift: 0.2, DriftUncertainty: 1.3, Apart: 120 * us}, 131*us)
	add(2, 1, record.EpochFenced, 0, &record.FleetClock{Offset: -5_000_312 * us, Uncertainty: 151 * us, Worst: 240 * us, Drift: -3.4, DriftUncertainty: 2.1, Apart: 310 * us}, 228*us)
	add(2, 2, record.EpochDone, 0, &record.FleetClock{Offset: -5_000_355 * us, Uncertainty: 140 * us, Worst: 180 * us, Drift: -3.1, DriftUncertainty: 3.5, Apart: 275 * us}, 0)
	add(3, 1, record.EpochDead, 143, nil, 0)
	return f
}
