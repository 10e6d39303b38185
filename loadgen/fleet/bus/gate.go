package bus

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// stay is how long a joiner's connection lives.
const stay = time.Minute

// gate lets connections into the embedded server, each with the rights of what it proves to be, and shows out those that
// send too much that is bad.
type gate struct {
	subjects
	keys     keys
	expires  time.Time
	refusals *refusals
	password string // of the coordinator's own connection, in this process
	nats     *server.Server

	mu  sync.Mutex
	bad map[string]int // messages, by name
}

func newGate(s *state, r *refusals) *gate {
	return &gate{
		subjects: subjects{s.Run}, keys: keys{s.secret}, expires: s.Expires, refusals: r,
		password: rand.Text(), bad: map[string]int{},
	}
}

// Check is asked by the server for each connection.
func (g *gate) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	if o.Username == coordinatorName && same(o.Password, g.password) {
		c.RegisterUser(&server.User{Username: coordinatorName})
		return true
	}
	user, reason := g.admit(o.Username, o.Password)
	if o.Username == "" {
		return false // counted as those who do not even ask: see Errorf
	}
	if reason != "" {
		g.refusals.add(reason, c.RemoteAddress().String(), notAdmitted[reason])
		return false
	}
	c.RegisterUser(user)
	return true
}

var notAdmitted = map[string]string{
	badToken: "it does not have this run's token", otherRun: "its token is of another run",
	expired: "the run's credentials have expired", banned: "it sent too much that was bad",
}

// admit judges a name and its password, and says what its owner may do.
func (g *gate) admit(name, password string) (*server.User, string) {
	words := strings.Split(name, ".")
	now := time.Now()
	switch {
	case len(words) > 1 && words[1] != g.run && (words[0] == "joiner" || words[0] == "worker"):
		return nil, otherRun
	case now.After(g.expires.Add(afterwards)):
		return nil, expired
	case g.banned(name):
		return nil, banned
	case len(words) == 3 && words[0] == "joiner" && checkRun(words[2]) == nil && same(password, joinPassword(g.keys.token())):
		return g.joiner(name, words[2], now), ""
	case len(words) == 4 && words[0] == "worker":
		worker, okWorker := number(words[2])
		epoch, okEpoch := number(words[3])
		if okWorker && okEpoch && same(password, passwordOf(g.keys.epoch(worker, epoch))) {
			return g.worker(name, worker, epoch), ""
		}
	}
	return nil, badToken
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (g *gate) joiner(name, nonce string, now time.Time) *server.User {
	return rights(name, now.Add(stay), g.joinersInbox(nonce), g.join(nonce))
}

func (g *gate) worker(name string, w, e uint32) *server.User {
	return rights(name, g.expires.Add(afterwards), g.workersInbox(w, e), g.of("beat", w, e), g.of("frame", w, e), g.of("welcome", w, e))
}

// rights: neither list may be empty, for that means all.
func rights(name string, until time.Time, inbox string, publish ...string) *server.User {
	return &server.User{Username: name, ConnectionDeadline: until, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{Allow: []string{inbox + ".>"}},
	}}
}

func (g *gate) banned(name string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.bad[name] >= patience
}

// blame counts a bad message; the hundredth ends all connections of that name.
func (g *gate) blame(name string) {
	g.mu.Lock()
	g.bad[name]++
	out := g.bad[name] == patience
	g.mu.Unlock()
	if !out {
		return
	}
	connections, err := g.nats.Connz(&server.ConnzOptions{Username: true, User: name, Limit: 1024})
	if err != nil {
		return
	}
	for _, c := range connections.Conns {
		_ = g.nats.DisconnectClientByID(c.Cid) // gone already
	}
}

// judge counts an offence, and blames the connection that the log names, if it is there still.
func (g *gate) judge(o offence) {
	if o.connection != 0 {
		connections, err := g.nats.Connz(&server.ConnzOptions{Username: true, CID: o.connection})
		if err == nil && len(connections.Conns) == 1 {
			o.from = connections.Conns[0].AuthorizedUser
			g.blame(o.from)
		}
	}
	g.refusals.add(o.reason, o.from, o.text)
}

var connection = regexp.MustCompile(`\bcid:(\d+)\b`)

// Errorf, as the other methods, is the server's log.
func (e *ear) Errorf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	o := offence{from: addressOf(line)}
	switch {
	case strings.Contains(line, "TLS handshake error"):
		o.reason, o.text = broken, "no TLS as this run speaks it"
	case strings.Contains(line, " Violation - "):
		o.reason, o.text = foreign, "a subject that is not its own"
		if found := connection.FindStringSubmatch(line); found != nil {
			o.connection, _ = strconv.ParseUint(found[1], 10, 64)
		}
	case strings.HasSuffix(line, server.ErrAuthentication.Error()):
		o.reason, o.text = badToken, "it does not say who it is"
	case strings.Contains(line, "parser ERROR"):
		o.reason, o.text = garbage, "it does not speak the protocol"
	default:
		return
	}
	select {
	case e.offences <- o:
	default: // there are a thousand before it
	}
}

// addressOf is the client's address, with which a line about it begins.
func addressOf(line string) string {
	address, _, found := strings.Cut(line, " - ")
	if !found || len(address) > 64 {
		return "somebody"
	}
	return address
}

// Fatalf: with another logger than ours the process would end, with none nobody would know.
func (e *ear) Fatalf(format string, v ...any) {
	e.mu.Lock()
	e.dead = fmt.Errorf("the bus: "+format, v...)
	e.mu.Unlock()
}

func (e *ear) Noticef(string, ...any) {}
func (e *ear) Warnf(string, ...any)   {}
func (e *ear) Debugf(string, ...any)  {}
func (e *ear) Tracef(string, ...any)  {}
