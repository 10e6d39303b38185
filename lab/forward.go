package lab

import (
	"errors"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// longest is how long a process may take for one answer.
const longest = 2 * time.Minute

var errNoDial = errors.New("lab: the process does not take connections")

// forwarder is the balancer's client to real processes. It tries once: whether to try again is the generator's to say.
func forwarder() fasthttp.Client {
	return fasthttp.Client{
		NoDefaultUserAgentHeader: true, DisableHeaderNamesNormalizing: true, DisablePathNormalizing: true,
		MaxConnsPerHost: 10_000, MaxIdleConnDuration: 10 * time.Second, MaxIdemponentCallAttempts: 1,
		RetryIfErr: func(*fasthttp.Request, int, error) (bool, bool) { return false, false },
		Dial: func(address string) (net.Conn, error) {
			conn, err := net.DialTimeout("tcp", address, time.Second)
			if err != nil {
				return nil, errors.Join(errNoDial, err)
			}
			return conn, nil
		},
	}
}

// pass has the request's process answer it.
func (s *server) pass(ctx *fasthttp.RequestCtx, r *request) {
	q, a := &ctx.Request, &ctx.Response
	q.Header.Del("Connection")
	q.URI().SetScheme("http")
	q.URI().SetHost(r.pod.process)
	err := s.forward.DoTimeout(q, a, longest)
	a.Header.Del("Connection")
	o := served
	switch {
	case errors.Is(err, errNoDial):
		o = unavailable
	case err != nil:
		o = cut
	case a.StatusCode() >= 500:
		o = overloaded
	case a.StatusCode() >= 400:
		r.work = nil // an answer, but nothing was accepted
	}
	s.clock.look(func(c *core) { c.returned(r, o) })
	switch {
	case o == cut:
		reset(ctx)
	case o == unavailable:
		refuse(ctx, "the pod does not answer")
	}
	a.Header.Set("Ansturm-Pod", r.podName)
}
