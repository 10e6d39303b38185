package fleet

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"testing/fstest"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// Spec is what a worker has to know of a run to fire what it holds of it.
type Spec struct {
	// Run is as the record's keeper describes it, without its platform.
	Run record.Run `json:"run"`
	// Parts of the schedule, and Schedule is the fingerprint of its arrivals: a build that makes others of the same scenario is found out.
	Parts    int    `json:"parts"`
	Schedule string `json:"schedule"`
	// Addresses are the tenants', Files what the scenario reads, by its name there.
	Addresses      []string          `json:"addresses"`
	Files          map[string][]byte `json:"files,omitempty"`
	HTTP2          bool              `json:"http2,omitempty"`
	Proxy          string            `json:"proxy,omitempty"`
	Roots          []byte            `json:"roots,omitempty"` // PEM; empty: the system's
	Insecure       bool              `json:"insecure,omitempty"`
	MaxConnections int               `json:"maxConnections,omitempty"`
	PodHeader      string            `json:"podHeader,omitempty"`
	LatenessLimit  time.Duration     `json:"latenessLimit,omitempty"`
}

// newSpec is that of a run which one process would fire by cfg.
func newSpec(run record.Run, cfg loadgen.Config, roots []byte, parts int) (*Spec, error) {
	if cfg.Scenario == nil || cfg.Schedule == nil || cfg.Address == nil {
		return nil, errors.New("fleet: no scenario, no schedule or no address of the target")
	}
	if cfg.Closed > 0 {
		return nil, errors.New("fleet: a closed loop has no schedule to share")
	}
	run.Platform = nil
	s := &Spec{
		Run: run, Parts: parts, Schedule: fingerprint(cfg.Schedule), HTTP2: cfg.HTTP2, Roots: roots,
		Insecure:       cfg.TLS != nil && cfg.TLS.InsecureSkipVerify,
		MaxConnections: cfg.MaxConnections, PodHeader: cfg.PodHeader, LatenessLimit: cfg.LatenessLimit,
	}
	s.Run.WaitingRoom, s.Run.Speed = cfg.WaitingRoom, cfg.Speed
	if s.Run.Speed == 0 {
		s.Run.Speed = 1
	}
	if cfg.Proxy != nil {
		s.Proxy = cfg.Proxy.String()
	}
	for i := range cfg.Scenario.Tenants.List {
		s.Addresses = append(s.Addresses, cfg.Address(i))
	}
	return s, s.readFiles(cfg)
}

// readFiles takes along what the scenario reads when it is fired; its tenants it has read already.
func (s *Spec) readFiles(cfg loadgen.Config) error {
	from := cfg.Files
	if from == nil {
		from = cfg.Scenario.Files()
	}
	s.Files = map[string][]byte{}
	take := func(name string) (err error) {
		if name == "" || from == nil {
			return nil // the engine says what is wrong with it
		}
		s.Files[name], err = fs.ReadFile(from, name)
		if err != nil {
			return fmt.Errorf("fleet: a file of the scenario: %w", err)
		}
		return nil
	}
	for _, f := range cfg.Scenario.Feeders {
		if err := take(f.CSV); err != nil {
			return err
		}
	}
	for _, step := range cfg.Scenario.AllSteps() {
		if step.Form == nil {
			continue
		}
		for i := range step.Form.Files {
			if err := take(step.Form.Files[i].File); err != nil {
				return err
			}
		}
	}
	return nil
}

// config is how a worker's engine fires, but for its recorder, its lease and its start.
func (s *Spec) config() (cfg loadgen.Config, err error) {
	if s.Run.Scenario == nil || len(s.Addresses) < len(s.Run.Scenario.Tenants.List) {
		return cfg, errors.New("fleet: a welcome without a scenario, or without its tenants' addresses")
	}
	files := fstest.MapFS{}
	for name, data := range s.Files {
		files[name] = &fstest.MapFile{Data: data, Mode: 0o444}
	}
	cfg = loadgen.Config{
		Scenario: s.Run.Scenario, RunID: s.Run.ID, Speed: s.Run.Speed, Files: files, HTTP2: s.HTTP2,
		Address:        func(tenant int) string { return s.Addresses[tenant] },
		MaxConnections: s.MaxConnections, PodHeader: s.PodHeader, WaitingRoom: s.Run.WaitingRoom, LatenessLimit: s.LatenessLimit,
	}
	if cfg.Schedule, err = arrivals.New(s.Run.Scenario); err != nil {
		return cfg, fmt.Errorf("fleet: %w", err)
	}
	if got := fingerprint(cfg.Schedule); got != s.Schedule {
		return cfg, fmt.Errorf("fleet: this build makes another schedule of the scenario (%.8s, the coordinator's is %.8s): use the same build of ansturm on both sides", got, s.Schedule)
	}
	if s.Proxy != "" {
		if cfg.Proxy, err = url.Parse(s.Proxy); err != nil {
			return cfg, errors.New("fleet: the proxy is not a URL") // its text may have a password in it
		}
	}
	if len(s.Roots) > 0 || s.Insecure {
		cfg.TLS = &tls.Config{InsecureSkipVerify: s.Insecure} //nolint:gosec // as the user asked for by --insecure
	}
	if len(s.Roots) > 0 {
		cfg.TLS.RootCAs = x509.NewCertPool()
		cfg.TLS.RootCAs.AppendCertsFromPEM(s.Roots)
	}
	return cfg, nil
}

// fingerprint tells schedules apart: by the arrivals of the first, the middle and the last block.
func fingerprint(s *arrivals.Schedule) string {
	h := sha256.New()
	var buf bytes.Buffer
	for _, b := range []int{0, s.Blocks() / 2, s.Blocks() - 1} {
		for _, a := range s.Block(b, arrivals.Set{}, nil) {
			_ = binary.Write(&buf, binary.LittleEndian, [3]int64{int64(a.Seq), int64(a.Due), int64(a.Tenant)})
		}
		_, _ = io.Copy(h, &buf)
	}
	return hex.EncodeToString(h.Sum(nil))
}
