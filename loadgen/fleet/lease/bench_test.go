package lease

import (
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// largeFleet is 1,000 workers who share all parts that a schedule can have.
func largeFleet(b *testing.B) *keeping {
	k := keep(b, arrivals.MostParts, Terms{End: time.Hour}, -time.Second)
	for i := range uint32(1000) {
		k.heard(Owner{i + 1, 1}, Facts{Capacity: float64(900 + i%200), Rate: 1000, Busy: 0.5, Measured: true}, -time.Second)
	}
	k.settle(b, -time.Second)
	return k
}

// BenchmarkFirstDeal is from the first word of 1,000 workers to the deal of 16,384 parts.
func BenchmarkFirstDeal(b *testing.B) {
	for b.Loop() {
		largeFleet(b)
	}
}

// BenchmarkLoss is a worker's loss, its parts' deal, and what all the others hold then.
func BenchmarkLoss(b *testing.B) {
	k, now, next := largeFleet(b), time.Duration(0), uint32(0)
	for b.Loop() {
		if next++; next > 900 {
			b.StopTimer()
			k, next = largeFleet(b), 1
			b.StartTimer()
		}
		k.Dead(Owner{next, 1}, now)
		k.settle(b, now)
		for i := range uint32(1000) {
			k.heard(Owner{i + 1, 1}, Facts{Rate: 1000, Busy: 0.5, Measured: true}, now)
		}
	}
}

// BenchmarkLook is a coordinator's look that finds nothing to do.
func BenchmarkLook(b *testing.B) {
	k := largeFleet(b)
	for b.Loop() {
		k.Next(-time.Second)
	}
}
