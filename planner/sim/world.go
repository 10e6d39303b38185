package sim

import (
	"math"
	"slices"

	"github.com/ansturm/ansturm/planner/hpa"
	"github.com/ansturm/ansturm/planner/pack"
)

// world is the state of one run.
type world struct {
	end, last   int // seconds
	tenants     []tenant
	pods        []pod
	free        []int32 // pods that can be used again
	waiting     []int32 // pods no node has been found for yet, oldest first
	kick        bool    // there may be room now
	mostPending int

	cluster       *pack.Cluster
	nodes         []nodeState
	nodesOf       []Node // what cluster was made of
	images        int
	overcommitted bool
	thirsty       []thirst

	rollouts int // begun

	scalers    []scaler
	syncs      []float64 // by tenant: its autoscaler's next sync; +Inf where nothing comes of any
	scrapes    int
	past       int
	each       []float64 // past × tenant: the counters at the past seconds
	input      hpa.Input
	containers []hpa.Container

	kinds    []int // by workload: those of the same work share a mix
	mixes    []mix // by kind, of the present second
	backends []backendState
	shape    []float64   // shots of all steps in each second
	frac     [][]float64 // step, second: its share of shape, behind the door
	door     doorState
	stretch  []float64 // kind × promise: share of Within left for the CPU phase
	busyTime []float64 // kind × step: seconds in back ends now

	ring, minutes int
	leastLag      int // shortest of lags and patience
	leastStretch  float64
	ahead         int       // seconds of the ring of those who will come again, a power of two
	v             []float64 // work so far, ring × tenant
	came          []float64 // requests taken in, ring × tenant
	waits         []float64 // seconds in the backlog, ring × tenant
	lags          []int     // by promise, in beats
	patience      []int     // beats, equally likely
	// What came of the shots, minute × tenant × step; a minute's lie together, since all are counted up in it.
	shots  []float32
	failed []float32
	early  []float32 // of the failed, those never looked up as slow: refused, lost, left before any bound
	slow   []float32 // minute × tenant × promise

	desired  int     // replicas of all tenants
	hours    float64 // replica-seconds
	scalings int
	refused  float64
	lost     float64
	arrived  float64
	served   float64
	left     float64

	refusedBehind float64
	detail        series
}

// tenant is one tenant's server and control state.
type tenant struct {
	asleep         bool    // empty for so long that nobody's fate is looked up any more
	kind           int     // of its workload
	weight         float64 // of the arrivals
	change         float64 // when the pods' state changes next
	idle           float64 // cores a pod burns without a request; 0 without pods
	coming         float64 // persons who will come again
	arrive, depart clockwork
	chances        source  // of arrivals and departures, by second
	n, held        float64 // requests before or in the CPU phase; in back ends
	v              float64
	last           int // the last beat in which requests were taken in
	waited         int // until that beat some request may have waited in the backlog

	// capacity in cores of work a second; parallel requests at speed each; burn is cores used when all are busy.
	capacity, parallel, speed, burn, threads, room float64
	inRotation                                     int
	perPod, apart                                  float64 // 1/parallel; 1 − 1/pods
	beat, second                                   pace
	most, decayFor                                 float64 // departures of a beat; the mean work that they are tuned for
	burns                                          float64 // core-seconds a request takes in all

	cpu      float64 // core-seconds so far
	served   served
	serveAt  float64 // when the last scrape is served; −1: it is
	houses   source  // of the pods' readings
	pods     []int32
	gauges   []gauge // of the pods, in their order
	desired  int
	peak     int
	sets     sets
	rolling  *Rollout // nil: none is on
	image    int
	oldImage int
	podDraws source

	retries [mostRetries + 1][]float64 // by number of tries, a ring of the seconds ahead
	tries   [mostRetries + 1]float64   // share of the present arrivals by number of tries
}

