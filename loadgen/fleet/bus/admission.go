package bus

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
)

// All workers of a run have one token, so what one is told when it joins is hidden from the others by a key agreed upon by
// X25519: on a bus of the user's own the server would not hide it.
const publicBytes = 32

// mostWelcome is the longest welcome: scenario, feeders and files for uploads.
const mostWelcome = 64 << 20

// pieceBytes: short enough that a slow line takes it before the server gives its reader up.
const pieceBytes = 64 << 10

// admitted is what a worker is told in its admission, hidden.
type admitted struct {
	Key    []byte `json:"key"` // of its epoch
	Length int    `json:"length"`
	Sum    []byte `json:"sum"` // SHA-256 of the welcome
}

// admission is the body of the answer to a joiner whose public key this is.
func admission(run string, token, public, epochKey []byte, at mark, welcome []byte) ([]byte, error) {
	if len(welcome) > mostWelcome {
		return nil, errors.New("the run's files are too large for a fleet: 64 MiB in all at most")
	}
	own, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(welcome)
	text, err := json.Marshal(admitted{Key: epochKey, Length: len(welcome), Sum: sum[:]})
	if err != nil {
		return nil, err
	}
	key, err := agree(run, token, own, public, public, own.PublicKey().Bytes(), at)
	if err != nil {
		return nil, err
	}
	return append(own.PublicKey().Bytes(), hide(key, 0, text)...), nil
}

// admittedBy reads an admission with the private half of the joiner's key.
func admittedBy(run string, token []byte, own *ecdh.PrivateKey, at mark, body []byte) (a admitted, err error) {
	if len(body) < publicBytes {
		return a, errGarbage
	}
	key, err := agree(run, token, own, body[:publicBytes], own.PublicKey().Bytes(), body[:publicBytes], at)
	if err != nil {
		return a, err
	}
	text, err := reveal(key, 0, body[publicBytes:])
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, errGarbage
	}
	if len(a.Key) != sha256.Size || a.Length < 0 || a.Length > mostWelcome {
		return a, errGarbage
	}
	return a, nil
}

// agree makes the key that only the two of one admission have.
func agree(run string, token []byte, own *ecdh.PrivateKey, other, joiner, coordinator []byte, at mark) ([]byte, error) {
	public, err := ecdh.X25519().NewPublicKey(other)
	if err != nil {
		return nil, errGarbage
	}
	shared, err := own.ECDH(public)
	if err != nil {
		return nil, errGarbage
	}
	info := slices.Concat([]byte("ansturm fleet: admission of run "+run), joiner, coordinator)
	info = binary.LittleEndian.AppendUint32(info, at.worker)
	info = binary.LittleEndian.AppendUint32(info, at.epoch)
	return hkdf.Key(sha256.New, shared, token, string(info), sha256.Size)
}

// pieces cuts a welcome.
func pieces(welcome []byte) [][]byte { return slices.Collect(slices.Chunk(welcome, pieceBytes)) }

// hide encrypts message n of a key, which has each number once for one text.
func hide(key []byte, n uint64, text []byte) []byte {
	return gcm(key).Seal(nil, nonceOf(n), text, nil)
}

func reveal(key []byte, n uint64, hidden []byte) ([]byte, error) {
	text, err := gcm(key).Open(nil, nonceOf(n), hidden, nil)
	if err != nil {
		return nil, errForged
	}
	return text, nil
}

func nonceOf(n uint64) []byte { return binary.LittleEndian.AppendUint64(make([]byte, 4), n) }

// gcm: a key of derive's or agree's length is a key of AES-256.
func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}
