package bus

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The files of a bus, in a directory of mode 0700 beside the record, never in it.
const (
	fileState       = "bus.json"
	fileSecret      = "secret" // the run secret: of it all other secrets are made
	fileToken       = "token"
	fileAuthority   = "authority.crt" // its key signed once and is written nowhere
	fileCertificate = "server.crt"
	fileKey         = "server.key"
	dirStore        = "store"
)

// afterwards is how long connections may outlive the token: for what workers still have to deliver.
const afterwards = 10 * time.Minute

// state is what a bus needs to come back as the one it was.
type state struct {
	Run     string    `json:"run"`
	Address string    `json:"address"` // HOST:PORT, empty on a bus of the user's own
	Hosts   []string  `json:"hosts"`   // under which workers reach it, the first in the URL
	Expires time.Time `json:"expires"` // of the token

	secret      []byte
	pin         []byte
	certificate tls.Certificate
}

// token is the one that lets workers in.
func (s *state) token() Token { return Token{s.Run, s.pin, keys{s.secret}.token()} }

// openState reads the state in dir, or makes it there as wanted says. What a restarted coordinator wants otherwise than it stands
// there is an error.
func openState(dir string, wanted state, now time.Time) (*state, error) {
	b, err := os.ReadFile(filepath.Join(dir, fileState))
	if errors.Is(err, fs.ErrNotExist) {
		return newState(dir, wanted, now)
	}
	if err != nil {
		return nil, err
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, fileState), err)
	}
	switch {
	case checkRun(s.Run) != nil || (wanted.Run != "" && wanted.Run != s.Run):
		return nil, fmt.Errorf("%s holds the bus of run %q, not of run %q", dir, s.Run, wanted.Run)
	case (wanted.Address == "") != (s.Address == ""):
		return nil, fmt.Errorf("%s holds another kind of bus: one is the coordinator's own, the other the user's", dir)
	}
	return &s, s.load(dir)
}

// load reads the secrets.
func (s *state) load(dir string) (err error) {
	if s.secret, err = os.ReadFile(filepath.Join(dir, fileSecret)); err != nil {
		return err
	}
	if len(s.secret) != secretBytes {
		return fmt.Errorf("%s is damaged", filepath.Join(dir, fileSecret))
	}
	if s.Address == "" {
		return nil
	}
	s.certificate, err = tls.LoadX509KeyPair(filepath.Join(dir, fileCertificate), filepath.Join(dir, fileKey))
	if err != nil {
		return err
	}
	if len(s.certificate.Certificate) != 2 {
		return fmt.Errorf("%s is damaged", filepath.Join(dir, fileCertificate))
	}
	authority, err := x509.ParseCertificate(s.certificate.Certificate[1])
	if err != nil {
		return err
	}
	s.pin = pinOf(authority)
	return nil
}

// newState makes secret, authority and certificate. The state's own file comes last: where it stands, all others do.
func newState(dir string, wanted state, now time.Time) (*state, error) {
	if err := checkRun(wanted.Run); err != nil {
		return nil, err
	}
	files := map[string][]byte{fileSecret: make([]byte, secretBytes)}
	if _, err := rand.Read(files[fileSecret]); err != nil {
		return nil, err
	}
	if wanted.Address != "" {
		if err := certify(files, wanted, now); err != nil {
			return nil, fmt.Errorf("certificates: %w", err)
		}
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return nil, err
		}
	}
	s := &wanted
	if err := s.load(dir); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, fileToken), s.token().line(), 0o600); err != nil {
		return nil, err
	}
	return s, s.save(dir)
}

func (s *state) save(dir string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, fileState)
	if err := os.WriteFile(file+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// certify makes an authority that signs one certificate and is then forgotten.
func certify(files map[string][]byte, s state, now time.Time) error {
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ansturm authority of run " + s.Run},
		NotBefore: now.Add(-time.Hour), NotAfter: s.Expires.Add(afterwards),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: s.Run}, NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leaf.DNSNames, leaf.IPAddresses = namesOf(s.Hosts)
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), rootKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	files[fileAuthority] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER})
	leafPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER})
	files[fileCertificate] = append(leafPEM, files[fileAuthority]...)
	files[fileKey] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	return nil
}

// namesOf are hosts as a certificate names them; this machine's own loopback always.
func namesOf(hosts []string) (names []string, addresses []net.IP) {
	for _, host := range slices.Concat(hosts, []string{"localhost", "127.0.0.1"}) {
		if ip := net.ParseIP(host); ip != nil {
			addresses = append(addresses, ip)
		} else {
			names = append(names, host)
		}
	}
	return names, addresses
}
