package loadgen

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// readHealth asks the kernel. What cannot be read is zero.
func readHealth() health {
	var h health
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) == nil {
		h.cpu = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	h.runQueue = runQueueDelay()
	if info, err := os.Stat("/proc/self/fd"); err == nil { // its size is the number of descriptors since Linux 6.2
		h.descriptors = info.Size()
	}
	h.throttled, h.throttledTime = throttling()
	h.stolen = stolen()
	h.lingering = lingering()
	return h
}

// tick is the unit of /proc/stat, USER_HZ, which is 100 on every architecture that Go runs on.
const tick = time.Second / 100

// stolen is the eighth number of /proc/stat's first line, see proc(5).
func stolen() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 9 {
		return 0
	}
	n, _ := strconv.ParseInt(string(fields[8]), 10, 64)
	return time.Duration(n) * tick
}

// lingering is the number of sockets in TIME_WAIT, after the word tw in /proc/net/sockstat's line of TCP.
func lingering() int64 {
	text, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0
	}
	_, tcp, _ := bytes.Cut(text, []byte("\nTCP: "))
	tcp, _, _ = bytes.Cut(tcp, []byte("\n"))
	fields := bytes.Fields(tcp)
	for i := 0; i+1 < len(fields); i += 2 {
		if string(fields[i]) == "tw" {
			n, _ := strconv.ParseInt(string(fields[i+1]), 10, 64)
			return n
		}
	}
	return 0
}

// runQueueDelay sums the second number of every thread's schedstat: nanoseconds spent runnable without a processor.
// The process' own schedstat is its first thread's only.
func runQueueDelay() (sum time.Duration) {
	tasks, _ := filepath.Glob("/proc/self/task/*/schedstat") // no match where the kernel keeps none
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		if fields := bytes.Fields(text); len(fields) >= 2 {
			ns, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			sum += time.Duration(ns)
		}
	}
	return sum
}

// cpuStat finds the cpu.stat of the process' own control group: version 2, or version 1's cpu controller.
var cpuStat = sync.OnceValue(func() string {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		roots := []string{"/sys/fs/cgroup/" + parts[1]} // version 1: named after its controllers
		if parts[1] == "" {
			roots = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}
		} else if !strings.Contains(","+parts[1]+",", ",cpu,") {
			continue
		}
		for _, root := range roots {
			for _, path := range []string{filepath.Join(root, parts[2], "cpu.stat"), filepath.Join(root, "cpu.stat")} {
				if stat, err := os.ReadFile(path); err == nil && bytes.Contains(stat, []byte("nr_throttled")) {
					return path
				}
			}
		}
	}
	return ""
})

func throttling() (periods int64, total time.Duration) {
	path := cpuStat()
	if path == "" {
		return 0, 0
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "nr_throttled":
			periods = n
		case "throttled_usec": // version 2
			total = time.Duration(n) * time.Microsecond
		case "throttled_time": // version 1
			total = time.Duration(n)
		}
	}
	return periods, total
}

// raiseDescriptors raises the process' limit of open files as far as it may, and gives it.
func raiseDescriptors() uint64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	if limit.Cur < limit.Max {
		limit.Cur = limit.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) // what is then in force is asked below
		_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	}
	return limit.Cur
}
