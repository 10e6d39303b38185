package bus

import (
	"crypto/rand"
	"testing"
)

// A beat and its answer, over TLS on loopback: worker, server and coordinator together.
func BenchmarkBeat(b *testing.B) {
	s := started(b, Options{})
	served(b, s, quiet{})
	seat, body := joined(b, s, "w"), make([]byte, 200)
	for b.Loop() {
		if _, err := seat.Beat(b.Context(), body); err != nil {
			b.Fatal(err)
		}
	}
}

// A frame of 30 kB, a busy second's, until it is kept.
func BenchmarkDeliver(b *testing.B) {
	s := started(b, Options{})
	served(b, s, quiet{})
	seat, body, n := joined(b, s, "w"), make([]byte, 30_000), uint64(0)
	_, _ = rand.Read(body)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		n++
		if err := seat.Deliver(b.Context(), n, body); err != nil {
			b.Fatal(err)
		}
	}
}

// An entry of the list.
func BenchmarkAppend(b *testing.B) {
	s, k := started(b, Options{}), uint64(0)
	for b.Loop() {
		k++
		if taken, err := s.Append(b.Context(), k, []byte("a deal")); taken || err != nil {
			b.Fatal(taken, err)
		}
	}
}

// quiet takes everybody in and remembers nothing.
type quiet struct{}

func (quiet) Join([]byte) (uint32, uint32, []byte, error) { return 1, 1, nil, nil }
func (quiet) Beat(_, _ uint32, beat []byte) []byte        { return beat }
func (quiet) Refused(string, string)                      {}
