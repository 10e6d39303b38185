// Package loadgen fires a surge: it walks the schedule on an absolute clock, sends each shot when it is due whatever
// the target does, and says honestly when it could not.
//
// The way of a shot, all of it on one thread, the shard's:
//
//		schedule ─► due? ─► connection ─► write ─► epoll ─► read ─► judge ─► Sample
//		             ▲                                                │
//		             └──── agenda: later steps, come-backs, ◄─ person ┘
//		                   time-outs
//
//	  - A shard is a locked thread with a part of the arrivals and everything they need. Nothing on a shot's way is shared, locked
//	    or handed to another goroutine, and nothing is allocated. See docs/decisions/0005-epoll-shards.md.
//	  - It sleeps by the kernel's high resolution timer until the next shot is due. Go's timers are up to 2 ms late when a
//	    process is idle.
//	  - At the limit of connections shots wait in due order; the wait is charged to their response time and shown as
//	    lateness. None is dropped.
//	  - Every arrival gets exactly one fate; what was never begun when a run is ended is unsent.
//
// HTTP/2 and proxies are net/http's. There the connection is a relay: it takes the shard's HTTP/1.1 and says it again by
// net/http, in a goroutine. All else is the same; see docs/decisions/0006-net-http-behind-the-links.md.
//
// # Clocks
//
// A Sample's times are platform time, wall time since Config.Start times Speed. Due is the schedule's. Sent is the
// instant at which the generator turned to the network for the shot: just before the first write, or, where a
// connection had to be opened, just before that: connecting is the target's time, so that a target which does not
// accept is not taken for a slow generator. FirstByte is when the first byte of the answer came, Done when its last did, by
// the kernel's receive time stamps where it gives them, or when the shot was given up.
//
// # Journeys
//
// A shot that needs nothing but its templates is one prebuilt request. A journey with cookies, redirects, extracted URLs,
// HTML forms or files has a session a person, which puts the requests together:
//
//		step.request …                      prebuilt: no session
//		session.begin ─► appendRequest ─► [ stream ] ─► answer ─► judge ─► tellCreated
//		                      ▲                           │ again: a redirect
//		                      └───────────────────────────┘
//
//	  - Redirects belong to their shot: it lasts until the last answer, and checks and extractions look at that. After 301,
//	    302 and 303 the method is GET, HEAD stays; after 307 and 308 method and body stay. No Referer is sent. Credentials that
//	    a step writes into its headers are not taken to another origin.
//	  - A redirect or an extracted URL may lead to a tenant, to one of the scenario's hosts, or to an address that a step
//	    names. Anything else ends the shot as failed, with a warning, and nothing is sent there.
//	  - A cookie jar keeps what browsers keep (RFC 6265). Lifetimes are wall time, as the server's clock gives them.
//	  - A file is streamed: a real one is held once for all shots, one made up holds noise behind an arrival's UUID.
//	  - No Accept-Encoding is sent, so that answers come as they are: checks and extractions read them without unpacking, and
//	    the generator's processor time is not spent on it. A step may send one where nothing reads its body; then the target
//	    does the work of packing as it does for browsers.
//	  - A body without a Content-Type header is sent as application/json where it looks like it, else as text/plain; a form says
//	    its own.
//
// # Waiting rooms
//
// Where Config.WaitingRoom names its cookie, an answer that gives a place in it and says when to come again is waited out:
// the shot goes on then, with the place. Its response time counts from its first Due, the wait is Sample.Waited, and
// lateness is what is left of Sent − Due without it. The wait is the server's word in whole seconds of platform time.
//
// # Leases
//
// With Config.Lease the engine is one of many that fire one schedule, and begins what its [Lease] lets begin at that moment
// (docs/decisions/0009-a-fleet-fences-by-due.md). A shard makes its arrivals itself then, and looks at its clocks before each.
//
//	Lease.Hold, Engine.Wake      what it holds now, and until when; what is overdue when that comes is unsent, never a burst
//	Lease.Fence                  nothing begins any more, by somebody's word or because a shard stood still for over a second
//	Engine.Fenced                is true once no shard begins anything: only then may what it holds be yielded
//	Lease.End, Engine.Wake       the coordinator's last word: what of these grants has not begun is unsent; Run ends
//
// At its end the engine calls nothing unsent by itself, for others may have begun it.
//
// # Templates
//
// A step's URL, header values, body, form fields and file names may hold placeholders:
//
//	{{seq}}              the arrival's Seq
//	{{tenant}}           the tenant's name; {{tenant.title}} its title
//	{{run}}              the run's ID
//	{{retry}}            0 on the first try of the step
//	{{now}}              the shot's due instant on the wall, RFC 3339 in UTC
//	{{uuid}}             a random-looking UUID, the same for all shots of an arrival
//	{{feeder.column}}    a feeder's value for the arrival: a column of its CSV file; of synthetic persons name, firstName,
//	                     lastName, street, postcode, city, birthDate, email, phone
//	{{name}}             a value that an earlier step of the journey extracted; empty where that step was not taken
//
// Values are escaped for where they land: percent-encoded in URLs, form fields and bodies of that type, as JSON string contents in JSON
// bodies (by the Content-Type header; without one, a body that begins with { or [ is JSON), without control
// characters in headers; parts of a form with files hold them as they are. A URL that begins with {{name}} takes that value
// as a URL, as it is.
package loadgen
