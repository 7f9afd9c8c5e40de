// Package sentinel is how the rebooter finds out whether its host asks for a reboot: by files that exist, and by programs.
package sentinel

import (
	"context"
	"slices"
	"strings"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// Sentinel reports whether the host asks for a reboot.
type Sentinel interface {
	// Check returns the state and a message for people. A check that fails is Unknown, never one of the other two.
	Check(ctx context.Context) (state, message string)
	// Changes hints that Check may answer differently now.
	Changes() <-chan struct{}
}

// Reading is what a sentinel said.
type Reading struct {
	// State is Required, NotRequired or Unknown.
	State string
	// Message says why, for people.
	Message string
}

// None is for hosts that never ask by themselves: people do, and conditions of their nodes.
type None struct{}

var _ Sentinel = None{}

// Check implements Sentinel.
func (None) Check(context.Context) (state, message string) {
	return rebooter.SentinelNotRequired, "no sentinel is installed"
}

// Changes implements Sentinel.
func (None) Changes() <-chan struct{} { return nil }

// sentinelOrder says which state of several sentinels counts: one that asks for a reboot is enough, and one that fails hides that others do
// not ask.
var sentinelOrder = []string{rebooter.SentinelRequired, rebooter.SentinelUnknown, rebooter.SentinelNotRequired}

// Several are several sentinels of one host.
type Several struct {
	all     []Sentinel
	changes chan struct{}
}

var _ Sentinel = &Several{}

// NewSeveral passes on the hints of all sentinels until ctx ends.
func NewSeveral(ctx context.Context, all ...Sentinel) *Several {
	s := &Several{all: all, changes: make(chan struct{}, 1)}
	for _, sentinel := range all {
		go s.forward(ctx, sentinel.Changes())
	}
	return s
}

func (s *Several) forward(ctx context.Context, hints <-chan struct{}) {
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
func (s *Several) Check(ctx context.Context) (state, message string) {
	readings := make([]Reading, 0, len(s.all))
	for _, sentinel := range s.all {
		state, message := sentinel.Check(ctx)
		readings = append(readings, Reading{State: state, Message: message})
	}
	return Combine(readings)
}

// Changes implements Sentinel.
func (s *Several) Changes() <-chan struct{} { return s.changes }

// Combine gives the state that counts, with the messages of those that say it.
func Combine(readings []Reading) (state, message string) {
	for _, state := range sentinelOrder {
		var messages []string
		for _, r := range readings {
			if r.State == state && !slices.Contains(messages, r.Message) {
				messages = append(messages, r.Message)
			}
		}
		if len(messages) > 0 {
			return state, strings.Join(messages, "; ")
		}
	}
	return rebooter.SentinelUnknown, "the rebooter was installed with none of --sentinel, --sentinel-preset, --sentinel-command and " +
		"--sentinel-kernel; " +
		"if only people and node conditions are to ask for reboots, install it with --no-sentinel"
}
