//go:build linux

package netlab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain plays the roles of the processes in the tests. After the tests, failed ones too, it looks for what they left behind.
func TestMain(m *testing.M) {
	switch os.Getenv("NETLAB_ROLE") {
	case "echo":
		listener, err := net.Listen("tcp", os.Args[1])
		if err != nil {
			panic(err)
		}
		fmt.Println("ready")
		echo(listener)
	case "ask":
		if err := ask(os.Args[1]); err != nil {
			panic(err)
		}
	case "hang":
		fmt.Println("ready")
		for {
			_ = unix.Pause() // any signal ends it
		}
	default:
		before, err := snapshot()
		code := m.Run()
		if err := errors.Join(err, behind(before)); err != nil {
			fmt.Println("left behind:", err)
			code = 3
		}
		os.Exit(code)
	}
}

// echo sends back what every connection says, until the listener ends.
func echo(listener net.Listener) {
	for {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		go func() { // ends with its connection
			defer c.Close()
			_, _ = io.Copy(c, c)
		}()
	}
}

// ask sends what it reads from its input to the address and prints the answer.
func ask(address string) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	sent := make(chan error)
	go func() {
		_, err := io.Copy(c, os.Stdin)
		sent <- errors.Join(err, c.(*net.TCPConn).CloseWrite())
	}()
	_, err = io.Copy(os.Stdout, c)
	return errors.Join(err, <-sent)
}

// snapshot is what the thread's network namespace has of addresses, links and routes, IPv6's routes without their counters.
func snapshot() (string, error) {
	var all strings.Builder
	for _, name := range []string{"fib_trie", "if_inet6", "ipv6_route", "dev"} {
		text, err := os.ReadFile("/proc/thread-self/net/" + name)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); name == "ipv6_route" {
				line = strings.Join(append(fields[:6], fields[9]), " ") + "\n"
			} else if name == "dev" {
				line = fields[0] + "\n"
			}
			all.WriteString(line)
		}
	}
	return all.String(), nil
}

func host(t *testing.T) string {
	t.Helper()
	now, err := snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// ours is a frame of this package's own in a goroutine's stack.
var ours = regexp.MustCompile(`(?m)^\S*fleet/netlab\..*\n\t\S*netlab/(netlab|namespace|relay|wire)\.go`)

// behind says what tests have left: a change of the host's network, threads in other namespaces, processes, goroutines.
func behind(before string) error {
	var left []error
	if now, err := snapshot(); err != nil || now != before {
		left = append(left, fmt.Errorf("the host's network changed from\n%s\nto\n%s %v", before, now, err))
	}
	home, err := os.Readlink("/proc/thread-self/ns/net")
	left = append(left, err)
	threads, _ := filepath.Glob("/proc/self/task/*/ns/net")
	for _, thread := range threads {
		if namespace, err := os.Readlink(thread); err == nil && namespace != home {
			left = append(left, fmt.Errorf("a thread in another namespace: %s is %s", thread, namespace))
		}
	}
	if child, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		left = append(left, fmt.Errorf("processes: %d, %v", child, err))
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if ours.MatchString(stack) && !strings.Contains(stack, "testing.tRunner") { // a test's own may still be unwinding
			left = append(left, fmt.Errorf("a goroutine:\n%s", stack))
		}
	}
	return errors.Join(left...)
}

// TestAFailedTestLeavesNothing fails, in a process of its own, with everything open.
func TestAFailedTestLeavesNothing(t *testing.T) {
	New(t, 1, "a") // skips where there can be none
	output, err := program("fails", "-test.run=^TestThatFails$").Output()
	if !strings.Contains(string(output), "on purpose") || strings.Contains(string(output), "left behind") || err == nil || err.Error() != "exit status 1" {
		t.Errorf("%v, with\n%s", err, output)
	}
}

// TestAKilledTestLeavesNothing inherits the process that a killed test had in its namespace, and waits for its end.
func TestAKilledTestLeavesNothing(t *testing.T) {
	New(t, 1, "a")
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	test := program("fails", "-test.run=^TestThatFails$")
	test.Env = append(test.Env, "NETLAB_WAIT=1")
	output, err := test.StdoutPipe()
	if err == nil {
		err = test.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	_, _ = test.Process.Kill(), test.Wait()
	if line != "ready\n" {
		t.Fatalf("the process in the namespace said %q, %v", line, err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(-1, &status, 0, nil); err != nil || status.Signal() != unix.SIGKILL {
		t.Errorf("the process in the killed test's namespace ended with %v, %v", status, err)
	}
}

// TestThatFails is run by the tests above, in a process of its own.
func TestThatFails(t *testing.T) {
	if os.Getenv("NETLAB_ROLE") != "fails" {
		t.Skip("run by others only")
	}
	n := New(t, 1, "a", "b")
	n.Relay("a", "/nobody")
	hanging := program("hang")
	hanging.Stdout = os.Stdout
	if err := n.Start("b", hanging); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("NETLAB_WAIT") != "" {
		select {} // not in a wait for the other, in which this one would still reap it while it is killed itself
	}
	t.Fatal("failed on purpose")
}

// TestWithoutRightsItSkips runs a test as nobody.
func TestWithoutRightsItSkips(t *testing.T) {
	New(t, 1, "a")
	test := program("", "-test.v", "-test.run=^TestThereIsNoWayToTheHost$")
	test.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	output, err := test.Output()
	if err != nil || !strings.Contains(string(output), "--- SKIP") || !strings.Contains(string(output), "Run as root") {
		t.Errorf("%v, with\n%s", err, output)
	}
}
