package bus

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Token lets a worker join one run: it names the run, the authority that vouches for the bus, and holds the secret that the
// joiner proves to know without ever sending it. It prints as the run's name only.
type Token struct {
	run    string
	pin    []byte // SHA-256 of the authority's public key, or none: a bus of the user's own, judged as any server is
	secret []byte
}

const (
	tokenWord   = "ansturm"
	tokenLong   = 4 << 10 // bytes, of a token's file
	secretBytes = 32
)

// ReadToken reads the token in a file: one line. No error says anything of what stood there.
func ReadToken(file string) (Token, error) {
	f, err := os.Open(file)
	if err != nil {
		return Token{}, fmt.Errorf("the token: %w", err)
	}
	defer f.Close()
	line, err := io.ReadAll(io.LimitReader(f, tokenLong+1))
	if err != nil {
		return Token{}, fmt.Errorf("the token: %w", err)
	}
	t, err := parseToken(line)
	if err != nil {
		return Token{}, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

var errNoToken = errors.New("no join token (one line, as the coordinator wrote it, is wanted)")

func parseToken(line []byte) (Token, error) {
	words := strings.Split(string(bytes.TrimSpace(line)), ".")
	version, ours := strings.CutPrefix(words[0], tokenWord)
	switch {
	case len(line) > tokenLong || !ours:
		return Token{}, errNoToken
	case version != fmt.Sprint(speaks):
		return Token{}, fmt.Errorf("a join token of another version than %d, which this program speaks", speaks)
	case len(words) != 4 || checkRun(words[1]) != nil:
		return Token{}, errNoToken
	}
	t := Token{run: words[1]}
	var pinErr, secretErr error
	if words[2] != "" {
		t.pin, pinErr = tokenText.DecodeString(words[2])
	}
	t.secret, secretErr = tokenText.DecodeString(words[3])
	if pinErr != nil || secretErr != nil || (len(t.pin) != 0 && len(t.pin) != sha256.Size) || len(t.secret) != secretBytes {
		return Token{}, errNoToken
	}
	return t, nil
}

// tokenText takes each token in one spelling only.
var tokenText = base64.RawURLEncoding.Strict()

// line is the token as its file holds it.
func (t Token) line() []byte {
	return fmt.Appendf(nil, "%s%d.%s.%s.%s\n", tokenWord, speaks, t.run, tokenText.EncodeToString(t.pin), tokenText.EncodeToString(t.secret))
}

// Run is the id of the run that the token is of.
func (t Token) Run() string { return t.run }

// Format keeps the secret out of whatever is printed, with any verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "token of run "+t.run) }

// pinOf is what a token keeps of an authority.
func pinOf(authority *x509.Certificate) []byte {
	sum := sha256.Sum256(authority.RawSubjectPublicKeyInfo)
	return sum[:]
}

// checkRun refuses what cannot stand in a subject, a token and a file's name alike.
func checkRun(run string) error {
	if run == "" || len(run) > 64 || strings.Trim(run, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") != "" {
		return errors.New("a run's id has 1 to 64 letters, digits, - and _")
	}
	return nil
}
