package record

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Shard is the recorder of one goroutine: an engine that fires from several threads gives each its own.
//
// A shard counts into a buffer of its own and never waits for the disk, for the writer or for other shards. The writer
// takes the filled buffer away by exchanging one pointer, and leaves an empty one: about once a second by the samples'
// own clock, at every [Writer.Flush], and at [Writer.Close]. So a shard that sleeps delays nothing, and its owner need
// not do anything about it. A [Collector] comes at its own Flush and Close alone.
//
// The pointer is nil while the owner counts. That makes a Shard safe for several goroutines too, but then they wait for
// each other, spinning.
type Shard struct {
	buffer atomic.Pointer[buffer]
	next   time.Duration // when to wake the writer; of whoever holds the buffer
	hub    *hub
	spare  *buffer // emptied, for the next exchange; of whoever empties the hub
	_      [32]byte
}

// hold takes the buffer for counting; it is given back by storing it.
func (sh *Shard) hold() *buffer {
	for {
		if b := sh.buffer.Swap(nil); b != nil {
			return b
		}
		runtime.Gosched() // a second goroutine counts
	}
}

// exchange takes the buffer away, for the writer, and leaves another. It waits while a sample is being counted.
func (sh *Shard) exchange(empty *buffer) *buffer {
	for {
		if b := sh.buffer.Load(); b != nil && sh.buffer.CompareAndSwap(b, empty) {
			return b
		}
		runtime.Gosched()
	}
}

// Sample records one shot. It allocates nothing once the run is under way.
func (sh *Shard) Sample(s Sample) {
	b := sh.hold()
	b.sample(&s, sh.hub.early)
	wake := s.Done >= sh.next || b.full()
	if wake {
		sh.next = s.Done + sh.hub.every
	}
	sh.buffer.Store(b)
	if wake {
		sh.hub.rouse()
	}
}

// Fate records where an arrival ended; called once an arrival.
func (sh *Shard) Fate(seq uint32, f Fate) {
	b := sh.hold()
	switch {
	case b.closed:
	case f >= fates:
		b.oddity.unknown++
	default:
		b.ended[f] = append(b.ended[f], seq)
	}
	sh.buffer.Store(b)
}

// Created records what the run made at its target. Its Value is copied.
func (sh *Shard) Created(c Created) {
	b := sh.hold()
	b.create(c)
	sh.buffer.Store(b)
}
