package loadgen

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"k8s.io/apimachinery/pkg/api/resource"
)

// walker takes one person through a journey, a request after another, over connections of its own: all that a session
// does, without the engine's clock and pool.
type walker struct {
	*testing.T
	e *Engine
	m *memory
	v *visit
	s session
}

func newWalker(t *testing.T, cfg Config, m *memory, seq uint32) *walker {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &walker{T: t, e: e, m: m, v: &visit{values: make([][]byte, e.slots)}}
	w.v.Seq = seq
	return w
}

// shot goes through the shot of a step; the error is the session's.
func (w *walker) shot(step int) (ok bool, requests int, err error) {
	w.Helper()
	w.v.at = step
	st := w.e.steps[step]
	if !st.session {
		w.Fatalf("step %s has no session", st.name)
	}
	if err := w.s.begin(w.e, w.v, time.Now().Unix()); err != nil {
		return false, 0, err
	}
	for requests < 100 {
		p := w.exchange(st)
		requests++
		again, err := w.s.answer(st, p, time.Now().Unix())
		if err != nil {
			return false, requests, err
		}
		if !again {
			ok = st.judge(p, w.v, &w.s)
			st.tellCreated(w.v, w.m)
			return ok, requests, nil
		}
	}
	w.Fatal("a shot without an end")
	return false, 0, nil
}

// exchange sends the request under way in odd pieces and reads the answer.
func (w *walker) exchange(st *step) *parser {
	w.Helper()
	c, err := net.Dial("tcp", w.s.host.address)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(w.s.appendRequest(nil, w.e, w.v)); err != nil {
		w.Fatal(err)
	}
	if u := w.s.stream(st); u != nil {
		for b := u.next(); len(b) > 0; b = u.next() {
			n, err := c.Write(b[:min(len(b), 10_007)])
			if err != nil {
				w.Fatal(err)
			}
			u.advance(n)
		}
	}
	p := &parser{}
	p.reset(st.head, st.keepHeader, st.keepBody)
	buf := make([]byte, 4096)
	for p.state != answered {
		n, err := c.Read(buf)
		if _, broken := p.feed(buf[:n]); broken != nil {
			w.Fatal(broken)
		}
		if err != nil && p.state != answered {
			if errors.Is(err, io.EOF) && p.end() == nil {
				break
			}
			w.Fatal(err)
		}
	}
	return p
}

// portal is an application behind a login, and the login of an identity provider: two origins that send people to and
// fro. Everything that real ones check is checked: cookies, state, one-time tokens, the code.
type portal struct {
	app, idp *httptest.Server
	mu       sync.Mutex
	logins   map[string]bool // CSRF tokens given and not yet used
	codes    map[string]string
	made     map[string]int // applications, by the file's length
	foreign  []string       // credentials that came where they do not belong
}

func newPortal(t testing.TB) *portal {
	p := &portal{logins: map[string]bool{}, codes: map[string]string{}, made: map[string]int{}}
	app, idp := http.NewServeMux(), http.NewServeMux()
	p.app, p.idp = httptest.NewServer(app), httptest.NewServer(idp)
	t.Cleanup(p.app.Close)
	t.Cleanup(p.idp.Close)
	app.HandleFunc("GET /antrag", p.form)
	app.HandleFunc("GET /callback", p.callback)
	app.HandleFunc("POST /antrag", p.submit)
	idp.HandleFunc("GET /auth", p.auth)
	idp.HandleFunc("POST /login/authenticate", p.authenticate)
	return p
}

func (p *portal) form(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie("session"); err != nil || c.Value != "of-"+r.Header.Get("X-Person") {
		state := "state-" + r.Header.Get("X-Person")
		http.SetCookie(w, &http.Cookie{Name: "state", Value: state, Path: "/callback", HttpOnly: true})
		http.Redirect(w, r, p.idp.URL+"/auth?"+url.Values{"state": {state}, "redirect_uri": {p.app.URL + "/callback"}}.Encode(), http.StatusFound)
		return
	}
	_, _ = fmt.Fprintf(w, `<!DOCTYPE html><html><head><meta charset="utf-8"><meta name="csrf" content="meta-%[1]s"></head><body>
		<script>document.write('<input name="csrf_token" value="no">')</script><!-- <form action="/no"> -->
		<form id=antrag method=post enctype="multipart/form-data"><input type=hidden value='token-%[1]s&amp;' name="csrf_token">
		<textarea name=note>
&Uuml;ber</textarea></form><a href="/hilfe">Hilfe &amp; <b>Kontakt</b></a></body></html>`, r.Header.Get("X-Person"))
}

func (p *portal) auth(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Header.Get("Authorization") != "" {
		p.foreign = append(p.foreign, r.Header.Get("Authorization"))
	}
	token := fmt.Sprintf("t%d", len(p.logins))
	p.logins[token] = true
	http.SetCookie(w, &http.Cookie{Name: "AUTH_SESSION", Value: token, Path: "/login", HttpOnly: true})
	_, _ = fmt.Fprintf(w, `<html><body><form action="/search"><input name=q></form>
		<FORM ID="kc-form" ACTION="%s/login/authenticate?state=%s&amp;redirect_uri=%s" method=post>
		<input name='csrf' value=%q type=hidden><input name=user><input name=password type=password></FORM></body></html>`,
		p.idp.URL, r.FormValue("state"), url.QueryEscape(r.FormValue("redirect_uri")), token)
}

