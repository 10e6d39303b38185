// Package arrivals is the pure schedule of a scenario: who comes when, of which tenant, what they will do, how
// patient they are. Engine and simulator use the same one.
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
}

// Share is the part of a schedule one worker fires: Index of Of, Index from 0. The zero value is the whole.
type Share struct{ Index, Of int }

// Reaction is what a person does after waiting in vain or meeting an error.
type Reaction int

// The reactions of an impatient person.
const (
	GiveUp Reaction = iota
	Reload
	ComeBack
)
