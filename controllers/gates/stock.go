package gates

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const (
	// lookTimeout bounds how long the first look at all nodes and pods may keep a gate waiting. The look itself continues.
	lookTimeout = 3 * time.Minute
	// linger is for how long nodes and pods are watched though nobody asks about room: while all slots are taken nobody does.
	linger = 15 * time.Minute
)

// stock keeps what is known of the cluster's nodes and pods while someone asks about room. It belongs to no question.
type stock struct {
	mu sync.Mutex
	// watch is nil while nobody asks.
	watch *roomWatch
	// annotations are those of pods that drains look at.
	annotations sets.Set[string]
	// release ends what stops the watch when nobody has asked for a while.
	release context.CancelFunc
}

// note which annotations of pods the answers depend on: those of all policies, because not all are asked about in each pass.
func (s *stock) note(policies []*v1alpha1.RebootPolicy) {
	keys := sets.New[string]()
	for _, policy := range policies {
		if policy.Spec.Gates.Capacity != v1alpha1.Require {
			continue
		}
		if selector, err := (capacityGate{policy}).evicts(); err == nil {
			_, annotations := selector.Keys()
			keys.Insert(annotations...)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.annotations = keys
}

// keep watching if one of the questions is about room, and for a while after the last one that was.
func (a *Asker) keepRoom(asks []model.GateQuery) {
	s := &a.stock
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watch != nil && slices.ContainsFunc(asks, aboutRoom) {
		a.leaseRoom(s.watch)
	}
}

// leaseRoom has a watch stopped after a while; the caller holds the lock.
func (a *Asker) leaseRoom(watch *roomWatch) {
	s := &a.stock
	if s.release != nil {
		s.release()
	}
	var lease context.Context
	lease, s.release = context.WithTimeout(a.ctx, linger)
	context.AfterFunc(lease, func() {
		if errors.Is(lease.Err(), context.Canceled) {
			return // there is a newer lease, or nothing to watch for
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		watch.stop()
		if s.watch == watch {
			s.watch = nil
		}
	})
}

func aboutRoom(ask model.GateQuery) bool { return ask.Kind == model.GateCapacity }

// leaving are the nodes that are under way.
func leaving(ask model.GateQuery) []string {
	if ask.About == "" {
		return nil
	}
	return strings.Split(ask.About, ",")
}

// errNobodyAsks ends the questions that wait for a watch that was stopped.
var errNobodyAsks = errors.New("no one asks about room anymore")

// roomWatch returns the watch that is open, or opens one. One that does not know all annotations in question is replaced.
func (a *Asker) roomWatch() *roomWatch {
	s := &a.stock
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watch != nil && s.watch.annotations.IsSuperset(s.annotations) {
		return s.watch
	}
	if s.watch != nil {
		s.watch.stop()
	}
	s.watch = newRoomWatch(a.ctx, a.options, s.annotations)
	a.leaseRoom(s.watch)
	return s.watch
}
