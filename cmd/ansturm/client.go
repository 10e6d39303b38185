package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen"
)

// client is what the flags of run and fire say about how a target is spoken to, as given.
type client struct {
	http2, insecure    bool
	proxy, authorities string
	sources            []string
}

// flags of a command that fires at a target.
func (c *client) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&c.http2, "http2", false, "speak HTTP/2, by net/http: over TLS, or in the clear with prior knowledge")
	flags.StringVar(&c.proxy, "proxy", "", "go by this proxy on loopback, by net/http: http://HOST:PORT or socks5://HOST:PORT")
	flags.StringVar(&c.authorities, "cacert", "", "file of the authorities that an https target's certificate must be from, in PEM")
	flags.BoolVarP(&c.insecure, "insecure", "k", false, "take any certificate of an https target; the record warns of it")
	flags.StringSliceVar(&c.sources, "source", nil, "local addresses to fire from, in turn: 127.0.0.1,127.0.0.2")
	for flag, words := range map[string][]string{"proxy": {"http://127.0.0.1:3128", "socks5://127.0.0.1:1080"}, "source": {"127.0.0.1,127.0.0.2"}} {
		must(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)))
	}
	must(cmd.MarkFlagFilename("cacert", "pem", "crt"))
}

// given is the first flag that only makes sense with a target of one's own; empty where there is none.
func (c *client) given(changed func(string) bool) string {
	for _, flag := range []string{"http2", "proxy", "cacert", "insecure"} {
		if changed(flag) {
			return flag
		}
	}
	return ""
}

// way is how a run speaks to its target.
type way struct {
	http2   bool
	proxy   *url.URL
	tls     *tls.Config
	roots   []byte // of tls, in PEM; none: the system's
	sources []netip.Addr
}

// way checks the flags; target is an address as the engine has it. All errors are of input.
func (c *client) way(target string) (w way, err error) {
	w.http2 = c.http2
	if c.proxy != "" {
		if w.proxy, err = loadgen.ParseProxy(c.proxy); err != nil {
			return w, inputError(fmt.Errorf("--%w", err), "write it like http://127.0.0.1:3128, with an address of this machine")
		}
	}
	for _, text := range c.sources {
		source, err := loadgen.ParseSource(strings.TrimSpace(text))
		if err != nil {
			return w, inputError(fmt.Errorf("--%w", err), "every address from 127.0.0.1 to 127.255.255.254 is this machine's")
		}
		w.sources = append(w.sources, source)
	}
	if !c.insecure && c.authorities == "" {
		return w, nil
	}
	if !strings.HasPrefix(target, "https://") {
		return w, inputError(errors.New("--insecure and --cacert are for https"), "leave them out, or write https://")
	}
	w.tls = &tls.Config{InsecureSkipVerify: c.insecure} // asked for, and warned of
	if c.authorities != "" {
		w.tls.RootCAs, w.roots, err = trusted(c.authorities)
	}
	return w, err
}

// trusted reads certificates.
func trusted(file string) (*x509.CertPool, []byte, error) {
	whole, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, inputError(fmt.Errorf("--cacert: %w", err), "")
	}
	const hint = "it must hold certificates between lines of BEGIN CERTIFICATE and END CERTIFICATE"
	pool, found := x509.NewCertPool(), 0
	for block, rest := pem.Decode(whole); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue // a key beside it is nobody's business here
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, inputError(fmt.Errorf("--cacert %s: certificate %d: %w", file, found+1, err), hint)
		}
		pool.AddCert(certificate)
		found++
	}
	if found == 0 {
		return nil, nil, inputError(fmt.Errorf("--cacert: %s holds no certificate", file), hint)
	}
	return pool, whole, nil
}
