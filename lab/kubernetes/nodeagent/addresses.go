package nodeagent

import (
	"context"
	"math/rand/v2"
	"net"
)

// addresses gives out pods' names of 198.18.0.0/15, the block for tests of network devices (RFC 2544). No packet goes there:
// those of virtual pods, 198.18.0.0/16, are names only; of 198.19.0.0/16 each lab of the machine has a block, and a process
// listens at the address of 127.0.0.0/8 that ends alike.
type addresses struct {
	virtual, processes uint32 // the last
	block              uint32
}

const (
	blocks    = 64
	blockSize = 1 << 16 / blocks
	// claimPort is where a lab listens, at the address that its block begins with and that no pod is given, to claim the block.
	claimPort = "10250"
)

// claimAddresses takes a block of process addresses that no other lab of this machine has, until ctx ends. Where none can be
// had (or addresses of 127.0.0.0/8 cannot be listened at) it is one by chance.
func (a *Agent) claimAddresses(ctx context.Context) {
	first := rand.Uint32N(blocks)
	for n := range uint32(blocks) {
		a.addresses.block = (first + n) % blocks
		listener, err := net.Listen("tcp4", net.JoinHostPort(loopback(name(1<<16|a.addresses.block*blockSize)), claimPort))
		if err != nil {
			continue
		}
		a.done.Go(func() {
			<-ctx.Done()
			_ = listener.Close()
		})
		return
	}
}

// next is the name of the next pod.
func (s *addresses) next(process bool) string {
	last, first, size := &s.virtual, uint32(0), uint32(1<<16)
	if process {
		last, first, size = &s.processes, 1<<16|s.block*blockSize, blockSize
	}
	for {
		*last = (*last + 1) % size
		if end := *last & 255; end != 0 && end != 255 {
			return name(first + *last)
		}
	}
}

// name is an address of 198.18.0.0/15 by its lower 17 bits.
func name(low uint32) string {
	return net.IPv4(198, byte(18+low>>16), byte(low>>8), byte(low)).String()
}

// loopback is where the process of that name listens.
func loopback(ip string) string {
	v := net.ParseIP(ip).To4()
	return net.IPv4(127, v[1], v[2], v[3]).String()
}
