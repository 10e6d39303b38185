package cluster

import (
	"net/http"
	"sync"
	"time"
)

// ahead bounds how far the API server's clock is ahead of ours, from the Date of its answers. A Date is the second in
// which an answer was written, which was between the sending of the request and the answer's arrival: every answer gives
// an interval, and the truth is in all of them. After some answers it is a few hundredths of a second wide.
type ahead struct {
	mu        sync.Mutex
	low, high time.Duration
	known     bool
}

// learn takes in one answer.
func (a *ahead) learn(sent, arrived, date time.Time) {
	low, high := date.Sub(arrived), date.Add(time.Second).Sub(sent)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.known || low > a.high || high < a.low { // the first, or a clock was set
		a.low, a.high, a.known = low, high, true
		return
	}
	a.low, a.high = max(a.low, low), min(a.high, high)
}

// dated learns the server's clock from what passes through it.
type dated struct {
	next  http.RoundTripper
	clock *ahead
}

func (d *dated) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	response, err := d.next.RoundTrip(r)
	if err != nil {
		return response, err
	}
	arrived := time.Now()
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		d.clock.learn(sent, arrived, date)
	}
	return response, nil
}

// WrappedRoundTripper lets client-go reach the transport below.
func (d *dated) WrappedRoundTripper() http.RoundTripper { return d.next }

// Ahead bounds how far the API server's clock is ahead of this machine's; false where it never said its time.
func (c *Client) Ahead() (low, high time.Duration, known bool) {
	c.clock.mu.Lock()
	defer c.clock.mu.Unlock()
	return c.clock.low, c.clock.high, c.clock.known
}
