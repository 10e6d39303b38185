package lab

import (
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

var page = []byte(`<!doctype html><html lang="de"><head><meta charset="utf-8"><title>Antrag</title></head>` +
	`<body><h1>Antrag</h1><form method="post"><input name="name"><button>Absenden</button></form></body></html>`)

// answer is a request's way through the lab.
func (s *server) answer(ctx *fasthttp.RequestCtx) {
	if s.connections.Load() > s.most {
		s.turnedAway.Add(1)
		ctx.SetConnectionClose()
		refuse(ctx, "too many connections")
		return
	}
	tenant := s.tenants[ctx.LocalAddr().(*net.TCPAddr).Port]
	step, known := s.stepOf(ctx)
	d := s.clock.core.tenants[tenant]
	known = known && d.works[step] != nil
	if !known && !d.processes.Load() {
		missing(ctx)
		return
	}
	r := s.pool.Get().(*request)
	ready := r.ready
	*r = request{tenant: tenant, step: step, foreign: !known, ready: ready}
	r.key, r.keyed = parseKey(ctx.Request.Header.Peek("Idempotency-Key"))
	if s.clock.core.door != nil {
		r.place, r.placed = parseKey(ctx.Request.Header.Cookie(PlaceCookie))
	}
	if !s.clock.hand(r) {
		s.turnedAway.Add(1)
		s.pool.Put(r)
		refuse(ctx, "the platform is not running")
		return
	}
	<-ready
	if r.outcome == forwarded {
		s.pass(ctx, r)
	} else {
		s.write(ctx, r)
	}
	if !r.orphaned { // else a back end still holds it
		s.pool.Put(r)
	}
}

func (s *server) write(ctx *fasthttp.RequestCtx, r *request) {
	if r.podName != "" {
		ctx.Response.Header.Set("Ansturm-Pod", r.podName)
	}
	switch r.outcome {
	case waits:
		wait(ctx, r)
	case served:
		s.late.add(time.Since(s.clock.wall(r.doneAt)))
		if r.given { // not with an error, which would look like one more answer that tells to wait
			givePlace(ctx, r)
		}
		if !r.work.accepts {
			ctx.SetContentType("text/html; charset=utf-8")
			ctx.SetBody(page)
			return
		}
		ctx.SetContentType("application/json")
		ctx.SetStatusCode(fasthttp.StatusCreated)
		body := append(ctx.Response.Body(), `{"id":"`...)
		body = append(body, s.clock.core.tenants[r.tenant].tenant...)
		body = append(body, '-')
		body = strconv.AppendUint(body, uint64(r.key), 10)
		body = append(body, `","status":"accepted"}`...)
		ctx.SetBody(body)
	case cut:
		reset(ctx)
	case unknown:
		missing(ctx)
	case unavailable:
		refuse(ctx, "no pod is ready")
	case closing:
		refuse(ctx, "the platform is closing")
	default:
		refuse(ctx, "overloaded")
	}
}

func missing(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("application/json")
	ctx.SetStatusCode(fasthttp.StatusNotFound)
	ctx.SetBodyString(`{"error":"no such step: name it by the header Ansturm-Step or the first segment of the path"}`)
}

var waitingPage = []byte(`<!doctype html><html lang="de"><head><meta charset="utf-8"><title>Warteraum</title></head>` +
	`<body><h1>Bitte warten</h1><p>Sie sind an der Reihe, sobald ein Platz frei ist. Diese Seite lädt sich selbst neu.</p></body></html>`)

// wait tells a person to come again when it is their turn: browsers by Refresh, programs by Retry-After, in whole seconds
// of platform time.
func wait(ctx *fasthttp.RequestCtx, r *request) {
	seconds := strconv.FormatInt(int64((r.wait+time.Second-1)/time.Second), 10)
	ctx.SetStatusCode(fasthttp.StatusTooManyRequests)
	ctx.SetContentType("text/html; charset=utf-8")
	ctx.Response.Header.Set("Retry-After", seconds)
	ctx.Response.Header.Set("Refresh", seconds)
	ctx.Response.Header.Set("Cache-Control", "no-store")
	givePlace(ctx, r)
	ctx.SetBody(waitingPage)
}

func givePlace(ctx *fasthttp.RequestCtx, r *request) {
	var cookie fasthttp.Cookie
	cookie.SetKey(PlaceCookie)
	cookie.SetValue(strconv.FormatUint(uint64(r.place), 10))
	cookie.SetPath("/")
	cookie.SetHTTPOnly(true)
	ctx.Response.Header.SetCookie(&cookie)
}

func refuse(ctx *fasthttp.RequestCtx, why string) {
	ctx.SetContentType("application/json")
	ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
	ctx.Response.Header.Set("Retry-After", "1")
	ctx.SetBodyString(`{"error":"` + why + `"}`)
}

// reset breaks the connection as a dying machine's does for its client: no answer, a reset.
func reset(ctx *fasthttp.RequestCtx) {
	if conn, ok := ctx.Conn().(*net.TCPConn); ok {
		_ = conn.SetLinger(0)
	}
	_ = ctx.Conn().Close()
	ctx.SetConnectionClose()
}

// stepOf finds the step by header, else by the first segment of the path.
func (s *server) stepOf(ctx *fasthttp.RequestCtx) (int, bool) {
	if name := ctx.Request.Header.Peek("Ansturm-Step"); len(name) > 0 {
		i, known := s.steps[string(name)]
		return i, known
	}
	path := ctx.Path()
	for len(path) > 0 && path[0] == '/' {
		path = path[1:]
	}
	for i, b := range path {
		if b == '/' {
			path = path[:i]
			break
		}
	}
	i, known := s.steps[string(path)]
	return i, known
}

// parseKey reads an idempotency key that is a decimal uint32.
func parseKey(b []byte) (key uint32, ok bool) {
	if len(b) == 0 || len(b) > 10 {
		return 0, false
	}
	var n uint64
	for _, d := range b {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	return uint32(n), n < 1<<32
}
