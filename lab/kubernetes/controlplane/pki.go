package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// lifetime of the certificates; a lab lives shorter.
const lifetime = 365 * 24 * time.Hour

// authority signs the lab's certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
	now  time.Time
}

func newAuthority(name string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lifetime),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key, pem: encodePEM("CERTIFICATE", der), now: now}, nil
}

// issue makes a key and a certificate for it, both as PEM: for a server on 127.0.0.1 under these names, or for a client
// called name.
func (a *authority) issue(name string, usage x509.ExtKeyUsage, names ...string) (certPEM, keyPEM []byte, err error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: a.now.Add(-time.Hour), NotAfter: a.now.Add(lifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, DNSNames: names,
	}
	if usage == x509.ExtKeyUsageServerAuth {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	return encodePEM("CERTIFICATE", der), keyPEM, nil
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, encodePEM("EC PRIVATE KEY", der), nil
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// The files of the credentials in the state folder.
const (
	fileCA         = "ca.crt"
	fileServerCert = "apiserver.crt"
	fileServerKey  = "apiserver.key"
	fileProxyCert  = "front-proxy.crt"
	fileProxyKey   = "front-proxy.key"
	fileAccountKey = "service-account.key"
	fileTokens     = "tokens.csv"
	fileAuditRules = "audit-policy.yaml"
)

// frontProxy is the name under which the API server speaks to aggregated servers.
const frontProxy = "front-proxy"

// writeCredentials makes all certificates and keys.
func writeCredentials(s *State, a *authority) error {
	serverCert, serverKey, err := a.issue("kube-apiserver", x509.ExtKeyUsageServerAuth, "localhost", "kubernetes.default.svc")
	if err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	proxyCert, proxyKey, err := a.issue(frontProxy, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	_, accountKey, err := newKey()
	if err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	return writeFiles(s, map[string][]byte{
		fileCA: a.pem, fileServerCert: serverCert, fileServerKey: serverKey,
		fileProxyCert: proxyCert, fileProxyKey: proxyKey, fileAccountKey: accountKey,
	})
}

func writeFiles(s *State, files map[string][]byte) error {
	for name, data := range files {
		if err := os.WriteFile(s.Path(name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
