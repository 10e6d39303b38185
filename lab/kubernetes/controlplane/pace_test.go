package controlplane

import (
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/util/flowcontrol"
)

// TestPaceHoldsFromTheBeginningOfLife: the set-up is free, afterwards 20 requests a second with 30 at once, as a
// controller has them: 50 take a second.
func TestPaceHoldsFromTheBeginningOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pace{}
		limit := paced{p, flowcontrol.NewTokenBucketRateLimiter(controllerRate.qps, controllerRate.burst)}
		fifty := func() time.Duration {
			begun := time.Now()
			for range 50 {
				if err := limit.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(begun)
		}
		if took := fifty(); took != 0 {
			t.Errorf("50 requests of the set-up waited %s", took)
		}
		p.begin()
		if took := fifty(); took.Round(time.Millisecond) != time.Second {
			t.Errorf("50 requests took %s, wanted a second", took)
		}
	})
}
