package fleet

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet/bus"
	"github.com/ansturm/ansturm/loadgen/fleet/lease"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// ErrNoWorker is that no worker was there when the run was to start.
var ErrNoWorker = errors.New("no worker was there")

// ErrReplaced is that another coordinator has taken over: the run and its record are its.
var ErrReplaced = lease.ErrReplaced

// Defaults of a coordinator.
const (
	DefaultAwait = time.Minute
	DefaultLead  = 1500 * time.Millisecond
	readPatience = 10 * time.Second // with a bus that does not give the list
)

// Config is one run of a fleet.
type Config struct {
	Store bus.Store
	// Dir is where the record is, or is to be.
	Dir string
	// Run is what is known of it before; its start and its workers are filled in. To a run that is resumed, the same is given again.
	Run record.Run
	// Engine is how one process would fire the run, without recorder, samples, start and lease. Roots are the certificate authorities of
	// its TLS, as PEM; empty means the system's of each worker.
	Engine loadgen.Config
	Roots  []byte
	// Parts of the schedule. Zero means as many as Workers need. The same for the whole run.
	Parts int
	// Workers is how many are waited for, at most Await (zero: a minute); it starts with fewer, but not with none.
	Workers int
	Await   time.Duration
	// Hold is how far ahead a promise reaches; zero means three seconds. Lead is how far ahead the start is told; zero means 1.5 s.
	Hold, Lead time.Duration
	// Key lets a worker that comes back, perhaps as another process, show who it was. The same for the whole run; nil makes one up.
	Key []byte
	// Started is told of offset 0 before it comes, or after it in a run that is resumed. Its error ends the run.
	Started func(start time.Time) error
	// Account is asked for the platform's own account, the Seqs that it has accepted, and what the record must warn of, once all workers are
	// done; nil: it gives none.
	Account func(ctx context.Context) (*record.LabAccount, *roaring.Bitmap, []record.Warning, error)
	// Finish changes the final run, at the close. It must be a function of the run alone.
	Finish func(*record.Run)
	// Say tells a person what happens, a line at a time; nil tells nobody. Quiet leaves out that a worker has joined.
	Say   func(line string)
	Quiet bool
}

func (c *Config) speed() float64 { return cmp.Or(c.Engine.Speed, 1) }

// Parts is a number of parts that deals well to so many workers.
func Parts(workers int) int {
	parts := 4 * arrivals.Strands
	for parts < 16*workers && parts < arrivals.MostParts {
		parts *= 2
	}
	return parts
}

func (c Config) withDefaults() Config {
	c.Parts = cmp.Or(c.Parts, Parts(c.Workers))
	c.Workers, c.Await = max(c.Workers, 1), cmp.Or(c.Await, DefaultAwait)
	c.Hold, c.Lead = cmp.Or(c.Hold, lease.DefaultHold), cmp.Or(c.Lead, DefaultLead)
	c.Run.Speed = c.speed()
	if len(c.Key) == 0 {
		c.Key = make([]byte, sha256.Size)
		_, _ = rand.Read(c.Key) // never fails, by its documentation
	}
	if c.Say == nil {
		c.Say = func(string) {}
	}
	return c
}

// Coordinator deals a schedule to workers and makes one record of what they tell.
type Coordinator struct {
	cfg   Config
	spec  *Spec
	terms lease.Terms
	clock clock
	fold  *fold
	over  chan struct{} // closed when the fold has ended; folded is set before
	err   error         // of the fold
	teller
	untaken trouble // of entries

	joining turn // one joins at a time

	mu      sync.Mutex // guards what follows; taken before that of the fold
	number  uint64
	keeper  *lease.Keeper // nil before the start
	dealt   uint64        // the last entry that moved something
	members map[lease.Owner]*member
	gone    map[string]bool // by name, of processes that are proved to have ended
	pending bool            // an entry of its own may be in the list, and is not in the keeper's table
	stopped bool            // nothing is dealt or promised any more
	hurried bool            // it was asked to end
	closing bool            // nobody is taken in any more
}

// New readies a coordinator; nothing is sent.
func New(cfg Config) (*Coordinator, error) {
	if cfg.Store == nil || cfg.Dir == "" {
		return nil, errors.New("fleet: no bus, or no directory of the record")
	}
	cfg = cfg.withDefaults()
	spec, err := newSpec(cfg.Run, cfg.Engine, cfg.Roots, cfg.Parts)
	if err != nil {
		return nil, err
	}
	c := &Coordinator{
		cfg: cfg, spec: spec, clock: newClock(0), over: make(chan struct{}), members: map[lease.Owner]*member{}, gone: map[string]bool{}, joining: newTurn(),
		terms: lease.Terms{Speed: cfg.speed(), End: cfg.Engine.Scenario.Arrivals.Over + 1, Hold: cfg.Hold},
	}
	c.teller.init()
	return c, c.terms.Validate()
}

