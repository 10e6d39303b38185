//go:build unix

package hpa

import (
	"syscall"
	"testing"
	"time"
)

// BenchmarkSync is a sync of 10 ready pods on one CPU metric, with the history that 5 minutes of syncs leave: with no
// behavior 21 recommendations, with one also the changes of its policies' periods. Beside the syncs per second it says
// how many a second of the processor's time makes, which other work on the machine does not change.
func BenchmarkSync(b *testing.B) {
	for _, test := range []struct {
		name string
		spec *Spec
	}{{"none", cpuSpec(1, 100, 60)}, {"behavior", WriteOut(cpuSpec(1, 100, 60), Default())}} {
		b.Run(test.name, func(b *testing.B) {
			c := mustNew(b, test.spec)
			in := input(0, 10, 590)
			run := func() {
				in.Now += 15 * time.Second
				for i := range in.Pods {
					in.Pods[i].Sample.Time = in.Now
				}
				if d := c.Sync(in); d.Err != nil {
					b.Fatal(d.Err)
				}
			}
			for i := range 40 { // fill the history, also with changes
				in.SpecReplicas = int32(4 + i%14)
				run()
			}
			in.SpecReplicas = 10
			b.ReportAllocs()
			b.ResetTimer()
			began := busy(b)
			for b.Loop() {
				run()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "syncs/s")
			b.ReportMetric(float64(b.N)/(busy(b)-began).Seconds(), "syncs/cpu-s")
		})
	}
}

// busy is the processor time that the process has used.
func busy(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
