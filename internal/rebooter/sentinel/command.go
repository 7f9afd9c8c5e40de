package sentinel

import (
	"context"
	"sync"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

const (
	// DefaultInterval is how often the sentinel command is run. Such commands can take seconds of a processor.
	DefaultInterval = 10 * time.Minute
	// commandRetry is how soon it is run again after it failed.
	commandRetry = time.Minute
)

// Command remembers what a slow check said last, and hints when that changes.
type Command struct {
	changes chan struct{}

	mu   sync.Mutex
	last Reading
}

var _ Sentinel = &Command{}

// NewCommand checks repeatedly until ctx ends. Before the first answer the state is Unknown.
func NewCommand(
	ctx context.Context, after func(time.Duration) <-chan time.Time, interval time.Duration,
	check func(context.Context) (state, message string),
) *Command {
	s := &Command{
		changes: make(chan struct{}, 1),
		last:    Reading{State: rebooter.SentinelUnknown, Message: "the sentinel command has not ended yet"},
	}
	go s.run(ctx, after, interval, check)
	return s
}

func (s *Command) run(
	ctx context.Context, after func(time.Duration) <-chan time.Time, interval time.Duration,
	check func(context.Context) (state, message string),
) {
	for ctx.Err() == nil {
		state, message := check(ctx)
		s.note(Reading{State: state, Message: message})
		pause := interval
		if state == rebooter.SentinelUnknown {
			pause = min(pause, commandRetry)
		}
		select {
		case <-ctx.Done():
		case <-after(pause):
		}
	}
}

func (s *Command) note(now Reading) {
	s.mu.Lock()
	changed := s.last != now
	s.last = now
	s.mu.Unlock()
	if !changed {
		return
	}
	select {
	case s.changes <- struct{}{}:
	default:
	}
}

// Check implements Sentinel.
func (s *Command) Check(context.Context) (state, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.State, s.last.Message
}

// Changes implements Sentinel.
func (s *Command) Changes() <-chan struct{} { return s.changes }
