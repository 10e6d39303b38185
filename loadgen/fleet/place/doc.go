// Package place brings a fleet's workers about, as processes of this machine ([Local]) or as pods of a Kubernetes Indexed Job ([Job]), and ends
// them. A worker joins by itself and is dealt with by what it says; what this package adds is the one thing that nobody can say of himself: that
// he is dead. A death that is proved need not be waited for, so the proof must be one:
//
//   - a process' descriptor (pidfd) becomes readable when the last of its threads has ended. It works for whoever may open it, a coordinator that
//     has come back and is no parent included. A number alone would be another process' one day.
//   - a container is terminated when its kubelet says so. The pod's phase proves nothing: the pod garbage collector writes Failed for a pod whose
//     Node object is gone, though the machine may run on; nor does a pod object that was deleted.
//
// Client-go lives here and not with the coordinator, which knows nothing but a [Placement].
package place

import (
	"context"
	"errors"
	"time"
)

// Placement is where a fleet's workers come from. Start and Stop are called by one goroutine.
type Placement interface {
	// Start sees to it that n workers run. Those that an earlier coordinator of the same run started count, and are watched as its own. After an
	// error Stop removes what was made.
	Start(ctx context.Context, n int) error

	// Deaths gives every proved end of a worker; some may be told twice, in the life of another coordinator. It is closed by Stop.
	Deaths() <-chan Death

	// Stop asks all workers to end, ends those that do not, and removes what Start made. When ctx ends first nobody is asked any longer. It
	// returns when nothing of them runs, or says what may still.
	Stop(ctx context.Context) error
}

// Death is the proved end of one worker: nothing of it runs any more.
type Death struct {
	// Name is what the worker called itself when it joined. No other process ever has it.
	Name string
	// State is the folder where it kept its journal, if it can be read here.
	State string
	// Done says that it ended with 0, as one does whose run is over.
	Done bool
	// Why is for a person: its exit code or signal, and its last words.
	Why string
	// At is when this was found out, later than the death itself.
	At time.Time
}

// Worker is what every worker is started with.
type Worker struct {
	// Join is the coordinator's URL.
	Join string
	// TokenFile holds what lets it join: in a pod, that comes by a Secret. It never goes onto a command line or into an environment.
	TokenFile string
	// Args are more arguments of its command line.
	Args []string
}

func (w Worker) validate() error {
	if w.Join == "" || w.TokenFile == "" {
		return errors.New("place: a worker needs an address to join, and a token")
	}
	return nil
}

// args is the command line of the program ansturm.
func (w Worker) args(name, tokenFile, state string) []string {
	return append([]string{"worker", "--join", w.Join, "--token-file", tokenFile, "--name", name, "--state", state}, w.Args...)
}
