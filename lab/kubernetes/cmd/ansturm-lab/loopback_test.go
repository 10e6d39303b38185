package main

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
)

// onlyLoopback reads from /proc where the lab's two processes listen.
func onlyLoopback(t *testing.T, p *process) {
	sockets := map[string]bool{}
	for _, pid := range []int{p.PID, p.ServerPID} {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if target, err := os.Readlink(dir + "/" + e.Name()); err == nil { // closed in between
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
				if !s.address.IsLoopback() {
					t.Errorf("%s socket listens on %s", table, s.address)
				}
			}
		}
	}
	if listening < 2 {
		t.Errorf("%d listening sockets found, at least the API server and the metrics API should be seen", listening)
	}
}

type socket struct {
	address      net.IP
	state, inode string
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
		address, _, _ := strings.Cut(f[1], ":")
		raw, err := hex.DecodeString(address)
		if err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		for word := range slices.Chunk(raw, 4) { // each word has the machine's byte order, little-endian here
			slices.Reverse(word)
		}
		list = append(list, socket{address: raw, state: f[3], inode: f[9]})
	}
	return list
}
