package place

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test's own program is worker and coordinator, too.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "worker":
		os.Exit(work(os.Args[2:]))
	case len(os.Args) > 1 && os.Args[1] == "coordinator":
		os.Exit(coordinate(os.Args[2]))
	}
	os.Exit(m.Run())
}

const secret = "a-token-that-nobody-prints"

// work is a worker that keeps its token where the test finds it, and stays.
func work(args []string) int {
	get := func(flag string) string { return args[slices.Index(args, flag)+1] }
	ended := make(chan os.Signal, 1)
	if slices.Contains(args, "stubborn") {
		signal.Ignore(syscall.SIGTERM)
	} else {
		signal.Notify(ended, syscall.SIGTERM)
	}
	token, err := os.ReadFile(get("--token-file"))
	if err == nil {
		err = writeFile(filepath.Join(get("--state"), "seen"), token)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if slices.Contains(args, "refused") {
		fmt.Println("a line before\nrefused: another version")
		return ExitRefused
	}
	select {
	case <-ended:
	case <-time.After(time.Minute): // nobody ends it: the test has died
	}
	return 0
}

// coordinate starts three workers and waits to be killed.
func coordinate(dir string) int {
	l, err := NewLocal(LocalConfig{Worker: Worker{Join: "tls://127.0.0.1:1", TokenFile: tokenIn(dir)}, Dir: dir})
	if err == nil {
		err = l.Start(context.Background(), 3)
	}
	fmt.Println("started", err)
	time.Sleep(time.Minute)
	return 1
}

// tokenIn writes the token that workers of a placement in dir are given.
func tokenIn(dir string) string {
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		panic(err)
	}
	return file
}

