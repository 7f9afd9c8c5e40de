package bound

import (
	"fmt"
	"time"
)

// optimum finds the least time by trying everything: at each unit of time each waiting node may take a slot, and each pod of a node under
// way may be evicted, if the limits allow it. It shares no code with what it judges.
func optimum(r Rollout) time.Duration {
	states := map[string]state{}
	first := state{phase: make([]byte, len(r.Nodes)), evicted: make([][]int, len(r.Nodes)), down: make([]int, len(r.Nodes))}
	for i, node := range r.Nodes {
		first.phase[i] = 'w'
		first.evicted[i] = make([]int, len(node.Pods))
		first.down[i] = -1
		for j := range first.evicted[i] {
			first.evicted[i][j] = -1
		}
	}
	states[first.key(0)] = first
	for now := 0; now < 1000; now++ {
		next := map[string]state{}
		for _, s := range states {
			s.settle(r, now)
			if s.done() {
				return time.Duration(now)
			}
			s.choose(r, now, 0, next)
		}
		states = next
	}
	return -1
}

// state of everything at one time. phase is 'w'aiting, 'u'nder way or 'd'one; evicted and down say when, or -1.
type state struct {
	phase   []byte
	evicted [][]int
	down    []int
}

func (s state) clone() state {
	c := state{phase: append([]byte(nil), s.phase...), down: append([]int(nil), s.down...)}
	for _, pods := range s.evicted {
		c.evicted = append(c.evicted, append([]int(nil), pods...))
	}
	return c
}

// key is the same for states with the same future: ages beyond the longest duration do not matter.
func (s state) key(now int) string {
	const old = 12
	text := string(s.phase)
	for i := range s.evicted {
		for _, at := range append(append([]int(nil), s.evicted[i]...), s.down[i]) {
			if at < 0 {
				text += " -"
				continue
			}
			text += fmt.Sprintf(" %d", min(now-at, old))
		}
	}
	return text
}

func (s state) done() bool {
	for _, phase := range s.phase {
		if phase != 'd' {
			return false
		}
	}
	return true
}

// ready reports whether the replacement of a pod that was evicted is.
func (s state) ready(r Rollout, i, j, now int) bool {
	node, pod := r.Nodes[i], r.Nodes[i].Pods[j]
	if s.evicted[i][j] < 0 {
		return false
	}
	if pod.Stays {
		return s.down[i] >= 0 && now >= s.down[i]+int(node.Down+pod.Ready)
	}
	return now >= s.evicted[i][j]+int(pod.Out)
}

// settle takes nodes down whose pods have ended, and gives slots back.
func (s state) settle(r Rollout, now int) {
	for i, node := range r.Nodes {
		if s.phase[i] != 'u' {
			continue
		}
		ended, ready := true, true
		for j, pod := range node.Pods {
			ended = ended && s.evicted[i][j] >= 0 && now >= s.evicted[i][j]+int(pod.Ends)
		}
		if ended && s.down[i] < 0 {
			s.down[i] = now
		}
		for j := range node.Pods {
			ready = ready && s.ready(r, i, j, now)
		}
		if s.down[i] >= 0 && now >= s.down[i]+int(node.Down) && ready {
			s.phase[i] = 'd'
		}
	}
}

// choose tries every choice of the nodes from i on, and adds the state one unit later.
func (s state) choose(r Rollout, now, i int, next map[string]state) {
	if i == len(r.Nodes) {
		after := s.clone()
		after.settle(r, now) // a node without pods goes down at once
		next[after.key(now+1)] = after
		return
	}
	s.choosePods(r, now, i, 0, next)
	if s.phase[i] == 'w' && s.slotFor(r, i) && s.zoneOpenFor(r, i, now) {
		started := s.clone()
		started.phase[i] = 'u'
		started.choosePods(r, now, i, 0, next)
	}
}

func (s state) choosePods(r Rollout, now, i, j int, next map[string]state) {
	if s.phase[i] != 'u' || j == len(r.Nodes[i].Pods) {
		s.choose(r, now, i+1, next)
		return
	}
	s.choosePods(r, now, i, j+1, next)
	if s.evicted[i][j] < 0 && s.budgetFor(r, r.Nodes[i].Pods[j].App, now) {
		evicted := s.clone()
		evicted.evicted[i][j] = now
		evicted.choosePods(r, now, i, j+1, next)
	}
}

func (s state) slotFor(r Rollout, i int) bool {
	all, zone := 0, 0
	for k, phase := range s.phase {
		if phase != 'u' {
			continue
		}
		all++
		switch {
		case r.Nodes[k].Zone == r.Nodes[i].Zone:
			zone++
		case r.OneZoneAtATime:
			return false
		}
	}
	if r.OneZoneAtATime { // a zone that has begun is finished first
		for k := range s.phase {
			for l := range s.phase {
				begun := s.phase[k] != 'w' && s.phase[l] == 'w' && r.Nodes[k].Zone == r.Nodes[l].Zone
				if begun && r.Nodes[k].Zone != r.Nodes[i].Zone {
					return false
				}
			}
		}
	}
	return all < r.Slots && (r.SlotsPerZone == 0 || zone < r.SlotsPerZone)
}

// zoneOpenFor reports whether a node may begin where the first one of a zone goes alone until it is back.
func (s state) zoneOpenFor(r Rollout, i, now int) bool {
	if !r.FirstAlone {
		return true
	}
	begun := false
	for k, node := range r.Nodes {
		if s.phase[k] == 'w' || node.Zone != r.Nodes[i].Zone {
			continue
		}
		if s.down[k] >= 0 && now >= s.down[k]+int(node.Down) {
			return true
		}
		begun = true
	}
	return !begun
}

func (s state) budgetFor(r Rollout, app string, now int) bool {
	budget := r.Budgets[app]
	if budget == 0 {
		return true
	}
	for i, node := range r.Nodes {
		for j, pod := range node.Pods {
			if pod.App == app && s.evicted[i][j] >= 0 && !s.ready(r, i, j, now) {
				budget--
			}
		}
	}
	return budget > 0
}
