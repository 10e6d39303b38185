package loadgen

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// Why a session cannot go on, beside errURL.
var (
	errElsewhere = errors.New("not an address of this run")
	errCircle    = errors.New("more redirects than the step follows")
)

// session is what a person carries through a journey beyond the values they extracted: their cookies, the page they
// are at, and the request under way. Only steps that say so have one (step.session); its buffers are used again by the
// next person.
//
// For each shot, and each try of it:
//
//	err := s.begin(e, v, now)           // err: there is nowhere to send it; the shot has failed, and nothing is sent
//	dst = s.appendRequest(dst, e, v)    // to s.host; then, where s.stream(st) is not nil, the bytes it gives
//	again, err := s.answer(st, p, now)  // err: the shot has failed, with this answer
//
// While answer says again, the same shot goes on with another request: to s.host, by appendRequest. All of them are one
// sample, from the first one's Due and Sent to the last one's Done, which is what the person felt. After the last one
// the answer is judged.
type session struct {
	jar  jar
	host *host // that the request goes to
	at   page  // of the request; after its answer, of what the person sees
	here page  // where the person was before the shot, on all its tries

	hops    int
	bare    bool // a redirect has made the method GET: body and what belongs to it stay behind
	foreign bool // a redirect has led to another origin: credentials of the step stay behind
	body    upload

	tenant *host // the journey's
	home   page  // … and what it is called
	now    int64 // Unix seconds on the wall, of the last begin or answer
	next   page
	text   []byte
	reader *pageReader // of those who look into pages
}

// reset makes s the next person's.
func (s *session) reset() {
	s.jar.clear()
	s.host, s.tenant = nil, nil
	s.hops, s.bare, s.foreign = 0, false, false
}

// begin makes the request of v's step and try. An error wraps errURL or errElsewhere.
func (s *session) begin(e *Engine, v *visit, now int64) error {
	st := e.steps[v.at]
	s.hops, s.bare, s.foreign, s.now = 0, false, false, now
	if s.tenant == nil {
		s.tenant = e.tenants[v.Tenant].host
		s.text = append(s.text[:0], s.tenant.authority...)
		if err := s.home.rename(s.tenant.scheme(), s.text); err != nil {
			return err
		}
		s.host = s.tenant
		s.at.copy(&s.home)
		s.here.copy(&s.home)
	} else if v.retry == 0 && v.waited == 0 {
		s.here.copy(&s.at)
	}
	if st.upload != nil {
		s.body.begin(st.upload, e, v)
	}
	if st.dynamic {
		s.text = st.goal.append(s.text[:0], e, v)
		s.text = st.target.append(s.text, e, v)
		s.at.copy(&s.here)
		return s.goTo(st.reach, s.text)
	}
	return s.goHome(st, e, v)
}

// goHome makes the request of a step that names its address, or means the tenant's.
func (s *session) goHome(st *step, e *Engine, v *visit) error {
	var scheme string
	s.host, scheme, s.text = s.tenant, s.tenant.scheme(), append(s.text[:0], s.tenant.authority...)
	if st.host != nil {
		s.host, scheme, s.text = st.host, st.scheme, append(s.text[:0], st.authority...)
	}
	if st.hostHeader != nil {
		s.text = st.hostHeader.append(s.text[:0], e, v)
	}
	if err := s.at.rename(scheme, s.text); err != nil {
		return err
	}
	if st.host == nil {
		s.home.copy(&s.at)
	}
	s.at.text = st.target.append(s.at.text[:s.at.origin], e, v)
	return nil
}

// goTo makes the request go to where a URL leads from the page, if a run may go there.
func (s *session) goTo(reach directory, url []byte) error {
	s.next.copy(&s.at)
	if err := s.next.resolve(url); err != nil {
		return err
	}
	host := reach.known(&s.next)
	switch {
	case bytes.Equal(s.next.authority(), s.home.authority()): // by the name that the step's header Host gives it
		host = s.tenant
	case bytes.Equal(s.next.originText(), s.at.originText()):
		host = s.host
	}
	if host == nil {
		return fmt.Errorf("%w: %.100s; if it belongs to the target, name it under hosts", errElsewhere, s.next.originText())
	}
	s.host = host
	s.at, s.next = s.next, s.at
	return nil
}

// answer takes the cookies of a whole answer and follows its redirect, if it is one and the step follows them. An error
// wraps errURL, errElsewhere or errCircle.
func (s *session) answer(st *step, p *parser, now int64) (again bool, err error) {
	s.now = now
	if st.cookies {
		p.headerValues("set-cookie", func(value []byte) bool {
			s.jar.set(value, &s.at, now)
			return true
		})
	}
	if st.follow == 0 || !isRedirect(p.status) {
		return false, nil
	}
	s.text = s.text[:0]
	p.headerValues("location", func(value []byte) bool {
		s.text, again = append(s.text, value...), true
		return false
	})
	if !again {
		return false, nil
	}
	if s.hops++; s.hops > st.follow {
		return false, fmt.Errorf("%w: %d", errCircle, st.follow)
	}
	if err := s.goTo(st.reach, s.text); err != nil {
		return false, err
	}
	s.foreign = s.foreign || !bytes.Equal(s.at.originText(), s.next.originText())
	s.bare = s.bare || p.status < 307 && st.method != "GET" && !st.head
	return true, nil
}

// isRedirect says that a status has its client go elsewhere at once: 300 and 304 have not.
func isRedirect(status int) bool {
	return status >= 301 && status <= 303 || status == 307 || status == 308
}

// idempotent says that the request under way may be sent twice.
func (s *session) idempotent(st *step) bool { return s.bare || st.idempotent }

// stream is what is still to be sent after the request that appendRequest wrote; nil for nothing.
func (s *session) stream(st *step) *upload {
	if st.upload == nil || s.bare {
		return nil
	}
	return &s.body
}

// appendRequest writes the request under way, all of it but for what stream gives. It may be called again, to send the
// request over another connection.
func (s *session) appendRequest(dst []byte, e *Engine, v *visit) []byte {
	st := e.steps[v.at]
	method := st.method
	if s.bare {
		method = "GET"
	}
	dst = append(append(dst, method...), ' ')
	dst = append(append(dst, s.at.target()...), " HTTP/1.1\r\nHost: "...)
	dst = append(append(dst, s.at.authority()...), "\r\n"...)
	dst = st.common.append(dst, e, v)
	for i := range st.headers {
		if k := st.kinds[i]; k == everywhere || k == withBody && !s.bare || k == withOrigin && !s.foreign {
			dst = st.headers[i].append(dst, e, v)
		}
	}
	if st.cookies {
		dst = s.jar.appendTo(dst, &s.at, s.now)
	} else if s.host == s.tenant {
		dst = v.appendPlace(dst)
	}
	switch {
	case s.bare || !st.hasBody:
		return append(dst, "\r\n"...)
	case st.upload != nil:
		s.body.rewind()
		return append(appendLength(dst, s.body.length), "\r\n"...)
	}
	s.text = st.body.append(s.text[:0], e, v)
	dst = append(appendLength(dst, int64(len(s.text))), "\r\n"...)
	return append(dst, s.text...)
}

func appendLength(dst []byte, n int64) []byte {
	dst = strconv.AppendInt(append(dst, "Content-Length: "...), n, 10)
	return append(dst, "\r\n"...)
}

// rename makes p the root page of an authority.
func (p *page) rename(scheme string, authority []byte) error {
	p.set(scheme, nil, nil)
	text, err := appendAuthority(p.text, authority, p.secure())
	if err != nil {
		return err
	}
	p.origin = len(text)
	p.text = append(text, '/')
	return nil
}
