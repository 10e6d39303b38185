// Package clustertest is a small API server for tests: list and watch over real HTTP/2 and TLS on loopback, with resource versions,
// selectors, bookmarks, lists by watch, 410 Gone, tokens that expire, rights that are missing, connections that break, and
// restarts. It catches what a client's fake does not: everything between a change and the client.
package clustertest

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// Object is what the server keeps.
type Object interface {
	runtime.Object
	metav1.Object
}

// Server is the API server. Its methods may be called from any goroutine.
type Server struct {
	t    testing.TB
	addr string
	cert tls.Certificate

	mu      sync.Mutex
	http    *http.Server
	conns   map[net.Conn]bool
	version int64
	uid     int
	objects map[string]Object // by resource/namespace/name
	log     []change
	oldest  int64 // watches from before are gone
	more    chan struct{}
	token   string
	denied  map[string]bool
	hooked  func(*http.Request)
	counts  map[string]int
	served  sync.WaitGroup
}

// change is one entry of the log that watches read.
type change struct {
	version  int64
	resource string
	kind     string // ADDED, MODIFIED, DELETED, BOOKMARK
	object   Object
}

// Start serves on loopback until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	certified := httptest.NewTLSServer(nil) // for its certificate
	certified.Close()
	s := &Server{
		t: t, addr: "127.0.0.1:0", cert: certified.TLS.Certificates[0], conns: map[net.Conn]bool{}, version: 100, objects: map[string]Object{},
		more: make(chan struct{}), denied: map[string]bool{}, counts: map[string]int{},
	}
	s.Up()
	t.Cleanup(s.Down)
	return s
}

// URL is the server's address, the same after every restart.
func (s *Server) URL() string { return "https://" + s.addr }

// Kubeconfig is a configuration with one context of the given name; user is the user's YAML, like "token: abc".
func (s *Server) Kubeconfig(context, user string) string {
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Certificate[0]})
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}]
contexts: [{name: %s, context: {cluster: c, user: u}}]
users: [{name: u, user: {%s}}]
current-context: %s
`, s.URL(), base64.StdEncoding.EncodeToString(authority), context, user, context)
}

// Up starts serving, after Down at the same address.
func (s *Server) Up() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatalf("clustertest: %v", err)
	}
	s.addr = l.Addr().String()
	server := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{Certificates: []tls.Certificate{s.cert}}, ConnState: func(c net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if state == http.StateClosed || state == http.StateHijacked {
			delete(s.conns, c)
		} else {
			s.conns[c] = true
		}
	}}
	s.mu.Lock()
	s.http = server
	s.mu.Unlock()
	s.served.Go(func() { _ = server.ServeTLS(l, "", "") })
}

// Down stops serving at once; connections are reset, and new ones refused.
func (s *Server) Down() {
	s.mu.Lock()
	server := s.http
	s.http = nil
	s.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
	s.served.Wait()
}

// Drop resets all open connections; new ones are taken.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if secure, ok := c.(*tls.Conn); ok {
			c = secure.NetConn()
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
}

// Forget lets watches from before now be gone.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest = s.version
}

// Token is asked of every request from now on; empty asks for none.
func (s *Server) Token(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// Deny refuses a resource from now on: as "pods", or of one namespace as "pods/ns"; "pods/" is the whole cluster's, and
// "patch deployments" all of one verb.
func (s *Server) Deny(resources ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range resources {
		s.denied[r] = true
	}
}

// Hook is called with every request, before it is answered.
func (s *Server) Hook(f func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooked = f
}

// Count is how many requests there were of a kind: "list pods", "watch pods", "get namespaces".
func (s *Server) Count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[what]
}

// Put creates or changes an object: it gets a new resourceVersion, an UID if it has none, and managed fields that say
// that it was written now.
func (s *Server) Put(resource string, o Object) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	o = o.DeepCopyObject().(Object)
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	o.SetManagedFields([]metav1.ManagedFieldsEntry{{
		Manager: "test", Operation: metav1.ManagedFieldsOperationUpdate, Time: &now, APIVersion: "v1", FieldsType: "FieldsV1",
		FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:spec":{"f:replicas":{}}}`)},
	}})
	s.store(resource, o)
}

