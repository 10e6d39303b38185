package fleet

import (
	"context"
	"maps"
	"slices"

	"github.com/ansturm/ansturm/loadgen/fleet/lease"
	"github.com/ansturm/ansturm/loadgen/record"
)

// tellEpochs tells how all epochs fare: what stands in the record of them is the last that was told.
func (c *Coordinator) tellEpochs(ctx context.Context) error {
	for some := range slices.Chunk(c.epochs(), epochsAtOnce) {
		if err := c.mustTell(ctx, told{Epochs: some}); err != nil {
			return err
		}
	}
	return nil
}

// epochs are those of whom this coordinator knows something.
func (c *Coordinator) epochs() (all []record.FleetEpoch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keeper == nil {
		return nil
	}
	for _, k := range c.keeper.Members() {
		e := record.FleetEpoch{Worker: k.Worker, Epoch: k.Epoch}
		if m := c.members[k.Owner]; m != nil {
			e.Ended, e.Clock = m.ended, m.beat.Clock
			if e.Ended == "" && m.beat.State == Done {
				e.Ended = record.EpochDone
			}
		} else if k.State > lease.Joined { // a coordinator before this one heard it last
			e.Ended = k.State.String()
		}
		if e.Ended != "" || e.Clock != nil {
			all = append(all, e)
		}
	}
	for _, o := range ordered(c.members) {
		if m := c.members[o]; m.late && m.beat.State == Done {
			all = append(all, record.FleetEpoch{Worker: o.Worker, Epoch: o.Epoch, Ended: record.EpochDone})
		}
	}
	return all
}

// heed takes a coordinator's word on an epoch. One that came later may not have heard it, and then knows nothing of its clock.
func (e *kept) heed(said record.FleetEpoch) {
	if e.said.Ended == "" || said.Clock != nil {
		e.said.Ended = said.Ended
	}
	if said.Clock != nil {
		e.said.Clock = said.Clock
	}
}

// fleet is what the record says of those who fired the run; byBus is what the bus has refused, lost are the arrivals of whom nobody
// knows what became, by whose they were.
func (f *fold) fleet(byBus map[string]int64, lost map[lease.Owner]int64) *record.Fleet {
	fleet := &record.Fleet{Parts: f.cfg.Parts, Hold: f.cfg.Hold, Coordinators: f.leads, Refused: maps.Clone(f.refused)}
	for reason, n := range byBus {
		fleet.Refused[reason] += n
	}
	for _, o := range ordered(f.epochs) {
		e := f.epochs[o]
		fleet.Epochs = append(fleet.Epochs, record.FleetEpoch{
			Worker: e.Worker, Epoch: e.Epoch, Name: e.Name, Host: e.Host, Processors: e.Processors,
			Ended: e.said.Ended, Clock: e.said.Clock, Lost: lost[o],
		})
	}
	return fleet
}