// Run coordinates the run, from the first worker's joining to the record's close, and gives the run as it is recorded. When ctx ends, what has not
// begun is not begun any more, and the record is closed all the same. Where the run that it gives is nil, the record is not closed, and another
// coordinator may go on, or does (ErrReplaced).
func (c *Coordinator) Run(ctx context.Context) (*record.Run, error) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var all sync.WaitGroup
	defer func() {
		cancel()
		all.Wait()
	}()
	table, err := c.list(work)
	if err != nil {
		return nil, err
	}
	fold := newFold(&c.cfg, func() ([]lease.Entry, error) { return c.read(work, 1) }, c.looked)
	c.mu.Lock()
	c.fold = fold
	c.mu.Unlock()
	all.Go(func() {
		c.err = c.fold.follow(work, c.cfg.Store)
		close(c.over)
	})
	if err := c.begin(work, table); err != nil {
		return nil, err
	}
	if c.closed() { // a coordinator before this one had told the close, and only that was not in the record
		return c.fold.run, c.err
	}
	all.Go(func() { c.tellEvents(work) })
	all.Go(func() {
		if err := c.cfg.Store.Serve(work, service{c, work}); err != nil {
			c.cfg.Say(fmt.Sprintf("nobody can join or beat any more: %v", err))
		}
	})
	if err := c.start(ctx, work); err != nil {
		c.dismiss(work)
		return nil, err
	}
	err = c.fire(ctx, work, table)
	return c.fold.run, err
}

// fire lets the run go from its start to its close. Where Started fails it ends at once.
func (c *Coordinator) fire(ctx, work context.Context, table *lease.Table) (broken error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	if start, _ := c.began(); c.cfg.Started != nil {
		if broken = c.cfg.Started(start); broken != nil {
			end()
		}
	}
	if err := c.keep(ctx, work, table); err != nil {
		return errors.Join(broken, err)
	}
	return c.close(work, broken)
}

// dismiss tells the workers of a run that will not start to go.
func (c *Coordinator) dismiss(ctx context.Context) {
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	pause(ctx, 2*lease.BeatEvery)
}

// closed says that the fold has ended: with the record's close, or an error.
func (c *Coordinator) closed() bool {
	select {
	case <-c.over:
		return true
	default:
		return false
	}
}

// list is the fold of the entries so far.
func (c *Coordinator) list(ctx context.Context) (*lease.Table, error) {
	entries, err := c.read(ctx, 1)
	if err != nil {
		return nil, err
	}
	return tableOf(c.cfg.Parts, entries)
}

// read reads the list from an entry on.
func (c *Coordinator) read(ctx context.Context, from uint64) ([]lease.Entry, error) {
	lines, err := c.cfg.Store.Entries(ctx, from)
	for end := time.Now().Add(readPatience); err != nil && time.Now().Before(end) && pause(ctx, lease.BeatEvery); {
		lines, err = c.cfg.Store.Entries(ctx, from)
	}
	if err != nil {
		return nil, fmt.Errorf("fleet: read the list: %w", err)
	}
	entries := make([]lease.Entry, len(lines))
	for i, line := range lines {
		if entries[i], err = lease.ParseEntry(line); err != nil {
			return nil, fmt.Errorf("fleet: entry %d: %w", from+uint64(i), err)
		}
	}
	return entries, nil
}

// begin makes this coordinator the one that is heard, and waits until all that was told before has been folded.
func (c *Coordinator) begin(ctx context.Context, table *lease.Table) error {
	number := table.Successor(random())
	host, _ := os.Hostname() // for people only
	for {
		c.setNumber(number)
		heard, err := c.tell(ctx, told{Begins: fmt.Sprintf("%s, process %d", host, os.Getpid())})
		switch {
		case err != nil || heard:
			return err
		case c.closed():
			return c.err
		}
		number = (c.fold.heard()>>32+1)<<32 | uint64(random()) // above one that has told something and dealt nothing
	}
}

func (c *Coordinator) setNumber(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number = number
}

func random() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return binary.LittleEndian.Uint32(b[:])
}

// start waits for the workers and tells the start, unless a coordinator before has.
func (c *Coordinator) start(ctx, work context.Context) error {
	if _, told := c.began(); told {
		return nil
	}
	if err := c.gather(ctx); err != nil {
		return err
	}
	at := time.Unix(0, c.clock.stamp(time.Now().Add(c.cfg.Lead))).UTC()
	return c.mustTell(work, told{Start: &at})
}

// gather waits until as many workers are ready as the run is for, or some are and the wait is over.
func (c *Coordinator) gather(ctx context.Context) error {
	end := time.Now().Add(c.cfg.Await)
	for {
		ready := c.ready()
		switch {
		case ready >= c.cfg.Workers:
			return nil
		case time.Now().After(end) && ready == 0:
			return fmt.Errorf("fleet: %w after %s", ErrNoWorker, scenarios.Span(c.cfg.Await, "en"))
		case time.Now().After(end):
			c.cfg.Say(fmt.Sprintf("%d of %d workers are there after %s: starting with them", ready, c.cfg.Workers, scenarios.Span(c.cfg.Await, "en")))
			return nil
		case c.closed():
			return c.err
		case !pause(ctx, lease.LookEvery):
			return ctx.Err()
		}
	}
}

// began is offset 0 by this process' monotonic clock, whatever becomes of the wall's; false before it was told.
func (c *Coordinator) began() (start time.Time, told bool) {
	if start = c.fold.began(); start.IsZero() {
		return start, false
	}
	return c.clock.at(start.UnixNano()), true
}

// now is the run's clock, on the wall, negative before the start; 0 while nobody knows it.
func (c *Coordinator) now() time.Duration {
	start, told := c.began()
	if !told {
		return 0
	}
	return time.Since(start)
}

// platform is the run's platform time, 0 before the start.
func (c *Coordinator) platform() time.Duration {
	return max(0, time.Duration(float64(c.now())*c.terms.Speed))
}

// proof is what an epoch shows that returns as another one.
func (c *Coordinator) proof(worker, epoch uint32) string {
	mac := hmac.New(sha256.New, c.cfg.Key)
	fmt.Fprintf(mac, "%s %d %d", c.cfg.Run.ID, worker, epoch)
	return hex.EncodeToString(mac.Sum(nil))
}
