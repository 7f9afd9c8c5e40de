package gates

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const (
	// lookTimeout bounds how long reading all nodes and pods may take.
	lookTimeout = 3 * time.Minute
	// linger is for how long a look goes on, or is remembered, though nobody asks: another gate of the policy may be asked again meanwhile,
	// and if that threw away what took long to read, the two would wait for each other.
	linger = longest
)

// stock keeps the last look at the cluster's nodes and pods, so that several questions about room read them once. A look belongs to no
// question: which nodes leave, and so the question, may change more often than all pods can be read.
type stock struct {
	mu   sync.Mutex
	last *inventory
	// look is under way; nil if none is.
	look *look
	// keys are what drains look at.
	keys podKeys
	// asked is when someone last asked about room.
	asked time.Time
}

// look is a look that is under way.
type look struct {
	keys podKeys
	stop context.CancelFunc
	done chan struct{}
	// found is set when it is done, or err.
	found *inventory
	err   error
}

// note which labels and annotations of pods the answers depend on.
func (s *stock) note(policies []*v1alpha1.RebootPolicy, asks []model.GateQuery) {
	keys := newPodKeys()
	for _, ask := range asks {
		gate, is := find(policies, ask.GateKey).(capacityGate)
		if !is {
			continue
		}
		if selector, err := gate.evicts(); err == nil {
			keys.add(selector)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(asks, aboutRoom) {
		s.keys = keys
	}
}

// keep forgets what was read, and stops reading, if none of the questions is about room, nor was one a moment ago.
func (s *stock) keep(asks []model.GateQuery, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(asks, aboutRoom) {
		s.asked = now
	}
	if now.Before(s.asked.Add(linger)) {
		return
	}
	s.last = nil
	if s.look != nil {
		s.look.stop()
		s.look = nil
	}
}

func aboutRoom(ask model.GateQuery) bool { return ask.Kind == model.GateCapacity }

// leaving are the nodes that are under way.
func leaving(ask model.GateQuery) []string {
	if ask.About == "" {
		return nil
	}
	return strings.Split(ask.About, ",")
}

// errNobodyAsks ends the questions that wait for a look that was stopped.
var errNobodyAsks = errors.New("nobody asks about room anymore")

// inventory returns the last look if it is fresh and knows the labels in question, else a new one.
func (a *Asker) inventory(ctx context.Context) (*inventory, error) {
	for {
		last, current := a.currentLook()
		if last != nil {
			return last, nil
		}
		select {
		case <-current.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		a.stock.mu.Lock()
		enough := current.keys.have(a.stock.keys)
		a.stock.mu.Unlock()
		if current.err != nil || enough {
			return current.found, current.err
		}
	}
}

// currentLook is the last look if it will do, or else one that is under way.
func (a *Asker) currentLook() (*inventory, *look) {
	s := &a.stock
	s.mu.Lock()
	defer s.mu.Unlock()
	now := a.options.Clock.Now()
	if last := s.last; last != nil && now.Before(last.at.Add(restAfter(last.took))) && last.keys.have(s.keys) {
		return last, nil
	}
	if s.look == nil {
		ctx, stop := context.WithTimeout(a.ctx, lookTimeout)
		s.look = &look{keys: s.keys, stop: stop, done: make(chan struct{})}
		go a.lookAround(ctx, s.look, now)
	}
	return nil, s.look
}

// lookAround reads all nodes and pods.
func (a *Asker) lookAround(ctx context.Context, current *look, began time.Time) {
	defer current.stop()
	next := newInventory(current.keys)
	err := next.read(ctx, a.options.Live, a.options.ListPods)
	next.at = a.options.Clock.Now()
	next.took = next.at.Sub(began)
	s := &a.stock
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(current.done)
	switch {
	case s.look != current:
		current.err = errNobodyAsks
		return
	case err != nil:
		current.err = err
	default:
		current.found, s.last = next, next
	}
	s.look = nil
}
