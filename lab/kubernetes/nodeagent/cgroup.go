package nodeagent

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// folder is the name of the lab's own groups, with the process id of whose they are.
const folder = "ansturm-lab-"

// cgroups are where processes' CPU quotas can be set on this machine.
type cgroups struct {
	version int
	// bases are the folders in which a process's groups are made, a hierarchy each: of version 1 those of cpu and of
	// cpuacct, which may be one. homes are the groups this process is in.
	bases, homes []string
	why          string // not usable, because
}

// mountPoint is one mounted cgroup hierarchy.
type mountPoint struct {
	path, root, kind string
	options          map[string]bool
}

// findCgroups finds out whether version 1 or 2 has the CPU controller, and whether it is ours to use.
func findCgroups() *cgroups {
	c, err := findCgroupsIn("/proc/self/mountinfo", "/proc/self/cgroup")
	if err == nil {
		err = c.claim()
	}
	if err != nil {
		return &cgroups{why: err.Error()}
	}
	return c
}

func findCgroupsIn(mountInfo, own string) (*cgroups, error) {
	mounts, err := readMounts(mountInfo)
	if err != nil {
		return nil, err
	}
	groups, err := readOwn(own)
	if err != nil {
		return nil, err
	}
	one := &cgroups{version: 1}
	for _, controller := range []string{"cpu", "cpuacct"} {
		for _, m := range mounts {
			if m.kind == "cgroup" && m.options[controller] {
				home := m.inside(groups[controller])
				if len(one.homes) == 0 || one.homes[0] != home {
					one.homes = append(one.homes, home)
				}
			}
		}
	}
	if len(one.homes) > 0 {
		return one, nil
	}
	for _, m := range mounts {
		if m.kind == "cgroup2" {
			return &cgroups{version: 2, homes: []string{m.inside(groups[""])}}, nil
		}
	}
	return nil, errors.New("no cgroup hierarchy is mounted")
}

// inside is the folder of a group in a mounted hierarchy, which may show but a part of it.
func (m mountPoint) inside(group string) string {
	rest, err := filepath.Rel(m.root, group)
	if err != nil || strings.HasPrefix(rest, "..") {
		return m.path
	}
	path := filepath.Join(m.path, rest)
	if _, err := os.Stat(path); err != nil {
		return m.path
	}
	return path
}

// readMounts reads the cgroup mounts of a mountinfo file (proc(5)).
func readMounts(path string) (list []mountPoint, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for lines.Scan() {
		before, after, found := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !found || len(left) < 5 || len(right) < 3 || !strings.HasPrefix(right[0], "cgroup") {
			continue
		}
		m := mountPoint{path: left[4], root: left[3], kind: right[0], options: map[string]bool{}}
		for option := range strings.SplitSeq(right[2], ",") {
			m.options[option] = true
		}
		list = append(list, m)
	}
	return list, lines.Err()
}

// readOwn reads the groups a process is in, by controller; of version 2 under the empty name.
func readOwn(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	groups := map[string]string{}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) == 3 {
			for controller := range strings.SplitSeq(parts[1], ",") {
				groups[controller] = parts[2]
			}
		}
	}
	return groups, nil
}

// claim makes the lab's own folders, after having removed those of labs that are no more.
func (c *cgroups) claim() error {
	for _, home := range c.homes {
		if c.version == 2 && !hasWord(home, "cgroup.controllers", "cpu") {
			return fmt.Errorf("cgroup v2 at %s has no cpu controller", home)
		}
		sweep(home)
		base := filepath.Join(home, folder+strconv.Itoa(os.Getpid()))
		if err := os.Mkdir(base, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("cgroup v%d is not ours to write: %w", c.version, err)
		}
		c.bases = append(c.bases, base)
		if c.version == 2 {
			if err := c.delegate(home, base); err != nil {
				_ = os.Remove(base)
				return err
			}
		}
	}
	return nil
}

// delegate has the cpu controller of a v2 group reach the groups two floors below it.
func (c *cgroups) delegate(home, base string) error {
	if !hasWord(base, "cgroup.controllers", "cpu") {
		err := write(home, "cgroup.subtree_control", "+cpu")
		if errors.Is(err, syscall.EBUSY) {
			return fmt.Errorf("cgroup v2 at %s holds processes and so cannot pass its cpu controller on; start the lab in a group of its own below it", home)
		}
		if err != nil {
			return fmt.Errorf("cgroup v2 is not ours to write: %w", err)
		}
	}
	if err := write(base, "cgroup.subtree_control", "+cpu"); err != nil {
		return fmt.Errorf("cgroup v2 is not ours to write: %w", err)
	}
	return nil
}

// sweep removes the groups of labs that were killed; their processes ended with them.
func sweep(home string) {
	left, _ := filepath.Glob(filepath.Join(home, folder+"*"))
	for _, base := range left {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(base), folder))
		if err == nil && pid != os.Getpid() && !alive(pid) {
			removeAll(base)
		}
	}
}

// alive says whether a process runs. One that was killed and that nobody has asked after (a zombie) does not.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return true // no such file system: the signal has to do
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// removeAll removes a group and the groups in it, as far as they are empty.
func removeAll(base string) {
	entries, _ := os.ReadDir(base)
	for _, e := range entries {
		if e.IsDir() {
			_ = os.Remove(filepath.Join(base, e.Name()))
		}
	}
	_ = os.Remove(base)
}

func (c *cgroups) usable() bool { return c.why == "" }

// close removes the lab's own folders.
func (c *cgroups) close() {
	for _, base := range c.bases {
		removeAll(base)
	}
}

// String says how quotas are set, or why they are not.
func (c *cgroups) String() string {
	if c.usable() {
		return fmt.Sprintf("CPU quotas are set by cgroup v%d in %s", c.version, strings.Join(c.bases, ", "))
	}
	return "CPU quotas cannot be set here: " + c.why
}

func write(dir, file, text string) error {
	return os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644)
}

func hasWord(dir, file, word string) bool {
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return false
	}
	for _, w := range strings.Fields(string(text)) {
		if w == word {
			return true
		}
	}
	return false
}
