// Package record is the boundary between what happens in real time and everything computed from it: the run record,
// a directory of plain files that other tools open.
//
//	run.json        who, what, when, with which scenario and platform, totals, validity evidence
//	latency.hlog    HdrHistogram interval log (V2), one tagged interval a window
//	ledger/         where every arrival ended: append-only, CRC-framed, one file a worker epoch
//	timeline.jsonl  what the cluster did, one event a line
//	created.jsonl   what the run made at its target, one id a line
//	metrics.om      OpenMetrics text with timestamps, written at the close
//
// The way of the data: [Create] → Shard.Sample, Shard.Fate, Shard.Created, Writer.Event → Close; then [Open] → Windows,
// Ledger, Timeline, Created, Account. A record killed at any moment opens, says what is missing, and what it holds adds up.
//
// A record is the sum of [Delta]s. Where several workers fire, each has a [Collector] in the Writer's place, and whoever
// keeps the record merges what they give: [Fold] → Writer.Parse, Writer.Merge → Settle, Close. One process is the special
// case: its own shards' deltas are merged without being sent.
package record

import (
	"fmt"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// FormatVersion is the format this package writes; it reads no other.
const FormatVersion = 1

// Run is run.json: everything about a run but its samples.
type Run struct {
	// Format is the record's format number, see FormatVersion.
	Format  int    `json:"format"`
	ID      string `json:"id"` // unique; every shot carries it as its run marker
	Ansturm string `json:"ansturm"`
	Go      string `json:"go"`
	// Purpose says why the run was fired: "surge", "calibration", "verify", "notch", "fire" (one URL, by hand).
	Purpose  string              `json:"purpose"`
	Scenario *scenarios.Scenario `json:"scenario"`
	Platform *scenarios.Platform `json:"platform,omitempty"`
	Target   string              `json:"target"` // "lab" or the address fired at
	// Client is what spoke to the target: "shards", the engine's own, or "net/http". Empty in old records: the engine's own.
	Client string `json:"client,omitempty"`
	// Protocol is "HTTP/1.1" or "HTTP/2"; empty in old records: HTTP/1.1.
	Protocol string `json:"protocol,omitempty"`
	// Proxy is the proxy's URL without its user; empty for none.
	Proxy string `json:"proxy,omitempty"`
	// Sources are the local addresses that connections came from; empty where the system chose.
	Sources []string `json:"sources,omitempty"`
	Speed   float64  `json:"speed"`
	// WaitingRoom is the cookie by which the target's waiting room kept people's places; empty for none.
	WaitingRoom string `json:"waitingRoom,omitempty"`
	// Closed is the number of connections of a closed loop, 0 for an open one. A closed loop has no total until it is over:
	// at the close Scenario.Arrivals.Total becomes the number of arrivals that were begun.
	Closed  int `json:"closed,omitempty"`
	Workers int `json:"workers"`
	// Fleet is how several workers shared the run; nil where one process fired it.
	Fleet     *Fleet    `json:"fleet,omitempty"`
	StartedAt time.Time `json:"startedAt"`
	// EndedAt is zero while the run goes on, or when it was killed.
	EndedAt     time.Time `json:"endedAt,omitzero"`
	Interrupted bool      `json:"interrupted,omitempty"`
	Totals      Totals    `json:"totals"`
	Validity    Validity  `json:"validity"`
	// Lab is the platform's own count, the other side of the ledger: the embedded one's, or that of a cluster which names a
	// desk; nil on other targets.
	Lab *LabAccount `json:"lab,omitempty"`
	// Cluster is the Kubernetes cluster that was watched; nil on other targets.
	Cluster  *Cluster  `json:"cluster,omitempty"`
	Warnings []Warning `json:"warnings,omitempty"`
}

// Cluster names a Kubernetes cluster as it was reached.
type Cluster struct {
	Context string `json:"context"`
	Version string `json:"version"` // the API server's, like v1.35.4
}

// Complete says whether the run was closed in order.
func (r *Run) Complete() bool { return !r.EndedAt.IsZero() }

// Totals counts shots; arrivals are in the ledger.
type Totals struct {
	Shots     int64 `json:"shots"`
	Late      int64 `json:"late"`      // shots sent later than LateAfter
	Reloads   int64 `json:"reloads"`   // retries at once
	ComeBacks int64 `json:"comeBacks"` // retries after a pause
	GaveUp    int64 `json:"gaveUp"`
	// ByOutcome counts shots by outcome name.
	ByOutcome map[string]int64 `json:"byOutcome"`
	// Connections opened in the run, and the most open at one time.
	Connections     int64 `json:"connections"`
	ConnectionsPeak int64 `json:"connectionsPeak"`
	// Door is what the engine met in the waiting room; nil where there is none.
	Door *Door `json:"door,omitempty"`
}

// Door counts what people met in the waiting room before the platform. How long they waited is in the windows of
// measure [Waited].
type Door struct {
	// Told are the answers that told to wait, Waited the shots that were told to, once or more often.
	Told   int64 `json:"told"`
	Waited int64 `json:"waited"`
}

// Validity is the evidence whether the generator, or the lab's own timers, were the limit. Times are wall time.
type Validity struct {
	// Valid is false when a limit was passed; Reasons then says which, and Advice what would help.
	Valid   bool             `json:"valid"`
	Reasons []scenarios.Text `json:"reasons,omitempty"`
	Advice  []scenarios.Text `json:"advice,omitempty"`
	// LatenessP50, P99 and Max are of all shots, in wall time.
	LatenessP50 time.Duration `json:"latenessP50"`
	LatenessP99 time.Duration `json:"latenessP99"`
	LatenessMax time.Duration `json:"latenessMax"`
	// LatenessLimit is what P99 was held against.
	LatenessLimit time.Duration `json:"latenessLimit"`
	// LabLatenessP99 is how late the lab's own timers fired.
	LabLatenessP99 time.Duration `json:"labLatenessP99,omitempty"`
	LabLimit       time.Duration `json:"labLimit,omitempty"`
	// SecondsOver is the share of seconds in which a limit was passed.
	SecondsOver float64 `json:"secondsOver"`
	Unsent      int64   `json:"unsent"`
}

// LabAccount is what the platform itself counted.
type LabAccount struct {
	// Accepted is the number of different applications kept; Duplicates the number kept again.
	Accepted   int64 `json:"accepted"`
	Duplicates int64 `json:"duplicates"`
	Refused    int64 `json:"refused"`
	// LetIn are the persons whom its waiting room let in, ToldToWait the requests it told to come again.
	LetIn      int64 `json:"letIn,omitempty"`
	ToldToWait int64 `json:"toldToWait,omitempty"`
	// File holds the accepted Seqs as a serialized Roaring bitmap, beside run.json.
	File string `json:"file"`
	// LatenessP99 is how late the lab's own timers fired (wall time), Limit what it was held against; Reason says why
	// it is not Valid.
	LatenessP99 time.Duration  `json:"latenessP99"`
	Limit       time.Duration  `json:"limit"`
	Valid       bool           `json:"valid"`
	Reason      scenarios.Text `json:"reason,omitempty"`
}

// Warning is something a reader must know before believing a figure. It travels with the record, the plan and the
// verdict, and every report prints it.
type Warning struct {
	// Code is stable, for programs, e.g. "generator-late".
	Code string         `json:"code"`
	Text scenarios.Text `json:"text"`
}

// Outcome is what came of a shot.
type Outcome uint8

// The outcomes of a shot. Only OK fulfils a promise; all others count as failed shots in an SLO.
const (
	OK       Outcome = iota // answered, and every check holds
	Failed                  // answered, but a check does not hold (a 5xx included)
	Refused                 // no connection, nothing was sent
	TimedOut                // sent, no answer within the step's timeout
	Lost                    // sent, the connection broke before the answer was whole
	Left                    // sent, the person lost patience before the answer
	outcomes
)

var outcomeNames = [outcomes]string{"ok", "failed", "refused", "timed-out", "lost", "left"}

// String is the outcome's name in the record.
func (o Outcome) String() string {
	if o >= outcomes {
		return fmt.Sprintf("outcome-%d", uint8(o))
	}
	return outcomeNames[o]
}

// Sample is what came of one shot. Times are offsets from the start in platform time.
//
// Response time = Done−Due is what a person felt, service time = Done−Sent what the server took, lateness = Sent−Due,
// less the wait in a waiting room, the generator's own fault. Sent is when the generator turned to the network for the shot: just before the first write,
// or before a connection was opened for it. So a refused shot, of which nothing was written, has a Sent too, and a target
// that does not accept is not taken for a slow generator.
type Sample struct {
	Seq    uint32
	Tenant int32
	Step   int32 // index into Steps of the run's scenario, see scenarios.Scenario.AllSteps
	Retry  uint8 // 0 for the first try
	Outcome
	Due, Sent, FirstByte, Done time.Duration
	// Connect and Handshake are how long the shot's TCP connection and its TLS handshake took to open; both are zero where
	// an open connection was used. They are part of the service time.
	Connect, Handshake time.Duration
	// Waited is how long the person waited in the waiting room before the platform, from Due to the moment at which they were
	// to come again last; zero for who was let in at once. Sent and FirstByte are of the request that was let in.
	Waited time.Duration
}

// Response is what a person felt: Done − Due.
func (s Sample) Response() time.Duration { return s.Done - s.Due }

// Service is what the server took: Done − Sent.
func (s Sample) Service() time.Duration { return s.Done - s.Sent }

// Lateness is the generator's own fault: Sent − Due, less the wait in a waiting room.
func (s Sample) Lateness() time.Duration { return s.Sent - s.Due - s.Waited }

// Created is something a run made at its target and that can be found there by its id: an application, an account.
type Created struct {
	Seq    uint32 `json:"seq"`
	Tenant int32  `json:"tenant"`
	Step   int32  `json:"step"`
	// Name is the extraction's, Value the id.
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

// Fate is where an arrival ended.
type Fate uint8

// The fates. Every arrival has exactly one.
const (
	Completed     Fate = iota // its journey's checks hold
	FailedArrival             // an answer that is none, refused, or gave up before anything was sent
	Indeterminate             // a byte was written and no answer came
	Unsent                    // never sent: the run was ended before
	fates
)

var fateNames = [fates]string{"completed", "failed", "indeterminate", "unsent"}

// String is the fate's name in the record.
func (f Fate) String() string {
	if f >= fates {
		return fmt.Sprintf("fate-%d", uint8(f))
	}
	return fateNames[f]
}

// Event is one line of the timeline: something the cluster, the lab or the generator did.
type Event struct {
	// At is the offset from the start in platform time. Wall is the clock on the wall: at At, or, of what was seen of a
	// cluster, when it arrived here.
	At   time.Duration `json:"at"`
	Wall time.Time     `json:"wall"`
	// Within holds the truth where At is an estimate only, for example because an object's stamp has whole seconds; nil
	// where At is as exact as the source's clock.
	Within *Span `json:"within,omitempty"`
	// Evidence is what At rests on, one of the Evidence constants; empty where the source made it happen itself.
	Evidence string `json:"evidence,omitempty"`
	// Late: it happened while the watching was interrupted, and was seen only afterwards.
	Late bool `json:"late,omitempty"`
	// Source is "lab", "generator", "fleet" (its coordinator), "watch" (the API server's), "metrics" (metrics.k8s.io), "prometheus" or "scrape".
	Source          string `json:"source"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
	// Kind is one of the Kind constants; it says which of the fields below are set.
	Kind string `json:"kind"`

	Tenant   string `json:"tenant,omitempty"`
	Workload string `json:"workload,omitempty"`
	// Object is a pod's, node's or back end's name.
	Object string `json:"object,omitempty"`
	// Phase of a pod (Phase constants) or node ("lost", "ready").
	Phase string `json:"phase,omitempty"`
	Node  string `json:"node,omitempty"`

	// Desired, Current and Ready are replica counts; From is the count before a scaling.
	From    int32 `json:"from,omitempty"`
	Desired int32 `json:"desired,omitempty"`
	Current int32 `json:"current,omitempty"`
	Ready   int32 `json:"ready,omitempty"`

	// Values are measurements; the kind says which, with their units in the name.
	Values  map[string]float64 `json:"values,omitempty"`
	Message string             `json:"message,omitempty"`
}

// Span is a stretch of platform time, both ends included.
type Span struct {
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

// What the moment of an event rests on.
const (
	EvidenceArrival = "arrival" // the watch brought it at that moment
	EvidenceStamp   = "stamp"   // a stamp of whole seconds in the object
	EvidenceExact   = "exact"   // a stamp of microseconds or finer
	EvidenceAnswer  = "answer"  // it lies between a request's being sent and its answer's coming
)

// The kinds of events.
const (
	// KindScale: the autoscaler wrote a new count. From, Desired, Message (reason).
	KindScale = "scale"
	// KindReplicas: the counts changed. Desired, Current, Ready.
	KindReplicas = "replicas"
	// KindMetrics: one scrape of a tenant's workload. Values: cpu_seconds (cumulative, all pods), utilisation_percent
	// (of the requests, over ready pods), memory_bytes, in_flight, pods.
	KindMetrics = "metrics"
	// KindPod: a pod entered Phase. Object, Node, and on PhaseDeleted Message. PhaseServing of a cluster's pods comes from the
	// generator, without Workload and Node: once, or again with an earlier Within.
	KindPod = "pod"
	// KindNode: a node entered Phase. Object, Workload is its pool.
	KindNode = "node"
	// KindBackend: one second of a shared back end. Values: busy_cores, in_service, waiting, served.
	KindBackend = "backend"
	// KindLab: one second of the lab's own health. Values: lateness_p99_seconds (wall), connections, refused.
	KindLab = "lab"
	// KindGenerator: one second of the generator's own health. Values: lateness_p99_seconds (wall), cpu_share,
	// run_queue_seconds, stolen_seconds (by the hypervisor), gc_pause_seconds, descriptors, connections, late, sent, goroutines.
	KindGenerator = "generator"
	// KindDoor: one second of the waiting room. Values: waiting (persons with a place), let_in, told_to_wait (requests).
	KindDoor = "door"
	// KindGap: the watching was interrupted from At for Values["seconds"]. Of a cluster, Object names
	// the resources, Values["watches"] is how many watches were cut, Values["silent_seconds"] how long nothing had come before
	// it was noticed, and Values["relisted"] is 1 where a state had to be listed anew, so that what came and went meanwhile is
	// not known.
	KindGap = "gap"
	// KindAutoscaler: an autoscaler's status changed. Current, Desired (its own recommendation), Phase (the reasons of
	// conditions that hold it back), Values: utilisation_percent, target_percent (where it scales on CPU).
	KindAutoscaler = "autoscaler"
	// KindReplicaSet: the Deployment's controller wrote a new count. Object is the set; From, Desired.
	KindReplicaSet = "replicaset"
	// KindNotice: the cluster's own Event. Object is what it is about, Phase its reason, Message its text.
	KindNotice = "notice"
	// KindSeries: a sample of a series that a Prometheus or a target gave. Object is its name, Values: value.
	KindSeries = "series"
	// KindThrottling: its CPU quota held a pod back. Object is the pod; Values, since the source was asked before: window_seconds,
	// periods (of the quota, in which it wanted to run), throttled_periods (of them), throttled_seconds (that it stood still,
	// summed over its processors).
	KindThrottling = "throttling"
	// KindWorker: a worker of a fleet entered Phase ("joined", "lost", "fenced", "dead"); Message says why. Or it was dealt something, with Phase
	// "leased", Values: parts. Or, every ten seconds with Phase "clock", Values: ahead_seconds (its clock, of the coordinator's),
	// uncertainty_seconds of that, run_apart_seconds (that its run's clock is from the coordinator's at most). Object is its epoch, as w2:1.
	KindWorker = "worker"
	// KindClock: how far a cluster's clock is ahead of this machine's. Values: ahead_low_seconds, ahead_high_seconds.
	KindClock = "clock"
)

// The phases of a pod: the reaction chain's stages.
const (
	PhaseCreated   = "created"
	PhasePending   = "pending" // no node has room
	PhaseScheduled = "scheduled"
	PhasePulled    = "pulled"
	PhaseStarted   = "started"
	PhaseReady     = "ready"
	PhaseRotation  = "rotation" // an EndpointSlice has it as ready
	PhaseServing   = "serving"  // its first request came in
	PhaseDeleted   = "deleted"
)

// Window is the count and histogram of one step in one second (all tenants) or of one tenant's one step in one minute.
// Response windows are laid by Due, service windows by Done, lateness windows by Sent. A refused shot has no service
// time. All times are platform time; lateness on the wall is the figure divided by the run's speed.
//
// Only response and service time are counted by tenant. Lateness, and the time to open a TCP connection (Connect) and
// for its TLS handshake (TLS), are counted in one-second windows over all steps and outcomes, laid by Sent, under
// Key{Measure: …} alone, as is, laid by Due, the wait in a waiting room of those shots that had to wait (Waited); the time to the first byte (FirstByte − Sent) by step and outcome, laid by Done, of those shots
// that had one.
type Window struct {
	Key
	Start, Length time.Duration
	// Histogram holds microseconds of platform time: 3 significant digits in seconds, 2 in minutes.
	Histogram *Histogram
}

// Key names a series of windows.
type Key struct {
	// Measure is Response, Service, Lateness, Connect, TLS, Waited or FirstByte.
	Measure string
	// Step is the step's name, Tenant the tenant's, "" for all, or [Others].
	Step, Tenant string
	Outcome
}
