package arrivals

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// processor is the processor time that the process has used.
func processor(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// largest is the longest surge at 10 million arrivals a second.
func largest(b *testing.B) *Schedule {
	return must(b, scenario(1<<32-1, 429*time.Second, "poisson", 1, shapes()["ramp"]))
}

// BenchmarkParts makes what one of W workers fires at 10 million arrivals a second, 16 parts a worker or a few more, in
// processor time beside that of the whole:
//
//	ns/own       for each arrival that the worker has
//	ns/other     for each that it has not: what its own do not explain at the whole's price
//	whole/parts  the whole's cost by that of all workers together; 1 were nothing lost
//	cores        of the worker, at this rate
func BenchmarkParts(b *testing.B) {
	s := largest(b)
	for _, workers := range []int{1, 5, 40, 200, 1000} {
		of := Strands
		for of < 16*workers {
			of *= 2
		}
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			first := of / 2 % workers // not at a strand's beginning
			set := parts(b, of, Range{first, first + of/workers})
			whole, one := s.Reader(parts(b, of, Range{0, of})), s.Reader(set)
			var all, own int
			var ofAll, ofOwn time.Duration
			var buf []Arrival
			const row = 32 // blocks in a row of each
			for i := 0; b.Loop(); i += row {
				began := processor(b)
				for k := range row {
					buf = whole.Block((i+k)%s.Blocks(), buf[:0])
					all += len(buf)
				}
				middle := processor(b)
				for k := range row {
					buf = one.Block((i+k)%s.Blocks(), buf[:0])
					own += len(buf)
				}
				ofAll, ofOwn = ofAll+middle-began, ofOwn+processor(b)-middle
			}
			each, mine := float64(ofAll)/float64(all), float64(ofOwn)
			b.ReportMetric(mine/float64(own), "ns/own")
			if all > own {
				b.ReportMetric((mine-each*float64(own))/float64(all-own), "ns/other")
			}
			b.ReportMetric(float64(ofAll)*float64(set.Len())/float64(of)/mine, "whole/parts")
			b.ReportMetric(mine/float64(all)*10e6/1e9, "cores")
		})
	}
}

// BenchmarkSkip begins at any Due of such a surge, far from where the Reader was.
func BenchmarkSkip(b *testing.B) {
	s := largest(b)
	reader := s.Reader(parts(b, MostParts, Range{100, 116}))
	var buf []Arrival
	began := processor(b)
	for i := 0; b.Loop(); i++ {
		at := time.Duration(i) * 100_000_007 % (429 * time.Second)
		buf = reader.Block(s.FirstBlock(at), buf[:0])
	}
	b.ReportMetric(float64(processor(b)-began)/float64(b.N), "ns-processor/op")
}
