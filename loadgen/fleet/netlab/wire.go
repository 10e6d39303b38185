//go:build linux

package netlab

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// Path is one direction between two parties. Its zero value delivers at once and everything.
type Path struct {
	Delay  time.Duration
	Jitter time.Duration // a packet takes Delay ± Jitter, evenly, but never less than nothing, nor does it overtake the one before
	Loss   float64       // the share of packets that are lost, 0 to 1: with 1 one party hears the other and is not heard
}

// Counts is what has become of the packets of one direction.
type Counts struct {
	Delivered int
	Lost      int // by the path's Loss
	Cut       int // one of the two was off the network
	Full      int // the queue of those under way, or the receiver's device, took no more
}

// underWay is how many packets a direction holds: 6 MB of full ones, some 100 ms of 500 Mbit/s.
const underWay = 4096

// wire is one direction between two parties.
type wire struct {
	from, to *party
	path     Path
	chance   *rand.Rand
	last     time.Time // when the packet before is due
	queue    chan packet
	counts   Counts
}

type packet struct {
	due  time.Time
	body []byte
}

func newWire(from, to *party, seed uint64) *wire {
	a, b := from.address.As4(), to.address.As4()
	own := uint64(binary.BigEndian.Uint32(a[:]))<<32 | uint64(binary.BigEndian.Uint32(b[:]))
	return &wire{from: from, to: to, chance: rand.New(rand.NewPCG(seed, own)), queue: make(chan packet, underWay)}
}

// draw is the next packet's fate: lost, or due when. It takes two numbers a packet whatever the path is, so that the fate of the
// packets after does not hang on it.
func (w *wire) draw(now time.Time) (due time.Time, lost bool) {
	lost = w.chance.Float64() < w.path.Loss
	shift := time.Duration((2*w.chance.Float64() - 1) * float64(w.path.Jitter))
	due = now.Add(max(0, w.path.Delay+shift))
	if due.Before(w.last) {
		due = w.last
	}
	if !lost {
		w.last = due
	}
	return due, lost
}

// severed says whether one of its ends is off the network.
func (w *wire) severed() bool { return w.from.cut || w.to.cut }