// store keeps o under its name. The lock is held.
func (s *Server) store(resource string, o Object) {
	key := resource + "/" + o.GetNamespace() + "/" + o.GetName()
	kind := "ADDED"
	if had, exists := s.objects[key]; exists {
		kind = "MODIFIED"
		o.SetUID(had.GetUID())
		o.SetCreationTimestamp(had.GetCreationTimestamp())
	}
	if o.GetUID() == "" {
		s.uid++
		o.SetUID(types.UID(fmt.Sprintf("uid-%d", s.uid)))
	}
	if c := o.GetCreationTimestamp(); c.IsZero() {
		o.SetCreationTimestamp(metav1.NewTime(time.Now().Truncate(time.Second)))
	}
	s.commit(resource, kind, o)
	s.objects[key] = o
}

// Replace is Put, with the managed fields that o has.
func (s *Server) Replace(resource string, o Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store(resource, o.DeepCopyObject().(Object))
}

// Get is an object as it is, nil where there is none.
func (s *Server) Get(resource, namespace, name string) Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, exists := s.objects[resource+"/"+namespace+"/"+name]
	if !exists {
		return nil
	}
	return o.DeepCopyObject().(Object)
}

// Delete removes an object.
func (s *Server) Delete(resource, namespace, name string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	key := resource + "/" + namespace + "/" + name
	o, exists := s.objects[key]
	if !exists {
		s.t.Fatalf("clustertest: no %s", key)
	}
	delete(s.objects, key)
	s.commit(resource, "DELETED", o.DeepCopyObject().(Object))
}

// commit gives o the next version and lets watches know. The lock is held.
func (s *Server) commit(resource, kind string, o Object) {
	s.version++
	o.SetResourceVersion(strconv.FormatInt(s.version, 10))
	s.log = append(s.log, change{s.version, resource, kind, o})
	close(s.more)
	s.more = make(chan struct{})
}

// ServeHTTP answers the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	token, hook := s.token, s.hooked
	s.mu.Unlock()
	if hook != nil {
		hook(r)
	}
	if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
		refuse(w, http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "Unauthorized")
		return
	}
	if r.URL.Path == "/version" {
		_ = json.NewEncoder(w).Encode(map[string]string{"gitVersion": "v1.35.4", "major": "1", "minor": "35"})
		return
	}
	if r.URL.Path == "/apis/autoscaling.k8s.io" && s.has("verticalpodautoscalers") {
		_ = json.NewEncoder(w).Encode(map[string]string{"kind": "APIGroup", "apiVersion": "v1", "name": "autoscaling.k8s.io"})
		return
	}
	path, scale := subresource(r.URL.Path)
	namespace, resource, name, ok := route(path)
	if !ok {
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, "the server could not find the requested resource")
		return
	}
	query := r.URL.Query()
	watching := query.Get("watch") == "true" || query.Get("watch") == "1"
	verb := "list"
	switch {
	case watching:
		verb = "watch"
	case verbOf(r.Method) != "":
		verb = verbOf(r.Method)
	case name != "":
		verb = "get"
	}
	s.mu.Lock()
	s.counts[verb+" "+resource]++
	denied := s.denied[resource] || s.denied[verb+" "+resource] || s.denied[resource+"/"+namespace] && name == ""
	s.mu.Unlock()
	if denied {
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden, fmt.Sprintf("%s is forbidden: no rights in namespace %q", resource, namespace))
		return
	}
	pick, err := newSelection(resource, namespace, query.Get("labelSelector"), query.Get("fieldSelector"))
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
	case scale || verbOf(r.Method) != "":
		s.write(w, r, resource, namespace, name, scale)
	case watching:
		s.watch(w, r, pick)
	case name != "":
		s.get(w, resource, namespace, name)
	default:
		s.list(w, pick)
	}
}

// has says whether there is any object of a resource.
func (s *Server) has(resource string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.objects {
		if strings.HasPrefix(key, resource+"/") {
			return true
		}
	}
	return false
}

// route takes a path apart: /api/v1/pods, /apis/apps/v1/namespaces/a/deployments, /api/v1/namespaces/a.
func route(path string) (namespace, resource, name string, ok bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return "", "", "", false
	}
	if parts[0] == "namespaces" && len(parts) >= 3 {
		namespace, parts = parts[1], parts[2:]
	}
	resource = parts[0]
	if strings.HasPrefix(path, "/apis/metrics.k8s.io/") {
		resource = "podmetrics"
	}
	if len(parts) > 1 {
		name = parts[1]
	}
	return namespace, resource, name, true
}

func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(status(code, reason, message))
}

func status(code int, reason metav1.StatusReason, message string) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Code: int32(code), Reason: reason, Message: message,
	}
}
