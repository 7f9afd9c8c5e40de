package helper

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	// DefaultCommandInterval is how often the sentinel command is run. Such commands can take seconds of a processor.
	DefaultCommandInterval = 10 * time.Minute
	// commandRetry is how soon it is run again after it failed.
	commandRetry = time.Minute
	// commandTimeout bounds the question to the rebooter, which has a shorter limit for the command itself.
	commandTimeout = 6 * time.Minute
)

// Sentinel asks the rebooter what its sentinel command says. Whatever it cannot say is Unknown.
func (h *LocalHost) Sentinel(ctx context.Context) (v1alpha1.SentinelState, string) {
	state, message, err := h.client.Sentinel(ctx)
	switch {
	case err != nil:
		return v1alpha1.SentinelUnknown, err.Error()
	case state == string(v1alpha1.SentinelRequired), state == string(v1alpha1.SentinelNotRequired):
		return v1alpha1.SentinelState(state), message
	}
	return v1alpha1.SentinelUnknown, message
}

// CommandSentinel remembers what a slow check said last, and hints when that changes.
type CommandSentinel struct {
	changes chan struct{}

	mu   sync.Mutex
	last reading
}

var _ Sentinel = &CommandSentinel{}

// NewCommandSentinel checks again and again until ctx ends. Before the first answer the state is Unknown.
func NewCommandSentinel(
	ctx context.Context, clock clock.Clock, interval time.Duration, check func(context.Context) (v1alpha1.SentinelState, string),
) *CommandSentinel {
	s := &CommandSentinel{
		changes: make(chan struct{}, 1),
		last:    reading{state: v1alpha1.SentinelUnknown, message: "the sentinel command has not ended yet"},
	}
	go s.run(ctx, clock, interval, check)
	return s
}

func (s *CommandSentinel) run(
	ctx context.Context, clock clock.Clock, interval time.Duration, check func(context.Context) (v1alpha1.SentinelState, string),
) {
	for ctx.Err() == nil {
		asked, cancel := context.WithTimeout(ctx, commandTimeout)
		state, message := check(asked)
		cancel()
		s.note(reading{state: state, message: message})
		pause := interval
		if state == v1alpha1.SentinelUnknown {
			pause = min(pause, commandRetry)
		}
		select {
		case <-ctx.Done():
		case <-clock.After(pause):
		}
	}
}

func (s *CommandSentinel) note(now reading) {
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
func (s *CommandSentinel) Check(context.Context) (v1alpha1.SentinelState, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.state, s.last.message
}

// Changes implements Sentinel.
func (s *CommandSentinel) Changes() <-chan struct{} { return s.changes }

// sentinelOrder says which state of several sentinels counts: one that asks for a reboot is enough, and one that fails hides that others do
// not ask.
var sentinelOrder = []v1alpha1.SentinelState{v1alpha1.SentinelRequired, v1alpha1.SentinelUnknown, v1alpha1.SentinelNotRequired}

// Sentinels are several sentinels of one host.
type Sentinels struct {
	all     []Sentinel
	changes chan struct{}
}

var _ Sentinel = &Sentinels{}

// NewSentinels passes on the hints of all sentinels until ctx ends.
func NewSentinels(ctx context.Context, all ...Sentinel) *Sentinels {
	s := &Sentinels{all: all, changes: make(chan struct{}, 1)}
	for _, sentinel := range all {
		go s.forward(ctx, sentinel.Changes())
	}
	return s
}

func (s *Sentinels) forward(ctx context.Context, hints <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hints:
		}
		select {
		case s.changes <- struct{}{}:
		default:
		}
	}
}

// Check implements Sentinel.
func (s *Sentinels) Check(ctx context.Context) (v1alpha1.SentinelState, string) {
	readings := make([]reading, 0, len(s.all))
	for _, sentinel := range s.all {
		state, message := sentinel.Check(ctx)
		readings = append(readings, reading{state: state, message: message})
	}
	return combine(readings)
}

// Changes implements Sentinel.
func (s *Sentinels) Changes() <-chan struct{} { return s.changes }

// combine gives the state that counts, with the messages of those that say it.
func combine(readings []reading) (v1alpha1.SentinelState, string) {
	for _, state := range sentinelOrder {
		var messages []string
		for _, r := range readings {
			if r.state == state && !slices.Contains(messages, r.message) {
				messages = append(messages, r.message)
			}
		}
		if len(messages) > 0 {
			return state, truncate(strings.Join(messages, "; "), maxReason)
		}
	}
	return v1alpha1.SentinelUnknown, "no sentinel is configured"
}
