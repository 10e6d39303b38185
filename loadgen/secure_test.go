package loadgen

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// secureServer serves over TLS of the version; pool verifies it.
func secureServer(t testing.TB, version uint16, handle http.HandlerFunc) (address string, pool *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(handle)
	s.TLS = &tls.Config{MinVersion: version, MaxVersion: version}
	s.Config.ErrorLog = quietLog()
	s.StartTLS()
	t.Cleanup(s.Close)
	pool = x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.URL, pool
}

// TestTLS: both versions, answers of many records, and requests longer than the socket takes at once.
func TestTLS(t *testing.T) {
	const long = 300_000
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			address, pool := secureServer(t, version, func(w http.ResponseWriter, r *http.Request) {
				got, err := io.Copy(io.Discard, r.Body)
				if err != nil || got != long {
					w.WriteHeader(http.StatusBadRequest)
				}
				_, _ = io.WriteString(w, strings.Repeat("x", long)+"end")
			})
			step := scenarios.Step{Method: "POST", Body: strings.Repeat("b", long), Checks: []scenarios.Check{{Status: []int{200}}, {Contains: "xend"}}}
			cfg, m := config(t, uniform(40, 200*time.Millisecond, step), address)
			cfg.TLS = &tls.Config{RootCAs: pool}
			result, err := run(t, t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if n := checkFates(t, m, 40); n[record.Completed] != 40 {
				t.Errorf("fates %v, want all completed: %+v", n, result.Warnings)
			}
			opened := int64(0)
			for _, s := range m.samples {
				if (s.Connect > 0) != (s.Handshake > 0) || s.Connect+s.Handshake > s.Service() {
					t.Errorf("connected in %s, handshake %s, of a service time of %s", s.Connect, s.Handshake, s.Service())
				}
				if s.Handshake > 0 {
					opened++
				}
			}
			if opened != result.Totals.Connections || opened == 0 {
				t.Errorf("%d shots opened a connection, %d were opened", opened, result.Totals.Connections)
			}
		})
	}
}

// TestTLSFailures: a server that cannot be trusted, or speaks no TLS, gets no request.
func TestTLSFailures(t *testing.T) {
	untrusted, _ := secureServer(t, tls.VersionTLS13, func(http.ResponseWriter, *http.Request) { t.Error("a request came through") })
	for _, c := range []struct {
		name, address, reason string
		timeout               time.Duration
	}{
		{"unknown authority", untrusted, "certificate", time.Minute},
		{"no TLS", "https://" + server(t, answering(okAnswer)), "first record does not look like a TLS handshake", time.Minute},
		{"closes in the handshake", "https://" + server(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 10)) }), "", time.Minute},
		{"is silent in the handshake", "https://" + server(t, silent), "", 300 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			step := scenarios.Step{Method: "POST", Body: "x", Timeout: c.timeout}
			cfg, m := config(t, uniform(20, 100*time.Millisecond, step), c.address)
			result, err := run(t, t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if n := checkFates(t, m, 20); n[record.FailedArrival] != 20 || result.Totals.ByOutcome["refused"] != 20 {
				t.Errorf("fates %v, outcomes %v, want all refused", n, result.Totals.ByOutcome)
			}
			said := slices.ContainsFunc(result.Warnings, func(w record.Warning) bool { return strings.Contains(w.Text["en"], c.reason) })
			if c.reason != "" && !said {
				t.Errorf("warnings %+v, want one with %q", result.Warnings, c.reason)
			}
		})
	}
}

func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }

// TestLocalhostKeepsItsName: who writes localhost asks for it, and gets a certificate for it, not for 127.0.0.1.
func TestLocalhostKeepsItsName(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	named := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, named, named, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if named, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(named)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Host, "localhost:") || r.TLS.ServerName != "localhost" {
			w.WriteHeader(http.StatusMisdirectedRequest)
		}
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.Config.ErrorLog = quietLog()
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, http2 := range []bool{false, true} {
		for name, want := range map[string]string{"localhost": "ok", "127.0.0.1": "refused"} {
			address, err := TargetAddress("https://" + name + ":" + port)
			if err != nil {
				t.Fatal(err)
			}
			cfg, m := config(t, uniform(5, 50*time.Millisecond, scenarios.Step{Checks: []scenarios.Check{{Status: []int{200}}}}), address)
			cfg.TLS, cfg.HTTP2 = &tls.Config{RootCAs: pool}, http2
			result, err := run(t, t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			checkFates(t, m, 5)
			if result.Totals.ByOutcome[want] != 5 {
				t.Errorf("%s, HTTP/2 %t: %v, want all %s: %+v", name, http2, result.Totals.ByOutcome, want, result.Warnings)
			}
		}
	}
}