func (p *portal) authenticate(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	token := r.PostFormValue("csrf")
	if c, err := r.Cookie("AUTH_SESSION"); err != nil || c.Value != token || !p.logins[token] || r.PostFormValue("password") != "geheim & süß" {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	p.logins[token] = false
	code := "code-" + token
	p.codes[code] = r.PostFormValue("user")
	http.Redirect(w, r, r.FormValue("redirect_uri")+"?"+url.Values{"code": {code}, "state": {r.FormValue("state")}}.Encode(), http.StatusSeeOther)
}

func (p *portal) callback(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	user, known := p.codes[r.FormValue("code")]
	if c, err := r.Cookie("state"); err != nil || c.Value != r.FormValue("state") || !known {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	delete(p.codes, r.FormValue("code"))
	http.SetCookie(w, &http.Cookie{Name: "session", Value: "of-" + user, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	w.Header().Set("Location", "./antrag?welcome#top")
	w.WriteHeader(http.StatusFound)
}

func (p *portal) submit(w http.ResponseWriter, r *http.Request) {
	c, err := r.Cookie("session")
	if err != nil {
		http.Error(w, "no session", http.StatusForbidden)
		return
	}
	file, header, err := r.FormFile("scan")
	if err != nil || r.PostFormValue("csrf_token") != "token-"+strings.TrimPrefix(c.Value, "of-")+"&" || r.PostFormValue("note") != "Über" {
		http.Error(w, "no form", http.StatusBadRequest)
		return
	}
	data, _ := io.ReadAll(file)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made[fmt.Sprintf("%s %s %d", header.Filename, header.Header.Get("Content-Type"), len(data))]++
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprintf(w, `{"id":"antrag-%s"}`, strings.TrimPrefix(c.Value, "of-"))
}

// login is the journey through the portal.
func login(p *portal) *scenarios.Scenario {
	s := uniform(5, time.Second, scenarios.Step{})
	s.Hosts = map[string]string{"login.example.org": p.idp.URL}
	j := &s.Journeys[0]
	j.Cookies, j.Connections = true, "session"
	who := map[string]string{"X-Person": "p{{seq}}", "Authorization": "Basic of-the-app"}
	j.Steps = []scenarios.Step{
		{
			Name: "page", URL: "/antrag", Follow: 5, Headers: who, Checks: []scenarios.Check{{Status: []int{200}}, {Contains: "kc-form"}},
			Extract: []scenarios.Extract{{Name: "action", Action: "kc-form"}, {Name: "csrf", Field: "csrf"}, {Name: "again", Action: "password"}},
		},
		{
			Name: "login", URL: "{{action}}", Follow: 5, Headers: map[string]string{"X-Person": "p{{seq}}"},
			Form:   &scenarios.Form{Fields: map[string]string{"user": "p{{seq}}", "password": "geheim & süß", "csrf": "{{csrf}}"}},
			Checks: []scenarios.Check{{Status: []int{200}}, {Contains: "csrf_token"}},
			Extract: []scenarios.Extract{
				{Name: "token", Field: "csrf_token"},
				{Name: "note", Field: "note"},
				{Name: "meta", Field: "csrf"},
				{Name: "back", Action: "antrag"},
				{Name: "help", Link: "Hilfe & Kontakt"},
				{Name: "session", Cookie: "session"},
			},
		},
		{
			Name: "submit", URL: "{{back}}", Checks: []scenarios.Check{{Status: []int{201}}}, Headers: map[string]string{"X-Session": "{{session}}"},
			Form: &scenarios.Form{
				Fields: map[string]string{"csrf_token": "{{token}}", "note": "{{note}}"},
				Files:  []scenarios.File{{Field: "scan", Size: quantity("300k"), Name: "Ausweis {{seq}}.pdf"}},
			},
			Extract: []scenarios.Extract{{Name: "id", JSON: "id", Created: true}},
		},
	}
	return s
}

// TestLoginThroughAnIdentityProvider: the code flow of OpenID Connect, with forms, tokens and cookies of two origins,
// and then an upload.
func TestLoginThroughAnIdentityProvider(t *testing.T) {
	p := newPortal(t)
	cfg, m := config(t, login(p), strings.TrimPrefix(p.app.URL, "http://"))
	for seq := range uint32(3) {
		w := newWalker(t, cfg, m, seq)
		for step, want := range []int{2, 3, 1} { // requests: the application and the provider; the provider, back, the page; the upload
			ok, requests, err := w.shot(step)
			if !ok || requests != want || err != nil {
				t.Fatalf("step %d: %v after %d requests, want %d (%v)\nat %s", step, ok, requests, want, err, w.s.at.text)
			}
		}
		if back := string(w.v.values[w.e.steps[1].inPageSlot[3]]); back != p.app.URL+"/antrag?welcome" {
			t.Errorf("the form goes to %s", back)
		}
	}
	if p.made["Ausweis 1.pdf application/pdf 300000"] != 1 || len(p.made) != 3 {
		t.Errorf("applications with %v", p.made)
	}
	if len(m.created) != 3 || string(m.created[2].Value) != "antrag-p2" || m.created[2].Name != "id" || m.created[2].Seq != 2 || m.created[2].Step != 2 {
		t.Errorf("created %+v", m.created)
	}
	if len(p.foreign) > 0 {
		t.Errorf("the provider was given %v", p.foreign)
	}
}

// TestLoginInARun is the same through the engine.
func TestLoginInARun(t *testing.T) {
	p := newPortal(t)
	cfg, m := config(t, login(p), strings.TrimPrefix(p.app.URL, "http://"))
	if _, err := run(t, t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if n := checkFates(t, m, 5); n[record.Completed] != 5 || len(m.samples) != 15 || len(m.created) != 5 || len(p.made) != 5 {
		t.Errorf("fates %v, %d samples, created %+v, applications %v", n, len(m.samples), m.created, p.made)
	}
}

func quantity(text string) resource.Quantity { return resource.MustParse(text) }
