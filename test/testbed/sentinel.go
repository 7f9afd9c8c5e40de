package testbed

import (
	"context"
	"sync"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// sentinel is a host's wish to be rebooted, kept in memory. It implements helper.Sentinel.
type sentinel struct {
	mu      sync.Mutex
	state   v1alpha1.SentinelState
	message string
	sticky  bool
	changes chan struct{}
}

func newSentinel() *sentinel {
	return &sentinel{state: v1alpha1.SentinelNotRequired, changes: make(chan struct{}, 1)}
}

// Check answers at once.
func (s *sentinel) Check(context.Context) (v1alpha1.SentinelState, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.message
}

// Changes hints that Check may answer differently now.
func (s *sentinel) Changes() <-chan struct{} { return s.changes }

func (s *sentinel) set(state v1alpha1.SentinelState, message string) {
	s.mu.Lock()
	s.state, s.message = state, message
	s.mu.Unlock()
	select {
	case s.changes <- struct{}{}:
	default: // the reader has not yet taken the last hint, which says the same
	}
}

func (s *sentinel) setSticky(sticky bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sticky = sticky
}

// booted clears the sentinel, which a real host keeps on a file system in memory.
func (s *sentinel) booted() {
	s.mu.Lock()
	sticky := s.sticky
	s.mu.Unlock()
	if !sticky {
		s.set(v1alpha1.SentinelNotRequired, "")
	}
}
