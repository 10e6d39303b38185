package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is what must be known about where figures were measured, and no more: no names, no paths.
type machine struct {
	Kernel  string   `json:"kernel"`
	CPUs    int      `json:"cpus"`
	Model   string   `json:"model,omitempty"`
	Go      string   `json:"go"`
	Missing []string `json:"missing,omitempty"` // clients that could not be had
}

func thisMachine() (machine, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return machine{}, fmt.Errorf("uname: %w", err)
	}
	m := machine{Kernel: unix.ByteSliceToString(u.Release[:]), CPUs: runtime.NumCPU(), Go: runtime.Version()}
	if major, minor, ok := strings.Cut(m.Kernel, "."); ok { // what follows is the builder's own naming
		minor, _, _ = strings.Cut(minor, ".")
		m.Kernel = major + "." + minor
	}
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, nil // another kind of processor says nothing here; the figures do not need it
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.Model = strings.TrimSpace(value)
			break
		}
	}
	return m, nil
}

// ticks are a processor's clock ticks since boot: all of them, those that programs took, and those the hypervisor kept.
type ticks struct{ all, programs, stolen float64 }

// readTicks reads one processor's line of /proc/stat; the zero value where there is none.
func readTicks(cpu int) ticks {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return ticks{}
	}
	for line := range strings.Lines(string(stat)) {
		fields := strings.Fields(line)
		if len(fields) < 9 || fields[0] != "cpu"+strconv.Itoa(cpu) {
			continue
		}
		var n [8]float64 // user nice system idle iowait irq softirq steal
		var t ticks
		for i := range n {
			n[i], _ = strconv.ParseFloat(fields[i+1], 64)
			t.all += n[i]
		}
		t.programs, t.stolen = n[0]+n[1]+n[2], n[7]
		return t
	}
	return ticks{}
}

// disturbed is the share of a processor, in percent, that since an earlier reading went to other programs than ours, which
// took the given share, or to other machines.
func (t ticks) disturbed(earlier ticks, ours float64) float64 {
	return max(0, t.share(earlier, t.programs-earlier.programs)-ours) + t.stolenSince(earlier)
}

// stolenSince is the share of a processor, in percent, that since an earlier reading went to other machines.
func (t ticks) stolenSince(earlier ticks) float64 { return t.share(earlier, t.stolen-earlier.stolen) }

// share is a part of all ticks since an earlier reading, in percent; 0 where there were none.
func (t ticks) share(earlier ticks, part float64) float64 {
	all := t.all - earlier.all
	if all <= 0 {
		return 0
	}
	return 100 * part / all
}
