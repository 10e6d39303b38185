package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// tls: closed-loop throughput over TLS. The server is nginx with one worker, which may well be the slower side.
func (b *bench) tls(ctx context.Context) error {
	nginx, version, err := fromDebian("nginx", "nginx-light")(ctx, b)
	if err != nil {
		b.print("tls", "\nTLS was not measured: %v\n", err)
		return nil
	}
	t := table{
		measurement: "tls", load: "64 connections, closed loop, TLS 1.3",
		note:    "Server: nginx " + version + ", one worker.",
		columns: []column{columnPerSecond, columnCPU, columnPerCPU, columnBusy, columnPeak, columnDisturbed},
	}
	url, certificate, stop, err := b.startNginx(ctx, nginx)
	if err != nil {
		return err
	}
	defer stop()
	l := load{url: url, connections: closedConnections, length: b.length, env: []string{"SSL_CERT_FILE=" + certificate}}
	return b.inTurns(ctx, t, b.those(func(c client) bool { return c.tls }), func(ctx context.Context, c client) (row, error) {
		t, err := b.fire(ctx, c, l)
		if err != nil {
			return nil, err
		}
		if t.Completed == 0 {
			return nil, errors.New("no request was answered")
		}
		cpu := t.cpuPerRequest(t.Completed)
		return row{t.PerSecond, cpu, 1e6 / cpu, t.busy(), t.peakMiB(), t.disturbed}, nil
	})
}

const nginxConfiguration = `daemon off;
master_process off;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.log crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server {
    listen 127.0.0.1:%[2]d ssl backlog=4096;
    ssl_certificate %[1]s/cert.pem;
    ssl_certificate_key %[1]s/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    location / { default_type text/plain; return 200 "aaaaaaaaaaaaa"; }
  }
}
`

// startNginx serves 13 bytes over TLS on the sink's core until stop is called.
func (b *bench) startNginx(ctx context.Context, nginx string) (url, certificate string, stop func(), err error) {
	dir := filepath.Join(b.dir, "nginx")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", nil, err
	}
	if err := writeCertificate(dir); err != nil {
		return "", "", nil, fmt.Errorf("make a certificate: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return "", "", nil, err
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, nginxConfiguration, dir, port), 0o644); err != nil {
		return "", "", nil, err
	}
	cmd := b.onCPU(ctx, b.sinkCPU, []string{nginx, "-c", file, "-p", dir})
	cmd.Stderr = b.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := b.start(cmd); err != nil {
		return "", "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it was told to end
	}
	if err := waitForTLS(ctx, port); err != nil {
		stop()
		return "", "", nil, err
	}
	return fmt.Sprintf("https://127.0.0.1:%d", port), filepath.Join(dir, "cert.pem"), stop, nil
}

// waitForTLS tries for five seconds.
func waitForTLS(ctx context.Context, port int) error {
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // only whether it is there
	for range 100 {
		conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("nginx does not answer")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// writeCertificate makes a certificate for 127.0.0.1 that vouches for itself, and its key.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sink"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: certificate}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}
