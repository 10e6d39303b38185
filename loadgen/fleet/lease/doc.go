// Package lease is the judgement of a fleet's coordinators: who of the workers may begin which arrival, so that none begins
// twice whatever dies, and what has become of those that nobody tells of
// (docs/decisions/0009-a-fleet-fences-by-due.md). It is pure: it has no clock, no goroutine and does no I/O. The time is an argument,
// and whoever calls carries what it says.
//
//		beats ─► Keeper ─► Entry ─► (the bus: entry k, created exclusively) ─► Keeper.Appended ─► Table
//		            │                                                                              │
//		            └──► Promise: what the Table gives an epoch, and until which Due ◄─────────────┘
//
//	  - The list of entries is the one truth. An Entry is a deal (moves of parts from one Due to another) or raises the ceiling,
//	    above which nobody is promised anything. A Table is the fold of the list: one owner for each part and Due. Coordinators'
//	    numbers never fall along it: that is how one that was replaced finds out, and no entry of it gets in.
//	  - A Keeper is one coordinator's judgement. It promises nothing before an entry of its own is in the list: from then on
//	    nobody before it can add any, and all that they have promised is below the ceiling that it found.
//	  - What it moves it moves at Dues that their owners were never promised; or a quarter of a second ahead where the owner is
//	    dead or fenced. So of two epochs that think a part theirs, one has no promise of that Due and never gets any.
//	  - Balance says whose parts should be fewer, by how busy the workers say they are. Offset bounds how far one clock is ahead of
//	    another. Closing says of arrivals without a fate whether anybody can have begun them.
//
// Dues are platform time; everything called now, and every length of time but those of Dues, is the wall's since the run's
// start, negative before it.
package lease
