package loadgen

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// guarded is a target behind a waiting room that has everybody wait a number of times, as real ones say it.
type guarded struct {
	status int
	header string // that says when to come again
	waits  int
	mu     sync.Mutex
	issued int
	met    map[string]int // by place
	asked  []string       // the cookies of those who were let in
}

func (g *guarded) serve(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = c.Write([]byte(g.answer(r)))
	}
}

func (g *guarded) answer(r *http.Request) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	place := ""
	if cookie, err := r.Cookie("place"); err == nil {
		place = cookie.Value
	}
	if place == "" {
		g.issued++
		place = strconv.Itoa(g.issued)
	}
	if g.met[place]++; g.met[place] > g.waits {
		g.asked = append(g.asked, r.Header.Get("Cookie"))
		return okAnswer
	}
	return fmt.Sprintf("HTTP/1.1 %d Wait\r\nSet-Cookie: place=%s; Path=/; HttpOnly\r\nSet-Cookie: other=1\r\n%s\r\nContent-Length: 4\r\n\r\nwait", g.status, place, g.header)
}

func behind(t *testing.T, g *guarded, room string, change func(*scenarios.Scenario, *Config)) (*memory, Result) {
	t.Helper()
	s := uniform(20, 20*time.Second, scenarios.Step{Timeout: 3 * time.Second})
	cfg, m := config(t, s, "127.0.0.1:1")
	g.met = map[string]int{}
	network := &memNet{handle: g.serve}
	cfg.Transport, cfg.Speed, cfg.WaitingRoom = network, 10, room
	if change != nil {
		change(s, &cfg)
	}
	result, err := run(t, t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	network.all.Wait()
	return m, result
}

// However a waiting room says it, the person waits as long as it says, keeps the place, and is one shot.
func TestWaitingRoomIsWaitedOut(t *testing.T) {
	for name, g := range map[string]*guarded{
		"retry after": {status: 429, header: "Retry-After: 7", waits: 2},
		"busy":        {status: 503, header: "retry-after: 7", waits: 2},
		"page":        {status: 200, header: "Refresh: 7; url=/wait", waits: 2},
	} {
		for _, jar := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, jar %v", name, jar), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g.issued, g.asked = 0, nil
					m, result := behind(t, g, "place", func(s *scenarios.Scenario, _ *Config) { s.Journeys[0].Cookies = jar })
					if n := checkFates(t, m, 20); n[record.Completed] != 20 || len(m.samples) != 20 {
						t.Fatalf("fates %v, %d shots", n, len(m.samples))
					}
					for _, x := range m.samples {
						if x.Waited != 14*time.Second || x.Response() != 14*time.Second || x.Service() != 0 || x.Lateness() != 0 || x.Retry != 0 {
							t.Errorf("%+v: waited %v, response %v, service %v, lateness %v", x, x.Waited, x.Response(), x.Service(), x.Lateness())
						}
					}
					if d := result.Totals.Door; d == nil || d.Told != 40 || d.Waited != 20 || g.issued != 20 {
						t.Errorf("%+v for 20 persons told twice, %d places", d, g.issued)
					}
					for _, cookie := range g.asked {
						if _, err := strconv.Atoi(cookie[len("place="):]); !jar && err != nil {
							t.Errorf("let in with the cookies %q", cookie)
						}
					}
				})
			})
		}
	}
}

// Only an answer that gives a place is the waiting room's: an overloaded server says Retry-After as well, and a cookie
// alone tells nobody to wait.
func TestAnOverloadedServerIsNoWaitingRoom(t *testing.T) {
	for name, c := range map[string]struct{ room, header string }{
		"no room":     {"", "Retry-After: 7"},
		"other room":  {"queue", "Retry-After: 7"},
		"no time":     {"place", "X-Wait: 7"},
		"only a date": {"place", "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, result := behind(t, &guarded{status: 503, header: c.header, waits: 9}, c.room, nil)
				if n := checkFates(t, m, 20); n[record.FailedArrival] != 20 || result.Totals.ByOutcome["failed"] != 20 {
					t.Errorf("fates %v, totals %+v", n, result.Totals)
				}
				if d := result.Totals.Door; d != nil && d.Told != 0 {
					t.Errorf("%+v", d)
				}
			})
		})
	}
}

// A run that is ended gives those who wait their fate.
func TestWhoWaitsWhenTheRunEndsHasAFate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := uniform(20, 20*time.Second, scenarios.Step{})
		cfg, m := config(t, s, "127.0.0.1:1")
		g := &guarded{status: 429, header: "Retry-After: 3600", waits: 1, met: map[string]int{}}
		network := &memNet{handle: g.serve}
		cfg.Transport, cfg.WaitingRoom = network, "place"
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if _, err := run(t, ctx, cfg); err != nil {
			t.Fatal(err)
		}
		network.all.Wait()
		if n := checkFates(t, m, 20); n[record.FailedArrival] != 20 || len(m.samples) != 0 {
			t.Errorf("fates %v, %d shots: they were answered, and never let in", n, len(m.samples))
		}
	})
}

func TestSecondsToWait(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"20": 20 * time.Second, " 20 ": 20 * time.Second, "20;url=/w": 20 * time.Second, "20, x": 20 * time.Second,
		"0": time.Second, "99999999999999999999": 24 * time.Hour,
	} {
		if got, ok := seconds([]byte(text)); !ok || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "soon", "-1", "1.5", "20x", "Fri, 31 Dec 1999 23:59:59 GMT"} {
		if got, ok := seconds([]byte(text)); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}
