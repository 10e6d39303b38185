package bus

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// speaks is the version of what the rooms of one fleet say to each other on the bus.
const speaks = 1

// Everything sealed is one form, integers little endian:
//
//	magic 3 · version 1 · length 4 (of the whole) · worker 4 · epoch 4 · sequence 8 · body · seal 16
//
// The seal is the first half of HMAC-SHA256 over the kind, the run and all before, under a key that only the two ends can
// make. So a message is of one kind, of one run, of one epoch and has one place, or it is none.
const (
	sealMagic = "\xa5AB"
	sealHead  = 24
	sealFoot  = 16

	// mostBody is what the longest message holds: a frame is at most 512 KiB, but for one line that is longer, see record.Collector.
	mostBody = 1<<20 + 8<<10
	mostBeat = 64 << 10 // a worker's beat or hello
)

// kind tells messages apart that have one key.
type kind byte

const (
	knock kind = iota + 1 // a joiner's request
	admit                 // its answer: taken in
	ask                   // for a piece of the welcome
	piece                 // of it
	beat
	reply
	frame
	kept // the answer to a frame: it is kept
	told // the coordinator's own frame
	entry
)

// refusing is the kind of a no, and why, to a message of kind k: what refuses one cannot be passed off as refusing another.
func refusing(k kind) kind { return k | 0x80 }

// mark is what stands on an envelope.
type mark struct {
	worker, epoch uint32
	sequence      uint64
}

var (
	errGarbage = errors.New("no message of a fleet")
	errForged  = errors.New("the seal does not hold")
)

// newerError is the version of a message that this program does not speak.
type newerError byte

func (e newerError) Error() string {
	return fmt.Sprintf("it speaks version %d, this run %d", byte(e), speaks)
}

// seal makes a message.
func seal(key []byte, run string, k kind, m mark, body []byte) []byte {
	b := make([]byte, 0, sealHead+len(body)+sealFoot)
	b = append(append(b, sealMagic...), speaks)
	b = binary.LittleEndian.AppendUint32(b, uint32(sealHead+len(body)+sealFoot))
	b = binary.LittleEndian.AppendUint32(b, m.worker)
	b = binary.LittleEndian.AppendUint32(b, m.epoch)
	b = binary.LittleEndian.AppendUint64(b, m.sequence)
	b = append(b, body...)
	return append(b, sealOf(key, run, k, b)...)
}

func sealOf(key []byte, run string, k kind, all []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte{byte(k), byte(len(run))})
	h.Write([]byte(run))
	h.Write(all)
	return h.Sum(nil)[:sealFoot]
}

// parse takes a message apart without judging its seal. The body lies in b.
func parse(b []byte) (m mark, body []byte, err error) {
	if len(b) < sealHead+sealFoot || !bytes.HasPrefix(b, []byte(sealMagic)) || uint64(binary.LittleEndian.Uint32(b[4:])) != uint64(len(b)) {
		return mark{}, nil, errGarbage
	}
	if b[3] != speaks {
		return mark{}, nil, newerError(b[3])
	}
	if len(b) > sealHead+mostBody+sealFoot {
		return mark{}, nil, errGarbage
	}
	m = mark{binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint64(b[16:])}
	return m, b[sealHead : len(b)-sealFoot], nil
}

// open gives what a message holds, if its seal is that of this key, run and kind.
func open(key []byte, run string, k kind, b []byte) (mark, []byte, error) {
	m, body, err := parse(b)
	if err != nil {
		return mark{}, nil, err
	}
	if !hmac.Equal(footOf(b), sealOf(key, run, k, b[:len(b)-sealFoot])) {
		return mark{}, nil, errForged
	}
	return m, body, nil
}

// footOf is a message's seal. Nobody without the key can know it before the message is sent, so it is also the name under which the stream
// tells repeated messages: a name that could be guessed would let one worker have another's frame taken for a repeated one.
func footOf(b []byte) []byte { return b[len(b)-sealFoot:] }

// derive makes the key for a purpose out of a secret: HKDF-Expand, RFC 5869, of a secret that is uniform already.
func derive(secret []byte, purpose string) []byte {
	key, err := hkdf.Expand(sha256.New, secret, "ansturm fleet: "+purpose, sha256.Size)
	if err != nil {
		panic(err) // only a longer key than 255 hashes
	}
	return key
}

// keys are what is made of a run's secret. A worker's need no storing: they are made again whenever they are asked for, by a
// coordinator that came back as well.
type keys struct{ secret []byte }

func (k keys) token() []byte       { return derive(k.secret, "token") }
func (k keys) coordinator() []byte { return derive(k.secret, "coordinator") }

func (k keys) epoch(worker, epoch uint32) []byte {
	return derive(k.secret, fmt.Sprintf("worker %d epoch %d", worker, epoch))
}

// What is made of an epoch's key: the password of its connections, and what hides its welcome.
func passwordOf(epochKey []byte) string {
	return tokenText.EncodeToString(derive(epochKey, "password"))
}
func welcomeKey(epochKey []byte) []byte { return derive(epochKey, "welcome") }

// What is made of a token: the joiner's password and the key of what it says.
func joinPassword(token []byte) string { return tokenText.EncodeToString(derive(token, "password")) }
func joinKey(token []byte) []byte      { return derive(token, "join") }
