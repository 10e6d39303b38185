package bus

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

const killedDir = "ANSTURM_TEST_BUS" // set in a coordinator that is to be killed

// What was acknowledged before a coordinator was killed is there when it comes back, at the same address, and goes on.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		untilKilled(dir)
	}
	dir := filepath.Join(t.TempDir(), "run.fleet")
	url := ""
	for range 3 {
		last := killed(t, dir)
		s, err := Start(t.Context(), Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if url != "" && s.URL() != url {
			t.Errorf("it is at %s, and was at %s", s.URL(), url)
		}
		url = s.URL()
		list, err := s.Entries(t.Context(), 1)
		if err != nil || len(list) < last {
			t.Errorf("%d entries of %d, %v", len(list), last, err)
		}
		kept := keptBy(t, s)
		if len(kept) < last {
			t.Errorf("%d messages of %d", len(kept), last)
		}
		for i, line := range kept {
			if want := fmt.Sprintf("0/0/%d %d", i+1, i+1); line != want {
				t.Fatalf("message %q, not %q", line, want)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// killed has a coordinator go on in the directory until it has said enough, and gives the last that was acknowledged.
func killed(t *testing.T, dir string) (last int) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), killedDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for said := 0; lines.Scan(); said++ {
		if last, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatalf("the coordinator says %q", lines.Text())
		}
		if said == 200 {
			_ = child.Process.Kill()
		}
	}
	if err := child.Wait(); err == nil {
		t.Error("it ended by itself")
	}
	return last
}

// untilKilled tells and appends, and says each number once both are acknowledged. What it was killed between it tells again, which is kept once.
func untilKilled(dir string) {
	ctx := context.Background()
	s, err := Start(ctx, Options{Dir: dir, Run: "killed"})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	list, err := s.Entries(ctx, 1)
	for k := uint64(len(list)) + 1; err == nil; k++ {
		text := fmt.Append(nil, k)
		if err = s.Tell(ctx, k, text); err == nil {
			_, err = s.Append(ctx, k, text)
		}
		if err == nil {
			fmt.Println(k)
		}
	}
	fmt.Println(err)
	os.Exit(1)
}
