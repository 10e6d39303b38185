package loadgen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// ErrNoConsent says that a target is not on this machine. Consent of a target does not exist yet, so that nothing
// but loopback may be fired at.
var ErrNoConsent = errors.New("only loopback addresses may be fired at: there is no way yet for a target to consent")

// TargetAddress is the address, as Config.Address gives it, of a URL that may be fired at: http or https, and a loopback
// address or "localhost", for which no name server is asked and which keeps its name: requests and certificates are for it. It
// sends nothing. Errors wrap ErrNoConsent where that is the
// reason.
func TargetAddress(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("target: %w", err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("target %q: a URL like http://127.0.0.1:8080 is needed", rawURL)
	case u.User != nil:
		return "", fmt.Errorf("target %s: a user name in the URL is not supported, set a header", u.Redacted())
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return "", fmt.Errorf("target %s: a target is an address only, paths belong to the scenario's steps", u.Redacted())
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	address, err := loopback(net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return "", fmt.Errorf("target %s: %w", u.Redacted(), err)
	}
	if u.Hostname() == localhost {
		address = net.JoinHostPort(localhost, port)
	}
	if u.Scheme == "https" {
		address = overTLS + address
	}
	return address, nil
}

// localhost is the one name that is known without asking anybody; it is 127.0.0.1 here.
const localhost = "localhost"

// overTLS begins an address that is spoken to over TLS.
const overTLS = "https://"

// loopback gives address, a host:port perhaps over TLS, with a literal loopback address for its host, or an error.
func loopback(address string) (string, error) {
	if rest, secure := strings.CutPrefix(address, overTLS); secure {
		literal, err := loopback(rest)
		return overTLS + literal, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("address %q: %w", address, err)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("address %q: the port must be 1 to 65535", address)
	}
	if host == localhost {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Unmap().IsLoopback() {
		return "", fmt.Errorf("address %q: %w", address, ErrNoConsent)
	}
	return net.JoinHostPort(ip.Unmap().String(), port), nil
}
