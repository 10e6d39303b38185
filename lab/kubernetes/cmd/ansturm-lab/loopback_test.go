package main

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// onlyLoopback reads from /proc where the lab, its API server and its pods' processes listen, and with whom they speak.
func onlyLoopback(t *testing.T, p *process) {
	family := descendants(t, p.PID)
	if !slices.Contains(family, p.ServerPID) {
		t.Errorf("the API server %d is not among the lab's processes %v", p.ServerPID, family)
	}
	sockets := map[string]bool{}
	for _, pid := range family {
		links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			if target, err := os.Readlink(link); err == nil { // closed in between
				sockets[target] = true
			}
		}
	}
	listening := 0
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		for _, s := range socketTable(t, table) {
			if !sockets["socket:["+s.inode+"]"] {
				continue
			}
			const listen, unconnected = "0A", "07"
			if s.state == listen || s.state == unconnected {
				listening++
			} else if !s.remote.IsLoopback() {
				t.Errorf("%s socket is connected with %s", table, s.remote)
			}
			if !s.local.IsLoopback() {
				t.Errorf("%s socket is bound to %s", table, s.local)
			}
		}
	}
	if listening < 4 {
		t.Errorf("%d listening sockets found, at least the API server's, the metrics API's, a tenant's and the counters' should be seen", listening)
	}
}

// descendants are a process and all that it and its children started.
func descendants(t *testing.T, pid int) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]int{}
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // gone
		}
		// The second field, the name in brackets, may hold anything.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			children[parent] = append(children[parent], child)
		}
	}
	family := []int{pid}
	for i := 0; i < len(family); i++ {
		family = append(family, children[family[i]]...)
	}
	return family
}

type socket struct {
	local, remote net.IP
	state, inode  string
}

// socketTable parses /proc/net/tcp and its like.
func socketTable(t *testing.T, table string) []socket {
	data, err := os.ReadFile("/proc/self/net/" + table)
	if err != nil {
		t.Logf("no %s here: %v", table, err)
		return nil
	}
	var list []socket
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 10 || f[0] == "sl" {
			continue
		}
		list = append(list, socket{local: address(t, f[1]), remote: address(t, f[2]), state: f[3], inode: f[9]})
	}
	return list
}

// address reads an address of these tables: each word of it has the machine's byte order, little-endian here.
func address(t *testing.T, text string) net.IP {
	t.Helper()
	digits, _, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	return raw
}
