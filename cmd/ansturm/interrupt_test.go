package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// TestInterruptKeepsTheRecord: Ctrl-C in mid-run exits 130 and leaves a whole record in which everything adds up.
func TestInterruptKeepsTheRecord(t *testing.T) {
	for who, flags := range map[string][]string{"alone": nil, "fleet": {"--workers", "2"}} {
		t.Run(who, func(t *testing.T) { interrupt(t, flags) })
	}
}

func interrupt(t *testing.T, flags []string) {
	dir := filepath.Join(t.TempDir(), "run")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"run", "quick", "--speed", "5", "-o", dir}, flags...)...)
	cmd.Args[0] = "ansturm"
	var stderr strings.Builder
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitShots(t, dir)
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil { // the terminal sends it to the whole group
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Fatalf("ended with %v, want exit code 130\n%s", err, &stderr)
	}
	if said := "a second Ctrl-C leaves the workers and " + dir + ".fleet behind"; strings.Contains(stderr.String(), said) != (flags != nil) {
		t.Errorf("it says of a second Ctrl-C:\n%s", &stderr)
	}
	rec, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	account, err := rec.Account()
	if err != nil {
		t.Fatal(err)
	}
	l := account.Ledger
	if l.Missing != 0 || l.Overlaps != 0 || l.Completed+l.Failed+l.Indeterminate+l.Unsent != l.Total {
		t.Errorf("the ledger does not add up: %+v", l)
	}
	if l.Unsent == 0 || l.Completed == 0 {
		t.Errorf("stopped in the middle, yet %d completed and %d unsent", l.Completed, l.Unsent)
	}
	if !rec.Run.Interrupted || !rec.Run.Complete() {
		t.Errorf("interrupted %v, complete %v; want both", rec.Run.Interrupted, rec.Run.Complete())
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
		t.Errorf("beside the record there is %v, %v", left, err)
	}
	if account.Lab == nil || !account.Lab.Agrees {
		t.Errorf("the platform's log does not agree with the ledger: %+v", account.Lab)
	}
}

// awaitShots waits until the generator has said in the timeline that it sent something.
func awaitShots(t *testing.T, dir string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(dir, "timeline.jsonl"))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			var e record.Event
			if json.Unmarshal([]byte(line), &e) == nil && e.Kind == record.KindGenerator && e.Values["sent"] > 0 {
				return
			}
		}
	}
	t.Fatal("no shot within 30 s")
}
