// Package loadgen fires a surge: it walks the schedule on an absolute clock, sends each shot when it is due whatever
// the target does, and says honestly when it could not.
//
// The way of a shot, all of it on one thread, the shard's:
//
//	schedule ─► due? ─► connection ─► write ─► epoll ─► read ─► judge ─► Sample
//	             ▲                                                │
//	             └──── agenda: later steps, come-backs, ◄─ person ┘
//	                   time-outs
//
//   - A shard is a locked thread with a part of the arrivals and everything they need. Nothing on a shot's way is shared, locked
//     or handed to another goroutine, and nothing is allocated. See docs/decisions/0005-epoll-shards.md.
//   - It sleeps by the kernel's high resolution timer until the next shot is due. Go's timers are up to 2 ms late when a
//     process is idle.
//   - At the limit of connections shots wait in due order; the wait is charged to their response time and shown as
//     lateness. None is dropped.
//   - Every arrival gets exactly one fate; what was never begun when a run is ended is unsent.
//
// # Clocks
//
// A Sample's times are platform time, wall time since Config.Start times Speed. Due is the schedule's. Sent is the
// instant at which the generator turned to the network for the shot: just before the first write, or, where a
// connection had to be opened, just before that: connecting is the target's time, so that a target which does not
// accept is not taken for a slow generator. FirstByte is when the first byte of the answer came, Done when its last did, by
// the kernel's receive time stamps where it gives them, or when the shot was given up.
//
// # Templates
//
// A step's URL, header values and body may hold placeholders:
//
//	{{seq}}              the arrival's Seq
//	{{tenant}}           the tenant's name; {{tenant.title}} its title
//	{{run}}              the run's ID
//	{{retry}}            0 on the first try of the step
//	{{now}}              the shot's due instant on the wall, RFC 3339 in UTC
//	{{uuid}}             a random-looking UUID, the same for all shots of an arrival
//	{{feeder.column}}    a feeder's value for the arrival
//	{{name}}             a value that an earlier step of the journey extracted; empty where that step was not taken
//
// Values are escaped for where they land: percent-encoded in URLs and form bodies, as JSON string contents in JSON
// bodies (by the Content-Type header; without one, a body that begins with { or [ is JSON), without control
// characters in headers.
package loadgen
