package main

import (
	"fmt"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// mostBusy is the share of its time from which on a generator may be what limits a closed loop.
const mostBusy = 0.85

// explain says in one sentence why response and service time differ in this run, or do not.
func (r *fireResult) explain() string {
	late := time.Duration(r.Lateness.P99)*time.Microsecond > r.limit
	row, response, service := r.widest()
	switch {
	case r.Response.Count == 0:
		return "Nothing was sent, so that there is nothing to compare."
	case r.Service.Count == 0:
		return "Not one shot found a connection, so that there is a response time, how long people waited in vain, but no service time."
	case r.Closed > 0 && r.Busy > mostBusy:
		return fmt.Sprintf("A closed loop of %d connections in which the generator worked, or waited for a processor, for %.0f %% of the "+
			"time: the target may serve more than this, and what people feel it is not.", r.Closed, 100*r.Busy)
	case r.Closed > 0:
		return fmt.Sprintf("A closed loop of %d connections, each asking again when it was answered: this is what the target can "+
			"serve, not what people feel, who come whether it is slow or not.", r.Closed)
	case late && r.full:
		return fmt.Sprintf("At %s people waited %s, though the target took %s for what it was sent: the rest is waiting for one "+
			"of the %d connections, which were all in use, and the service time alone hides it.",
			row, micros(response), micros(service), r.ConnectionsPeak)
	case late:
		return fmt.Sprintf("At %s the response time is %s and the service time %s: the difference is the generator's own, which sent "+
			"one shot in a hundred more than %s late, and is not the target's fault.",
			row, micros(response), micros(service), micros(r.Lateness.P99))
	case r.same():
		return "Response and service time are the same: nobody waited for the generator."
	}
	return fmt.Sprintf("Response time is service time and the generator's own lateness, here %s at p50 and %s at p99 "+
		"(limit %s): small enough to take both columns for the target's.", micros(r.Lateness.P50), micros(r.Lateness.P99), scenarios.Span(r.limit, "en"))
}

// widest is the row of the table in which response and service time are furthest apart; the maximum is no row to judge by.
func (r *fireResult) widest() (row string, response, service int64) {
	responses, services := r.Response.rows(), r.Service.rows()
	best := 0
	for i := range rowNames[:len(rowNames)-1] {
		if responses[i]-services[i] > responses[best]-services[best] {
			best = i
		}
	}
	return rowNames[best], responses[best], services[best]
}

// same says whether response and service time differ by no more than a reader of the table would call noise.
func (r *fireResult) same() bool {
	const share, least = 0.05, 5 // µs
	response, service := r.Response.rows(), r.Service.rows()
	for i := range response {
		if diff := response[i] - service[i]; diff > max(least, int64(share*float64(service[i]))) {
			return false
		}
	}
	return true
}
