package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/ansturm/ansturm/loadgen/record"
)

type beginning struct {
	Start time.Time `json:"start"`
}

// accountWire is an Account on its way: the bitmap as bytes.
type accountWire struct {
	Account
	Accepted []byte `json:"accepted"`
}

// control is the desk's side of what a Client asks.
func (s *server) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /begin", func(w http.ResponseWriter, r *http.Request) {
		var b beginning
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&b); err != nil {
			http.Error(w, "begin: "+err.Error(), http.StatusBadRequest)
			return
		}
		if err := s.begin(b.Start, time.Now()); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	mux.HandleFunc("GET /timeline", s.stream)
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		var stats Stats
		s.clock.look(func(c *core) { stats = c.stats() })
		stats.Connections = s.connections.Load()
		stats.Refused += s.turnedAway.Load()
		_ = json.NewEncoder(w).Encode(stats)
	})
	mux.HandleFunc("POST /finish", func(w http.ResponseWriter, _ *http.Request) {
		s.finish()
		a := s.account()
		bits, err := a.Accepted.ToBytes()
		if err != nil {
			http.Error(w, "finish: "+err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(accountWire{a, bits})
	})
	return mux
}

// stream writes the timeline, an event a line, until it is over.
func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(w)
	encoder := json.NewEncoder(w)
	var t *timeline
	s.clock.look(func(*core) { t = s.clock.timeline })
	for i := 0; ; {
		events, err := t.from(r.Context(), i)
		if err != nil || len(events) == 0 {
			return
		}
		for _, e := range events {
			if encoder.Encode(e) != nil {
				return
			}
		}
		i += len(events)
		if flush.Flush() != nil {
			return
		}
	}
}

// Client talks to a lab's control address.
type Client struct {
	base string
	http *http.Client
}

// Dial makes a client for the address of [Endpoints.Control]. Nothing is sent yet.
func Dial(control string) *Client {
	return &Client{"http://" + control, &http.Client{Transport: &http.Transport{}}}
}

// Begin lets the platform's time start: offset 0 is at start on the wall. Before it the platform is warm: the initial
// replicas are ready and their images there. It is an error to begin twice.
func (c *Client) Begin(ctx context.Context, start time.Time) error {
	body, err := json.Marshal(beginning{start})
	if err != nil {
		return fmt.Errorf("lab: begin: %w", err)
	}
	return c.call(ctx, http.MethodPost, "/begin", body, nil)
}

// Timeline gives the events in order, as they happen, from the first on, until the lab is finished; then it returns nil.
func (c *Client) Timeline(ctx context.Context, each func(record.Event)) error {
	return c.call(ctx, http.MethodGet, "/timeline", nil, func(r io.Reader) error {
		decoder := json.NewDecoder(r)
		for {
			var e record.Event
			switch err := decoder.Decode(&e); err {
			case nil:
				each(e)
			case io.EOF:
				return nil
			default:
				return err
			}
		}
	})
}

// Finish ends the platform and gives its account. Requests still inside are answered 503; the timeline ends.
func (c *Client) Finish(ctx context.Context) (Account, error) {
	var wire accountWire
	err := c.call(ctx, http.MethodPost, "/finish", nil, func(r io.Reader) error {
		return json.NewDecoder(r).Decode(&wire)
	})
	if err != nil {
		return Account{}, err
	}
	wire.Account.Accepted = roaring.New()
	if err := wire.Account.Accepted.UnmarshalBinary(wire.Accepted); err != nil {
		return Account{}, fmt.Errorf("lab: accepted set: %w", err)
	}
	return wire.Account, nil
}

// Stats is the platform now.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	err := c.call(ctx, http.MethodGet, "/stats", nil, func(r io.Reader) error {
		return json.NewDecoder(r).Decode(&s)
	})
	return s, err
}

func (c *Client) call(ctx context.Context, method, path string, body []byte, read func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("lab: %s: %w", path, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("lab: %s: %w", path, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		return fmt.Errorf("lab: %s: %s: %s", path, response.Status, strings.TrimSpace(string(why)))
	}
	if read == nil {
		return nil
	}
	if err := read(response.Body); err != nil {
		return fmt.Errorf("lab: %s: %w", path, err)
	}
	return nil
}