// mix is what the average request of a workload costs at the present mix of steps.
type mix struct {
	mean    float64 // CPU seconds
	behind  float64 // seconds in back ends
	stayFor float64 // seconds in back ends, for which there are …
	beat    stay    // … this stay over a beat
	second  stay    // … and over a second
	most    float64 // largest work of a request, CPU seconds
	visits  []float64
	cpuOnly bool
}

func (r *Runner) reset(p *Params, w World) error {
	if p != r.p {
		if err := p.validate(); err != nil {
			return err
		}
		r.sort(p)
	}
	if w.Demand == 0 {
		w.Demand = 1
	}
	r.p, r.w = p, w
	r.measure()
	r.lay()
	r.pods, r.free, r.waiting = r.pods[:0], r.free[:0], r.waiting[:0]
	r.hours, r.scalings, r.refused, r.lost, r.arrived, r.served, r.left = 0, 0, 0, 0, 0, 0, 0
	r.refusedBehind, r.mostPending, r.rollouts, r.desired = 0, 0, 0, 0
	r.resetNodes()
	if err := r.resetScalers(); err != nil {
		return err
	}
	r.resetTenants()
	r.resetDoor()
	r.detail.reset(r)
	return nil
}

// sort finds the workloads of the same work: a plan has many that differ only in their autoscaling.
func (r *Runner) sort(p *Params) {
	r.kinds = r.kinds[:0]
	var first []int // workload of each kind
	for i := range p.Workloads {
		kind := slices.IndexFunc(first, func(k int) bool {
			return slices.EqualFunc(p.Workloads[i].Work, p.Workloads[k].Work, func(a, b Work) bool {
				return a.Mean == b.Mean && a.Tail == b.Tail && slices.Equal(a.Backends, b.Backends)
			})
		})
		if kind < 0 {
			kind, first = len(first), append(first, i)
		}
		r.kinds = append(r.kinds, kind)
	}
}

// measure works out lengths: how far back a shot's fate is looked up, and how many minutes there are.
func (r *Runner) measure() {
	p := r.p
	r.lags = r.lags[:0]
	far := 1
	for _, q := range p.Promises {
		lag := max(1, int(math.Ceil(q.Within/beat)))
		r.lags = append(r.lags, lag)
		far = max(far, lag)
	}
	r.patience = r.patience[:0]
	timeout := p.Timeout
	if timeout <= 0 {
		timeout = 60
	}
	if p.Impatience == nil {
		r.patience = append(r.patience, max(1, int(timeout/beat)))
	} else {
		for _, i := range [...]int{5, 16, 27, 37, 48, 58} {
			r.patience = append(r.patience, max(1, int(math.Min(timeout, p.Impatience.Patience[i])/beat)))
		}
	}
	for _, lag := range r.patience {
		far = max(far, lag)
	}
	r.leastLag = slices.Min(r.patience)
	if len(r.lags) > 0 {
		r.leastLag = min(r.leastLag, slices.Min(r.lags))
	}
	seconds := 0
	for _, s := range p.Shape {
		seconds = max(seconds, len(s))
	}
	r.end = max(seconds, int(math.Ceil(p.Length))) + far/beats + 2
	for r.ring = 8; r.ring < far+2; r.ring *= 2 {
	}
	r.ahead = 4
	if p.Impatience != nil {
		for ; r.ahead < int(p.Impatience.After[63])+4; r.ahead *= 2 {
		}
	}
	r.layShape(seconds)
	r.last = r.end + 600 + r.drain()
	r.minutes = r.last/60 + 1
	if p.Door != nil {
		r.stretchShape(r.last)
	}
}