// newLocal is a placement in dir whose workers end with the test.
func newLocal(t *testing.T, dir string, c LocalConfig) *Local {
	t.Helper()
	c.Worker, c.Dir = Worker{Join: "tls://127.0.0.1:1", TokenFile: tokenIn(dir)}, dir
	l, err := NewLocal(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

// until waits for what must come.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// death is the next that is told.
func death(t *testing.T, p Placement) Death {
	t.Helper()
	select {
	case d := <-p.Deaths():
		return d
	case <-time.After(20 * time.Second):
		t.Fatal("no death is told")
		return Death{}
	}
}

// working waits until every worker on the roll has read its token.
func working(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		until(t, name+" has its token", func() bool {
			text, err := os.ReadFile(filepath.Join(dir, name, "seen"))
			return err == nil && string(text) == secret
		})
	}
}

func onRoll(t *testing.T, dir string) (list []entry) {
	t.Helper()
	var r roll
	text, err := os.ReadFile(filepath.Join(dir, rollFile))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r.Workers
}

func names(list []entry) (names []string) {
	for _, e := range list {
		names = append(names, e.Name)
	}
	return names
}

func TestLocalWorkersAndTheirDeaths(t *testing.T) {
	dir := t.TempDir()
	l := newLocal(t, dir, LocalConfig{Each: func(i int) []string {
		return map[int][]string{3: {"refused"}}[i]
	}})
	if err := l.Start(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	roll := onRoll(t, dir)
	working(t, dir, names(roll)...)
	if d := death(t, l); d.Name != roll[2].Name || d.Why != "exit status 64: refused: another version" {
		t.Errorf("the one that was refused: %+v", d)
	}
	for _, e := range roll[:2] {
		if session, err := unix.Getsid(e.Pid); err != nil || session != e.Pid {
			t.Errorf("%s is of session %d, %v: a Ctrl-C would reach it", e.Name, session, err)
		}
		hidesToken(t, e)
	}
	if err := syscall.Kill(roll[0].Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if d := death(t, l); d.Name != roll[0].Name || d.Why != "signal: killed" || d.State != filepath.Join(dir, d.Name) {
		t.Errorf("the one that was killed: %+v", d)
	}
	until(t, "another follows the one that was killed", func() bool { return len(onRoll(t, dir)) > 3 })
	if last := onRoll(t, dir)[3]; last.State != roll[0].State {
		t.Errorf("%+v has another state than %+v, or follows the one that was refused", last, roll[0])
	}
	if err := l.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if runs(roll[1]) {
		t.Error("a worker outlives Stop")
	}
	for range l.Deaths() { // closed
	}
	if _, err := os.Stat(filepath.Join(dir, rollFile)); !os.IsNotExist(err) {
		t.Errorf("the roll is still there: %v", err)
	}
}

// hidesToken: everybody may read command lines, and root every environment.
func hidesToken(t *testing.T, e entry) {
	t.Helper()
	for _, file := range []string{"cmdline", "environ"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", e.Pid, file))
		if err != nil || strings.Contains(string(text), secret) {
			t.Errorf("%s of %s holds the token, or cannot be read: %v", file, e.Name, err)
		}
	}
}

// runs says whether a worker runs, whoever its parent is.
func runs(e entry) bool {
	p, err := openProcess(e.Pid, e.Began)
	if err != nil {
		return false
	}
	defer p.close()
	ended, err := p.ended()
	return err == nil && !ended
}

// A coordinator that comes back is no parent of those that it finds, and its own numbers for them may be others' by now.
func TestLocalWorkersOutliveTheirCoordinator(t *testing.T) {
	dir := t.TempDir()
	before := exec.Command(os.Args[0], "coordinator", dir)
	out, err := before.StdoutPipe()
	if err == nil {
		err = before.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 100)
	n, _ := out.Read(line)
	_ = before.Process.Kill()
	_ = before.Wait()
	if got := string(line[:n]); got != "started <nil>\n" {
		t.Fatalf("the coordinator before said %q", got)
	}
	roll := onRoll(t, dir)
	working(t, dir, names(roll)...)
	if err := syscall.Kill(roll[1].Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "one has died meanwhile", func() bool { return !runs(roll[1]) })
	if err := os.Remove(filepath.Join(dir, roll[1].State, "seen")); err != nil {
		t.Fatal(err)
	}

	l := newLocal(t, dir, LocalConfig{})
	if err := l.Start(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if d := death(t, l); d.Name != roll[1].Name {
		t.Errorf("the one that had died: %+v", d)
	}
	now := onRoll(t, dir)
	if len(now) != 4 || !slices.Equal(now[:3], roll) {
		t.Fatalf("the roll was %v and is %v: one more is wanted", roll, now)
	}
	working(t, dir, now[3].State)
	if now[3].State != roll[1].State {
		t.Errorf("%+v does not take up what %+v left", now[3], roll[1])
	}
	if err := syscall.Kill(roll[2].Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if d := death(t, l); d.Name != roll[2].Name || d.Why != "it has ended" {
		t.Errorf("the one that died then: %+v", d)
	}
	if err := l.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, e := range now {
		if runs(e) {
			t.Errorf("%s outlives Stop", e.Name)
		}
	}
}

func TestLocalWorkersThatDoNotEndAreKilled(t *testing.T) {
	dir := t.TempDir()
	l := newLocal(t, dir, LocalConfig{Grace: time.Millisecond, Each: func(int) []string { return []string{"stubborn"} }})
	if err := l.Start(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	roll := onRoll(t, dir)
	working(t, dir, names(roll)...)
	if err := syscall.Kill(roll[0].Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := l.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if runs(roll[0]) || runs(roll[1]) {
		t.Error("they still run")
	}
}

// This process' number stands for one that was given away again.
func TestNumbersOnTheRollMayBeOthers(t *testing.T) {
	self, err := openProcess(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer self.close()
	place, err := here()
	if err != nil {
		t.Fatal(err)
	}
	write := func(dir, here string) {
		text, _ := json.Marshal(roll{Here: here, Workers: []entry{{"w1-former", "w1-former", os.Getpid(), self.began - 1}}})
		if err := os.WriteFile(filepath.Join(dir, rollFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ours, elsewhere := t.TempDir(), t.TempDir()
	write(ours, place)
	write(elsewhere, "another boot, or another machine")
	l, far := newLocal(t, ours, LocalConfig{}), newLocal(t, elsewhere, LocalConfig{})
	if err := l.Start(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if d := death(t, l); d.Name != "w1-former" {
		t.Errorf("another process has its number, so it is dead; told was %+v", d)
	}
	if err := far.Start(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := far.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d, more := <-far.Deaths(); more {
		t.Errorf("nobody here knows whether it lives; told was %+v", d)
	}
}

func TestRollThatIsNone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, rollFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newLocal(t, dir, LocalConfig{}).Start(t.Context(), 1); err == nil || !strings.Contains(err.Error(), rollFile) {
		t.Errorf("a roll that cannot be read: %v", err)
	}
}
