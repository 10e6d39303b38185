// Package hpa is the HorizontalPodAutoscaler's decision of Kubernetes 1.35, rule for rule, as a function of what the
// controller would see: no clock, no cluster, no goroutine. The embedded platform decides with it in real time, the
// simulator some million times a plan; so a sync allocates nothing once the history has reached its length.
//
// The controller itself cannot be used for this: it needs clients, informers and the module of Kubernetes, and manages
// some thousand syncs a second. The price is a second implementation; the tests name the rules (numbers of
// docs/autoscaler.md) and a module of its own compares decisions with the real controller.
//
// The steps of a sync: clamp to min and max → for each metric class the pods, average, propose a count → take the
// largest → stabilize over the history → limit the rate → decide. A sync is Decide, the caller's write of the scale, and
// Commit or Reject; Sync is the three where the write cannot fail.
//
// Outside of this package lie: which pods a selector finds and who else finds them (rule 6; Input.Selection says what came
// of it), the retries of a write that met a conflict (rule 21: the old decision is written to the new object, so there is
// nothing to decide anew), and who calls when (rule 1: Config.NextSync).
//
// All times are offsets from an epoch of the caller's choice. The API server keeps a pod's start and transition times
// in whole seconds: a caller who wants the very same decisions truncates them.
package hpa

import (
	"errors"
	"fmt"
	"time"
)

// Kubernetes is the version whose rules this package knows.
const Kubernetes = "1.35"

// Config is the controller's own setting, the same for every autoscaler of a cluster.
type Config struct {
	// Version is the minor version of Kubernetes whose rules apply, "1.35"; empty means 1.35. No other is known yet: later
	// ones sync at once when an autoscaler is created or edited.
	Version string
	// SyncPeriod is from one sync of an autoscaler to its next. Sync does not read it; who calls Sync does.
	SyncPeriod time.Duration
	// DownscaleStabilization is how long the highest recommendation holds where the spec does not say.
	DownscaleStabilization time.Duration
	// CPUInitializationPeriod is the age up to which a pod's CPU sample counts only if the pod was ready for all of it.
	CPUInitializationPeriod time.Duration
	// InitialReadinessDelay is the age up to which turning unready means that the pod was never ready.
	InitialReadinessDelay time.Duration
	// Tolerance is the relative distance from the target within which nothing is done; 0.1 is 10 %.
	Tolerance float64
}

// Default is the setting of a cluster in which nobody changed it.
func Default() Config {
	return Config{
		Version:                 Kubernetes,
		SyncPeriod:              15 * time.Second,
		DownscaleStabilization:  5 * time.Minute,
		CPUInitializationPeriod: 5 * time.Minute,
		InitialReadinessDelay:   30 * time.Second,
		Tolerance:               0.1,
	}
}

// Validate says which setting cannot be.
func (c Config) Validate() error {
	switch {
	case c.Version != "" && c.Version != Kubernetes:
		return fmt.Errorf("hpa: no rules for Kubernetes %q, want %s", c.Version, Kubernetes)
	case c.SyncPeriod <= 0:
		return fmt.Errorf("hpa: sync period is %v, want more than 0", c.SyncPeriod)
	case c.DownscaleStabilization < 0 || c.CPUInitializationPeriod < 0 || c.InitialReadinessDelay < 0:
		return errors.New("hpa: a period of the configuration is negative")
	case !(c.Tolerance >= 0):
		return fmt.Errorf("hpa: tolerance is %v, want at least 0", c.Tolerance)
	}
	return nil
}

// NextSync is when an autoscaler is synced next that the controller saw for the first time (created, or after a restart),
// or whose last sync ended, at that time: a full period later (rule 1). An edit of its spec does not hurry it.
func (c Config) NextSync(after time.Duration) time.Duration { return after + c.SyncPeriod }
