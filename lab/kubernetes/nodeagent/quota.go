package nodeagent

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// period is the time over which a CPU quota is dealt out, the kernel's and Kubernetes' default.
const period = 100 * time.Millisecond

// cgroup is one process pod's; nil is allowed and does nothing.
type cgroup struct {
	version int
	dirs    []string
}

// create makes a group with a quota in cores, 0 for none, and a weight in cores.
func (c *cgroups) create(name string, quota, weight float64) (*cgroup, error) {
	g := &cgroup{version: c.version}
	for _, base := range c.bases {
		dir := filepath.Join(base, name)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, fmt.Errorf("cgroup: %w", err)
		}
		g.dirs = append(g.dirs, dir)
	}
	// Kubernetes' own conversions: a request of a core is 1,024 shares, which v2 calls a weight of 39.
	shares := int(math.Max(2, math.Min(262144, weight*1024)))
	settings := [][2]string{{"cpu.shares", strconv.Itoa(shares)}}
	if c.version == 2 {
		settings = [][2]string{{"cpu.weight", strconv.Itoa(1 + (shares-2)*9999/262142)}}
	}
	if micros := max(1000, int(quota*float64(period.Microseconds()))); quota > 0 && c.version == 2 {
		settings = append(settings, [2]string{"cpu.max", fmt.Sprintf("%d %d", micros, period.Microseconds())})
	} else if quota > 0 {
		settings = append(settings, [2]string{"cpu.cfs_period_us", strconv.Itoa(int(period.Microseconds()))},
			[2]string{"cpu.cfs_quota_us", strconv.Itoa(micros)})
	}
	for _, s := range settings {
		if err := write(g.dirs[0], s[0], s[1]); err != nil {
			g.remove()
			return nil, fmt.Errorf("cgroup: %w", err)
		}
	}
	return g, nil
}

// throttling is what a group's CPU controller counted since it was made.
type throttling struct {
	periods, throttled int64
	stood, cpu         time.Duration
}

func (g *cgroup) stat() (t throttling, err error) {
	numbers, err := readStat(g.dirs[0])
	if err != nil {
		return t, err
	}
	t.periods, t.throttled = numbers["nr_periods"], numbers["nr_throttled"]
	if g.version == 2 {
		t.stood, t.cpu = time.Duration(numbers["throttled_usec"])*time.Microsecond, time.Duration(numbers["usage_usec"])*time.Microsecond
		return t, nil
	}
	t.stood = time.Duration(numbers["throttled_time"])
	text, err := os.ReadFile(filepath.Join(g.dirs[len(g.dirs)-1], "cpuacct.usage"))
	if err != nil {
		return t, err
	}
	used, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	t.cpu = time.Duration(used)
	return t, err
}

func readStat(dir string) (map[string]int64, error) {
	text, err := os.ReadFile(filepath.Join(dir, "cpu.stat"))
	if err != nil {
		return nil, err
	}
	numbers := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s/cpu.stat: %w", dir, err)
		}
		numbers[name] = n
	}
	return numbers, nil
}

// processes are the ids of the group's processes.
func (g *cgroup) processes() (pids []int) {
	text, err := os.ReadFile(filepath.Join(g.dirs[0], "cgroup.procs"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// kill ends what else runs in the group.
func (g *cgroup) kill() {
	if g == nil {
		return
	}
	for _, pid := range g.processes() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// remove removes the group; one that still holds a dying process goes with its base.
func (g *cgroup) remove() {
	if g == nil {
		return
	}
	for _, dir := range g.dirs {
		_ = os.Remove(dir)
	}
}