func (r *Runner) layShape(seconds int) {
	p := r.p
	r.shape = resize(r.shape, seconds)
	if len(r.frac) != len(p.Steps) {
		r.frac = make([][]float64, len(p.Steps))
	}
	clear(r.shape)
	for _, s := range p.Shape {
		for i, x := range s {
			r.shape[i] += x
		}
	}
	for k := range p.Steps {
		r.frac[k] = resize(r.frac[k], seconds)
		for i := range seconds {
			r.frac[k][i] = 1 / float64(len(p.Steps))
			if i < len(p.Shape[k]) && r.shape[i] > 0 {
				r.frac[k][i] = p.Shape[k][i] / r.shape[i]
			}
		}
	}
}

// stretchShape lets the shape go on with nobody new, for those who come through the door late; who comes again then
// does so in the surge's mean mix.
func (r *Runner) stretchShape(length int) {
	seconds := len(r.shape)
	r.shape = resize(r.shape, length)
	clear(r.shape[seconds:])
	total := 0.0
	for _, x := range r.shape[:seconds] {
		total += x
	}
	for k := range r.frac {
		sum := 0.0
		for s, x := range r.shape[:seconds] {
			sum += x * r.frac[k][s]
		}
		r.frac[k] = resize(r.frac[k], length)
		for s := seconds; s < length; s++ {
			r.frac[k][s] = sum / math.Max(total, 1e-9)
		}
	}
}

// lay makes room for rings and windows.
func (r *Runner) lay() {
	p := r.p
	n := len(p.Tenants)
	r.v = zeroed(r.v, n*r.ring)
	r.came = zeroed(r.came, n*r.ring)
	r.waits = zeroed(r.waits, n*r.ring)
	r.shots = zeroed(r.shots, n*len(p.Steps)*r.minutes)
	r.early = zeroed(r.early, n*len(p.Steps)*r.minutes)
	r.failed = zeroed(r.failed, n*len(p.Steps)*r.minutes)
	r.slow = zeroed(r.slow, n*len(p.Promises)*r.minutes)
	kinds := slices.Max(r.kinds) + 1
	r.stretch = zeroed(r.stretch, len(p.Promises)*kinds)
	r.busyTime = zeroed(r.busyTime, len(p.Steps)*kinds)
	r.mixes = resize(r.mixes, kinds)
	for i := range r.mixes {
		r.mixes[i].stayFor = 0 // of another world
	}
	r.backends = resize(r.backends, len(p.Backends))
	for i := range r.backends {
		r.backends[i] = backendState{
			speed: 1, come: clockwork{source: hashed(r.w.Seed, uint64(i), 8)}, leave: clockwork{source: hashed(r.w.Seed, uint64(i), 9)},
		}
	}
}

func (r *Runner) resetTenants() {
	r.tenants = resize(r.tenants, len(r.p.Tenants))
	r.keepCounters()
	for i := range r.tenants {
		t := &r.tenants[i]
		old := *t
		seed := r.w.Seed
		*t = tenant{
			kind:     r.kinds[r.p.Tenants[i].Workload],
			weight:   r.p.Tenants[i].Weight,
			chances:  hashed(seed, uint64(i), 6),
			arrive:   clockwork{source: hashed(seed, uint64(i), 1)},
			depart:   clockwork{source: hashed(seed, uint64(i), 2)},
			podDraws: hashed(seed, uint64(i), 3),
			houses:   hashed(seed, uint64(i), 5),
			serveAt:  -1,
			pods:     old.pods[:0],
			gauges:   old.gauges[:0],
			retries:  old.retries,
		}
		t.arrive.left = float64(units[t.arrive.next()>>drawShift])
		t.depart.left = float64(units[t.depart.next()>>drawShift])
		t.tries[0] = 1
		for g := range t.retries {
			if len(t.retries[g]) != r.ahead {
				t.retries[g] = nil
			}
			clear(t.retries[g])
		}
		r.startPods(i)
	}
}

// resize gives a slice of length n, with the old contents where it is long enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		grown := make([]T, n)
		copy(grown, s[:cap(s)])
		return grown
	}
	return s[:n]
}

func zeroed[T any](s []T, n int) []T {
	s = resize(s, n)
	clear(s)
	return s
}
