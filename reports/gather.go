package reports

import (
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// gatherer merges histograms of windows that follow one another into wider bins. It holds one histogram at a time: a
// second of a run takes up to 200 kB, and a run has thousands.
type gatherer struct {
	width time.Duration
	done  func(bin int, h *record.Histogram)
	bin   int
	sum   *record.Histogram
	own   bool
}

// gatherers makes the pair for points and rows.
func (m *measured) gatherers(fine, coarse func(int, *record.Histogram)) (*gatherer, *gatherer) {
	return &gatherer{width: m.bin, done: fine}, &gatherer{width: m.rowBin, done: coarse}
}

func gather(w record.Window, into ...*gatherer) error {
	for _, g := range into {
		if err := g.add(w); err != nil {
			return err
		}
	}
	return nil
}

func (g *gatherer) add(w record.Window) error {
	bin := int(w.Start / g.width)
	if g.sum != nil && bin != g.bin {
		g.flush()
	}
	g.bin = bin
	switch {
	case g.sum == nil:
		g.sum, g.own = w.Histogram, false
		return nil
	case !g.own:
		g.sum, g.own = g.sum.Clone(), true
	}
	return g.sum.Merge(w.Histogram)
}

func (g *gatherer) flush() {
	if g.sum != nil && g.bin >= 0 && g.sum.Count() > 0 {
		g.done(g.bin, g.sum)
	}
	g.sum = nil
}

// join adds h to sum, which is nil at first.
func join(sum, h *record.Histogram) (*record.Histogram, error) {
	if sum == nil {
		return h.Clone(), nil
	}
	return sum, sum.Merge(h)
}

// put sets series[i], filling what lies before with fill. Indexes out of all reason are left out.
func put(series *[]float64, i int, v, fill float64) {
	if i < 0 || i >= most {
		return
	}
	stretch(series, i+1, fill)
	(*series)[i] = v
}

// add adds v to series[i].
func add(series *[]float64, i int, v float64) {
	if i < 0 || i >= most {
		return
	}
	stretch(series, i+1, 0)
	(*series)[i] += v
}

// stretch makes a series at least n long.
func stretch(series *[]float64, n int, fill float64) {
	for len(*series) < n {
		*series = append(*series, fill)
	}
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(max(len(xs), 1))
}

// quantileOf gives the q-quantile of values in any order, interpolated between ranks; it sorts them.
func quantileOf(values []float64, q float64) float64 {
	slices.Sort(values)
	at := q * float64(len(values)-1)
	low := int(at)
	if low+1 >= len(values) {
		return values[len(values)-1]
	}
	return values[low] + (at-float64(low))*(values[low+1]-values[low])
}
