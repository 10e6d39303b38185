package loadgen

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/ansturm/ansturm/scenarios"
)

// directory is where a run may go: the origins (scheme://authority) that redirects and extracted URLs may have, and
// the addresses they are served at. These are the tenants' addresses, those that steps name, and the scenario's hosts:
// every one has gone through TargetAddress, so that no answer can lead a run where it has no business.
type directory map[string]*host

// known is the host of a page; nil where a run may not go.
func (d directory) known(at *page) *host { return d[string(at.originText())] }

// add notes a host by its own address; one on this machine is also known as localhost.
func (d directory) add(h *host) {
	d.addAs(h.address, h)
	if at, err := netip.ParseAddrPort(h.address); err == nil && at.Addr() == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		d.addAs(fmt.Sprintf("localhost:%d", at.Port()), h)
	}
}

// addAs notes a host by the authority that URLs have. The scheme of a URL does not say how the host is spoken to,
// that is the address's matter: a test often goes in behind what ends TLS, to an application whose URLs are https.
func (d directory) addAs(authority string, h *host) {
	var p page
	for _, scheme := range []string{"http", "https"} {
		p.set("http", []byte("x"), []byte("/"))
		if p.resolve([]byte(scheme+"://"+authority)) == nil {
			d[string(p.originText())] = h
		}
	}
}

// newDirectory knows the tenants and the scenario's hosts.
func (e *Engine) newDirectory(s *scenarios.Scenario) (directory, error) {
	d := directory{}
	for i := range e.tenants {
		d.add(e.tenants[i].host)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Hosts)) {
		address, err := TargetAddress(strings.TrimSuffix(s.Hosts[name], "/"))
		if err != nil {
			return nil, fmt.Errorf("host %q: %w", name, err)
		}
		h := e.hostOf(address)
		d.add(h)
		d.addAs(name, h)
	}
	return d, nil
}
