// Package arrivals is the pure schedule of a scenario: who comes when, of which tenant, what they will do, how
// patient they are. Engine and simulator use the same one.
//
// Exactly N arrivals as a Poisson process conditioned on its count are N independent uniforms through the inverse of
// the curve's integral. Drawing and sorting them all would make every worker pay for the whole, and would allow no
// start in the middle. Instead a binary tree hands the N out: a node with n arrivals gives Binomial(n, 1/2) of them,
// the number of ones among n random bits, to its left half. The law is the same, and the generator of a node depends
// on (seed, node) only, so that any leaf is made without the others:
//
//	upper levels   the axis of the quantile u is halved into blocks of equal mass, 4,096 to 8,192 arrivals each
//	lower 6 levels a block's arrivals, wherever they fall in it, are dealt to 64 strands
//	leaf           a strand of a block: n uniforms inside the block's interval of u, Due = Curve.Quantile(u)
//	stretches      up to 256 of a leaf, of sizes as if each of the n had been dealt to one
//
// The same stretch of a strand's every leaf is a part, the least that can be owned. A [Set] is what one owner has, and a
// [Reader] makes no more than that. Stretches only mark off what was drawn: the schedule is the same however many there
// are. Everything else about an arrival (tenant, journey, think times, patience) is a hash of (seed, Seq) and costs
// nothing until asked for.
package arrivals

import "time"

// Arrival is one citizen at the door.
type Arrival struct {
	// Seq names the arrival, 0 to Total−1. It is a name, not a rank: within a block, Seq does not follow Due.
	Seq uint32
	// Due is the offset from the start, in platform time.
	Due time.Duration
	// Tenant indexes Scenario.Tenants.List.
	Tenant int32
	// Part of the schedule that the arrival lies in, of as many as the Set has that it was made for.
	Part uint16
}

// Share is the part of a schedule one worker fires: Index of Of, Index from 0. The zero value is the whole.
//
// Of is at most Strands; the shares of one Of are disjoint and their union is the whole.
type Share struct{ Index, Of int }

// Set is every Of-th strand, from Index on. An Index outside of 0..Of−1 owns nothing.
func (s Share) Set() Set { return Set{}.Share(s) }

// Reaction is what a person does after waiting in vain or meeting an error.
type Reaction int

// The reactions of an impatient person.
const (
	GiveUp Reaction = iota
	Reload
	ComeBack
)
