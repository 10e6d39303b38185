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

// scheme is how the host is spoken to.
func (h *host) scheme() string {
	if h.secure != nil {
		return "https"
	}
	return "http"
}

// known is the host of a page; nil where a run may not go.
func (d directory) known(at *page) *host { return d[string(at.originText())] }

// add notes a host by its own address; 127.0.0.1 is also known as localhost, and the other way round. Who has a name of
// their own keeps it.
func (d directory) add(h *host) {
	names := []string{h.authority, h.address}
	if h.at.Addr() == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		names = append(names, fmt.Sprintf("%s:%d", localhost, h.at.Port()))
	}
	for i, name := range names {
		p := originPage(h.scheme(), name)
		if p == nil {
			continue
		}
		if known := d.known(p); known == nil || i == 0 && known.authority != name {
			d[string(p.originText())] = h
		}
	}
}

// addAs notes a host by the origin that URLs have.
func (d directory) addAs(scheme, authority string, h *host) {
	if p := originPage(scheme, authority); p != nil {
		d[string(p.originText())] = h
	}
}

// originPage is the root page of an origin as a scenario writes it; nil where it is none.
func originPage(scheme, authority string) *page {
	p := &page{}
	p.set("http", []byte("x"), []byte("/"))
	if p.resolve([]byte(scheme+"://"+authority)) != nil {
		return nil
	}
	return p
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
		hostname, _ := splitAuthority([]byte(name))
		h, err := e.hostOf(address, string(hostname)) // its certificate is for the name
		if err != nil {
			return nil, fmt.Errorf("host %q: %w", name, err)
		}
		d.add(h)
		// The scheme of a URL does not say how a named host is spoken to, that is its address's matter: a test often goes
		// in behind what ends TLS, to an application whose URLs are https.
		d.addAs("http", name, h)
		d.addAs("https", name, h)
	}
	return d, nil
}
