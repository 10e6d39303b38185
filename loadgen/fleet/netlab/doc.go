// Package netlab is a network for tests of fleets: parties that are real processes, each in a network namespace of the test's own,
// with delay, jitter, loss and partitions between them. Only tests may import it. It runs on Linux, as root.
//
// Everything a party sends to another goes through this process, which holds the other end of each party's only device:
//
//	process ─► TUN of its namespace ─► read ─► lost? cut? ─► queue of this direction, until due ─► TUN of the other's namespace ─► process
//
// That is so wherever the tests run, and needs neither a kernel with netem nor iproute2. A link keeps the order of its packets,
// as most real ones do, and what befalls its k-th packet is a function of the seed, the link and k.
//
// The host's own namespace gets no address, link or route: a device is born inside its namespace, and there is no way out of it
// but Relay's, to one Unix socket. Namespaces have no names and no mounts: a thread of this process, the sockets it opened
// there and the processes it started hold them, and the kernel takes down what nobody holds. So nothing is left behind even by
// a test that is killed, for its processes are killed with it.
package netlab
