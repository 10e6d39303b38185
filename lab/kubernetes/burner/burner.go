// Package burner is the smallest real process for a pod: it serves a tenant's steps over HTTP and burns the CPU time that
// each costs, really, so that the kernel throttles it under its quota.
package burner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Config is what a burner serves.
type Config struct {
	// Listen is its address.
	Listen string
	// Tenant is part of the ids it gives out.
	Tenant string
	// Steps are what it knows, by name.
	Steps map[string]Step
	// Otherwise is the CPU time of a request for another step.
	Otherwise time.Duration
}

// Step is one step's cost.
type Step struct {
	// CPU is the CPU time of one request.
	CPU time.Duration
	// Accepts: the step hands in an application.
	Accepts bool
}

// FromEnvironment reads what package nodeagent gives a pod's process: ANSTURM_LISTEN, ANSTURM_TENANT and ANSTURM_STEPS, and
// ANSTURM_BURN, the CPU time of a request for a step that is not among them (50 ms).
func FromEnvironment(env func(string) string) (Config, error) {
	c := Config{Listen: env("ANSTURM_LISTEN"), Tenant: env("ANSTURM_TENANT"), Steps: map[string]Step{}, Otherwise: 50 * time.Millisecond}
	if c.Listen == "" {
		return c, errors.New("ANSTURM_LISTEN is not set: HOST:PORT to listen at")
	}
	if text := env("ANSTURM_BURN"); text != "" {
		var err error
		if c.Otherwise, err = time.ParseDuration(text); err != nil {
			return c, fmt.Errorf("ANSTURM_BURN: %w", err)
		}
	}
	steps := map[string]struct {
		CPU     string `json:"cpu"`
		Accepts bool   `json:"accepts"`
	}{}
	if text := env("ANSTURM_STEPS"); text != "" {
		if err := json.Unmarshal([]byte(text), &steps); err != nil {
			return c, fmt.Errorf("ANSTURM_STEPS: %w", err)
		}
	}
	for name, s := range steps {
		cpu, err := time.ParseDuration(s.CPU)
		if err != nil {
			return c, fmt.Errorf("ANSTURM_STEPS: step %q: %w", name, err)
		}
		c.Steps[name] = Step{cpu, s.Accepts}
	}
	return c, nil
}

// Serve serves until ctx ends, and then finishes what it has begun.
func Serve(ctx context.Context, c Config) error {
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: c.handler(), ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { stopped <- server.Shutdown(context.WithoutCancel(ctx)) })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

func (c Config) handler() http.Handler {
	host, _ := os.Hostname()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.Header.Get("Ansturm-Step")
		if name == "" {
			name, _, _ = strings.Cut(strings.TrimLeft(r.URL.Path, "/"), "/")
		}
		step, known := c.Steps[name]
		if !known {
			step.CPU = c.Otherwise
		}
		Burn(step.CPU)
		w.Header().Set("Burner-Host", host)
		if !step.Accepts {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, `<!doctype html><html lang="de"><head><meta charset="utf-8"><title>Antrag</title></head><body><h1>Antrag</h1></body></html>`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]string{"id": c.Tenant + "-" + r.Header.Get("Idempotency-Key"), "status": "accepted"})
	})
}

// Burn uses that much CPU time, by the thread's own clock, which stands while the thread is throttled.
func Burn(d time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for end := used() + d; used() < end; {
		x := 1.0
		for range 2000 {
			x *= 1.0000001
		}
		runtime.KeepAlive(x) // or nothing would be burnt
	}
}

// used is the thread's CPU time.
func used() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return time.Duration(time.Now().UnixNano()) // then the wall's has to do
	}
	return time.Duration(t.Nano())
}
