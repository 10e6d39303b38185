package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
)

// secure says how the target's certificate is verified: by the system's authorities, by those of a file, or not at all.
func (s *shot) secure(where target) (*tls.Config, error) {
	u, err := url.Parse(where.origin)
	if err != nil || u.Scheme != "https" {
		if s.insecure || s.authorities != "" {
			return nil, inputError(errors.New("--insecure and --cacert are for https"), "leave them out, or write https://")
		}
		return nil, nil
	}
	config := &tls.Config{InsecureSkipVerify: s.insecure}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil {
		config.ServerName = u.Hostname() // localhost is connected to by its address, but has its certificate by its name
	}
	if s.authorities == "" {
		return config, nil
	}
	text, err := os.ReadFile(s.authorities)
	if err != nil {
		return nil, inputError(fmt.Errorf("--cacert: %w", err), "")
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, inputError(fmt.Errorf("--cacert: %s holds no certificate", s.authorities), "a file in PEM is needed: -----BEGIN CERTIFICATE-----")
	}
	return config, nil
}
