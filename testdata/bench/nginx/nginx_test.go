package main

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	// The binary under test is built by hand: without this the test's result would be taken for known when the engine changes.
	_ "github.com/ansturm/ansturm/loadgen"
)

// TestLedgerAndLogAgree fires a small surge at a real nginx, in peace, closing connections early, and with every trouble there is.
func TestLedgerAndLogAgree(t *testing.T) {
	program, installed := lookNginx()
	if !installed {
		t.Skip("nginx is not installed (Debian: apt-get install nginx-light), and there is no agreeing with a server that is not there")
	}
	binary := filepath.Join(t.TempDir(), "ansturm")
	if out, err := exec.Command("go", "build", "-o", binary, "../../../cmd/ansturm").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, d := range []duel{
		{name: calm, arrivals: 5000, over: 3 * time.Second},
		{name: closing, arrivals: 5000, over: 3 * time.Second, closing: true},
		{name: troubled, arrivals: 5000, over: 4 * time.Second, troubles: allTroubles},
	} {
		t.Run(d.name, func(t *testing.T) {
			d.nginx, d.ansturm, d.dir, d.stderr, d.hurry = program, binary, t.TempDir(), t.Output(), 20
			p, err := d.fight(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p.print(t.Output())
			if !p.Agree {
				t.Errorf("ledger and access log differ: %q", p.Differences)
			}
			if p.Arrivals != 5000 || p.Fates["completed"] == 0 || p.Accepted == 0 {
				t.Errorf("of 5,000 arrivals the record has %d and %v, the log %d accepted", p.Arrivals, p.Fates, p.Accepted)
			}
			if d.troubles != nil && (p.WorkersKilled == 0 || p.Outcomes["failed"] == 0) {
				t.Errorf("there was not the trouble that was wanted: %d workers killed, outcomes %v", p.WorkersKilled, p.Outcomes)
			}
		})
	}
}
