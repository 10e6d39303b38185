package main

import (
	"bytes"
	"fmt"
	"html"
	"slices"
	"time"

	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// The drawing: a panel a tenant, one below the other, over the same minutes; sizes in pixels.
const (
	wide, high    = 880, 150 // of a panel, its title and scale included
	left, right   = 44, 52
	above, below  = 26, 20
	legendHeight  = 48
	binSeconds    = 10
	colorLab      = "#c2410c"
	colorCluster  = "#1d4ed8"
	colorArrivals = "#e5e7eb"
)

// panel is where a tenant is drawn: replicas from 0 to most, arrivals per second from 0 to mostRate.
type panel struct {
	out            *bytes.Buffer
	top            float64
	seconds        int
	most, mostRate float64
}

func (p *panel) x(second float64) float64 {
	return left + (wide-left-right)*second/float64(p.seconds)
}

func (p *panel) y(share float64) float64 { return p.top + above + (high-above-below)*(1-share) }

// draw is both sides' ready replicas as an SVG document.
func draw(embedded, cluster *side, tenants []together) []byte {
	out := &bytes.Buffer{}
	height := legendHeight + high*len(tenants)
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12" fill="#111827">`+"\n", wide, height, wide, height)
	fmt.Fprintf(out, "<title>The same surge on both platforms: ready replicas by tenant</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n")
	legend(out)
	rates := arrivalRates(cluster.scenario, cluster.seconds)
	for i, t := range tenants {
		a, b := embedded.tenants[t.Tenant].ready, cluster.tenants[t.Tenant].ready
		most := float64(max(slices.Max(a), slices.Max(b), 1))
		p := &panel{out: out, top: float64(legendHeight + i*high), seconds: cluster.seconds, most: most, mostRate: max(1, slices.Max(rates[i]))}
		p.frame(fmt.Sprintf("%s: within one replica in %.1f %% of the seconds", html.EscapeString(t.Tenant), 100*t.Ready))
		p.load(rates[i])
		p.axes()
		p.steps(b, colorCluster, 1.8)
		p.steps(a, colorLab, 1.8)
	}
	out.WriteString("</svg>\n")
	return out.Bytes()
}

func legend(out *bytes.Buffer) {
	x := left
	for _, entry := range []struct {
		color, text string
		width       int
	}{
		{colorLab, "ansturm lab (embedded)", 190}, {colorCluster, "ansturm-lab (Kubernetes 1.35)", 230}, {colorArrivals, "arrivals per second (right scale)", 0},
	} {
		fmt.Fprintf(out, `<rect x="%d" y="15" width="22" height="8" fill="%s"/><text x="%d" y="24">%s</text>`+"\n", x, entry.color, x+28, entry.text)
		x += 28 + entry.width
	}
	fmt.Fprintf(out, `<text x="%d" y="44" fill="#4b5563">ready replicas (left scale), minutes since the start</text>`+"\n", left)
}

func (p *panel) frame(title string) {
	fmt.Fprintf(p.out, `<text x="%d" y="%.0f" font-weight="bold">%s</text>`+"\n", left, p.top+18, title)
}

// axes are lines at whole replicas with their numbers, the minutes, and the right scale's end.
func (p *panel) axes() {
	every := 1
	for p.most/float64(every) > 5 {
		every++
	}
	for n := 0; n <= int(p.most); n += every {
		y := p.y(float64(n) / p.most)
		fmt.Fprintf(p.out, `<path d="M%d %.1fH%d" stroke="#9ca3af" stroke-width="0.5"/><text x="%d" y="%.1f" text-anchor="end">%d</text>`+"\n", left, y, wide-right, left-6, y+4, n)
	}
	fmt.Fprintf(p.out, `<text x="%d" y="%.1f">%.0f/s</text>`+"\n", wide-right+6, p.y(1)+4, p.mostRate)
	for s := 0; s <= p.seconds; s += 60 {
		fmt.Fprintf(p.out, `<text x="%.1f" y="%.1f" text-anchor="middle" fill="#4b5563">%d</text>`+"\n", p.x(float64(s)), p.y(0)+15, s/60)
	}
}

// load fills the area below the arrivals.
func (p *panel) load(rates []float64) {
	fmt.Fprintf(p.out, `<path d="M%.1f %.1f`, p.x(0), p.y(0))
	for i, rate := range rates {
		fmt.Fprintf(p.out, "V%.1fH%.1f", p.y(rate/p.mostRate), p.x(float64(min(p.seconds, (i+1)*binSeconds))))
	}
	fmt.Fprintf(p.out, `V%.1fZ" fill="%s"/>`+"\n", p.y(0), colorArrivals)
}

// steps draws counts as a line that steps where they change.
func (p *panel) steps(counts []int32, color string, width float64) {
	fmt.Fprintf(p.out, `<path fill="none" stroke="%s" stroke-width="%.1f" stroke-opacity="0.85" d="M%.1f %.1f`, color, width, p.x(0), p.y(float64(counts[0])/p.most))
	for i := 1; i < len(counts); i++ {
		if counts[i] != counts[i-1] {
			fmt.Fprintf(p.out, "H%.1fV%.1f", p.x(float64(i)), p.y(float64(counts[i])/p.most))
		}
	}
	fmt.Fprintf(p.out, `H%.1f"/>`+"\n", p.x(float64(p.seconds)))
}

// arrivalRates are each tenant's arrivals per second, by bins of binSeconds; none where the schedule cannot be had.
func arrivalRates(s *scenarios.Scenario, seconds int) [][]float64 {
	rates := make([][]float64, len(s.Tenants.List))
	for i := range rates {
		rates[i] = make([]float64, (seconds+binSeconds-1)/binSeconds)
	}
	schedule, err := arrivals.New(s)
	if err != nil {
		return rates
	}
	for a := range schedule.All(arrivals.Set{}) {
		if bin := int(a.Due / (binSeconds * time.Second)); bin < len(rates[a.Tenant]) {
			rates[a.Tenant][bin] += 1.0 / binSeconds
		}
	}
	return rates
}
