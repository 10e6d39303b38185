// Package fleet fires one schedule by many workers, so that the result is the same run: no arrival twice, none lost, whatever dies
// (docs/decisions/0009).
//
// A [Coordinator] deals the schedule's parts and makes the record; a worker ([Work]) fires what it holds. Between them stands a bus, which carries
// and keeps, and promises nothing else:
//
//	worker: welcome → schedule → engine by its lease → collector → journal → frames ─┐
//	coordinator: joins, beats → keeper → list of deals and ceilings                   ├─► stream ─► fold ─► record
//	             events, start, close ────────────────────────────────────────────────┘
//
// Nothing goes into the record but through the stream: the record is a function of the stream and of the list, so a coordinator that dies is followed
// by one that folds both anew and comes to the same bytes. The steps of a run:
//
//  1. The coordinator claims the list by an entry of its own, reads the stream, and says in the stream that it goes on from there. Of two, the one
//     that does not know the other's last entry cannot deal, and what it tells after the other's word is not heard.
//  2. Workers join. Their numbers are told in the stream before they are welcomed: no pair of worker and epoch is given twice. Beats measure their clocks.
//  3. The start is told: an instant some time ahead, which each worker converts to its own monotonic clock.
//  4. Beats, five a second, extend the leases; what workers count goes as deltas through their journals into the stream.
//  5. When the last arrival is due and all have ended or are silent for longer than a promise reaches, the platform's account and the close are
//     told. The fold gives a fate to those of whom nobody told any, and closes the record.
//
// A worker that stood still, or is taken for lost, ends its epoch as its lease says and joins again as the next epoch, with another engine.
package fleet
