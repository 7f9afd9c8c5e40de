package controllers

import (
	"time"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

const (
	// maxUndrainableWatched bounds of how many nodes that cannot be drained the pods are watched. Each is an open request, and all of their
	// pods are in memory.
	maxUndrainableWatched = 100
	// undrainableFor is for how long other nodes count as not drainable before their pods are read again.
	undrainableFor = 5 * time.Minute
)

// podMemory is what one pass leaves to the next about the pods of nodes, so that this one does not have to find it out again: in a cluster
// in which many nodes cannot be drained, that would take it many plans.
type podMemory struct {
	// watched are the nodes whose pods the last plan depends on.
	watched sets.Set[string]
	// undrainable are nodes that cannot be drained and whose pods are not watched, by name.
	undrainable map[string]plan.Undrainable
}

// recall tells a snapshot what is remembered, and returns the nodes whose pods belong into it.
func (m *podMemory) recall(s *snapshot, now time.Time) sets.Set[string] {
	s.Undrainable = make(map[string]plan.Undrainable, len(m.undrainable))
	for name, u := range m.undrainable {
		if s.node(name) != nil && now.Before(u.Until) {
			s.Undrainable[name] = u
		}
	}
	m.undrainable = s.Undrainable
	return m.watched.Clone()
}

// note remembers what a plan found out about the nodes whose pods it knows, and returns the nodes whose pods are worth knowing in the next
// plan of the pass. If too many nodes cannot be drained, it remembers only that.
func (m *podMemory) note(s *snapshot, p *plan.Plan, known sets.Set[string], now time.Time) sets.Set[string] {
	m.watched = sets.New(p.NeedPods...)
	watched := 0
	for _, u := range p.Undrainable {
		switch {
		case m.watched.Has(u.Node):
		case watched < maxUndrainableWatched:
			watched++
			m.watched.Insert(u.Node)
		default:
			u.Until = now.Add(undrainableFor)
			m.undrainable[u.Node] = u
			delete(s.Pods, u.Node)
			known = known.Clone().Delete(u.Node)
		}
	}
	return known
}
