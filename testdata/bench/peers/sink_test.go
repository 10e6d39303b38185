package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// compiled gives a bench whose sink and limit are built from this tree.
func compiled(t *testing.T) *bench {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no gcc here")
	}
	b := &bench{settings: settings{cache: t.TempDir()}, dir: t.TempDir(), stderr: io.Discard, clientCPU: 0, sinkCPU: 0}
	for _, name := range []string{"sink", "limit"} {
		out, err := exec.Command("gcc", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-o", filepath.Join(b.cache, name),
			filepath.Join("..", name+".c"), "-lm").CombinedOutput()
		if err != nil {
			t.Fatalf("compile %s: %v\n%s", name, err, out)
		}
	}
	return b
}

// started gives a running sink and a connection to it that gives up after ten seconds.
func (b *bench) started(t *testing.T, args ...string) (*sink, net.Conn, *bufio.Reader) {
	t.Helper()
	s, err := b.startSink(t.Context(), true, args...)
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, s)
	return s, conn, bufio.NewReader(conn)
}

func dial(t *testing.T, s *sink) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

func answer(t *testing.T, from *bufio.Reader) (int, string) {
	t.Helper()
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func ended(t *testing.T, s *sink) account {
	t.Helper()
	a, err := s.stop()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func sequences(requests []request) []int64 {
	var numbers []int64
	for _, r := range requests {
		numbers = append(numbers, r.sequence)
	}
	return numbers
}

func TestSinkReadsSplitAndPipelinedRequests(t *testing.T) {
	s, conn, from := compiled(t).started(t)
	one := "POST /9 HTTP/1.1\r\nHost: a\r\nIdempotency-Key: 41\r\nContent-Length: 5\r\n\r\nhello"
	for _, part := range []string{one[:1], one[1:20], one[20 : len(one)-1], one[len(one)-1:]} {
		if _, err := io.WriteString(conn, part); err != nil {
			t.Fatal(err)
		}
	}
	if status, body := answer(t, from); status != 200 || body != strings.Repeat("a", 13) {
		t.Errorf("%d %q", status, body)
	}
	var many strings.Builder
	for k := range 500 {
		fmt.Fprintf(&many, "GET /page/%d HTTP/1.1\r\nHost: a\r\n\r\n", k)
	}
	go io.WriteString(conn, many.String()) // answers are read meanwhile; the sink's account shows whether it got there
	for range 500 {
		if status, _ := answer(t, from); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	a := ended(t, s)
	want := []int64{41}
	for k := range int64(500) {
		want = append(want, k)
	}
	if got := sequences(a.requests); !slices.Equal(got, want) {
		t.Errorf("sequences %v", got)
	}
	if a.Unstamped != 0 {
		t.Errorf("the kernel stamped all but %d requests", a.Unstamped)
	}
	for i, r := range a.requests {
		if r.answer < r.arrival || i > 0 && r.arrival < a.requests[i-1].arrival {
			t.Fatalf("request %d arrived at %d, answered at %d, after one that arrived at %d", i, r.arrival, r.answer, a.requests[max(i-1, 0)].arrival)
		}
	}
}

func TestSinkRefusesWhatIsNoRequest(t *testing.T) {
	b := compiled(t)
	s, _, _ := b.started(t)
	for _, c := range []struct {
		text   string
		status int
		stays  bool
	}{
		{"nonsense\r\n\r\n", 400, false},
		{"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, false},
		{"GET / HTTP/1.1\r\nContent-Length: 70000\r\n\r\n", 413, false},
		{"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 413, false},
		{"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 413, false},
		{"GET / HTTP/1.1\r\nA: " + strings.Repeat("b", 64<<10+1-len("GET / HTTP/1.1\r\nA: ")), 413, false}, // one byte too many
		{"GET /" + strings.Repeat("1", 300) + " HTTP/1.0\r\nHost: a\r\n\r\n", 200, false},
		{"GET / HTTP/1.1\r\nConnection: close\r\nIdempotency-Key: x\r\n\r\n", 200, false},
		{"GET / HTTP/1.1\r\n\r\n", 200, true},
	} {
		conn := dial(t, s)
		go io.WriteString(conn, c.text) // the sink may close before it has read all
		from := bufio.NewReader(conn)
		if status, _ := answer(t, from); status != c.status {
			t.Errorf("%.40q: status %d, want %d", c.text, status, c.status)
		}
		if c.stays {
			continue
		}
		if _, err := from.ReadByte(); err == nil {
			t.Errorf("%.40q: the connection stays open", c.text)
		}
	}
	ended(t, s)
}

func TestSinkPlaysTheJourney(t *testing.T) {
	s, conn, from := compiled(t).started(t, "--journey")
	fmt.Fprintf(conn, "POST /form HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
	status, body := answer(t, from)
	var form struct{ Token, CSRF string }
	if err := json.Unmarshal([]byte(body), &form); err != nil || status != 200 || form.CSRF == "" {
		t.Fatalf("%d %s %v", status, body, err)
	}
	for sent, want := range map[string]int{
		"token=" + form.Token: 201, `{"token": "` + form.Token + `"}`: 201,
		"token=00000001-00000000": 422, "token=": 422, "nothing": 422, "": 422, "token=" + form.Token[:16]: 422,
	} {
		fmt.Fprintf(conn, "POST /submit HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", len(sent), sent)
		if status, body := answer(t, from); status != want || want == 201 && !strings.Contains(body, `"id":"A-`) {
			t.Errorf("%q: %d %s, want %d", sent, status, body, want)
		}
	}
	if a := ended(t, s); a.Refused != 5 {
		t.Errorf("%d refused, want 5", a.Refused)
	}
}

// What is held stays held for its time; what comes during a stall is answered after it.
func TestSinkHoldsAndStalls(t *testing.T) {
	b := compiled(t)
	s, conn, from := b.started(t, "--hold", "0.05")
	io.WriteString(conn, "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
	answer(t, from)
	answer(t, from)
	a := ended(t, s)
	if a.MostHeld != 2 || len(a.requests) != 2 {
		t.Fatalf("%+v", a)
	}
	for _, r := range a.requests {
		if r.answer-r.arrival < int64(50*time.Millisecond) {
			t.Errorf("held for %d ns only", r.answer-r.arrival)
		}
	}
	s, conn, from = b.started(t, "--stall-at", "0.02", "--stall-for", "0.05")
	for begin := time.Now(); time.Since(begin) < 100*time.Millisecond; { // beyond the stall's end
		io.WriteString(conn, "GET /1 HTTP/1.1\r\n\r\n")
		answer(t, from)
	}
	a = ended(t, s)
	if a.StalledTo < a.requests[0].arrival+int64(70*time.Millisecond) {
		t.Errorf("the stall ended at %d, the first request came at %d", a.StalledTo, a.requests[0].arrival)
	}
	for _, r := range a.requests {
		if r.answer > a.StalledAt && r.answer < a.StalledTo {
			t.Errorf("answered within the stall from %d to %d: %+v", a.StalledAt, a.StalledTo, r)
		}
	}
}

// The limit fires what it was told to, and counts what the sink counts.
func TestLimitAgreesWithTheSink(t *testing.T) {
	b := compiled(t)
	for _, args := range [][]string{
		{"--rate", "2000", "--for", "0.25"},
		{"--rate", "2000", "--for", "0.25", "--spin"},
		{"--rate", "2000", "--for", "0.25", "--process", "poisson", "--seed", "7"},
		{"--rate", "4000", "--for", "0.25", "--connections", "1", "--most", "3", "--method", "POST", "--body", "100"},
		{"--for", "0.2", "--connections", "8"},
	} {
		s, err := b.startSink(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), filepath.Join(b.cache, "limit"), append([]string{"--port", port(s.url)}, args...)...)
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		a := ended(t, s)
		if err != nil {
			t.Fatalf("%v: %v %s", args, err, stderr.String())
		}
		var said struct{ Completed, Failed, Unsent int64 }
		if err := json.Unmarshal(out, &said); err != nil {
			t.Fatalf("%v: %v in %s", args, err, out)
		}
		open := args[0] == "--rate"
		if open && (said.Completed != a.Answered || said.Unsent != 0) || said.Failed != 0 || a.Bad != 0 || said.Completed == 0 || said.Completed > a.Answered {
			t.Errorf("%v: %+v, the sink %+v", args, said, a)
		}
	}
}
