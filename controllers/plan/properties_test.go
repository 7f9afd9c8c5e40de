package plan

import (
	"testing"
	"time"
)

// Properties of every plan are checked wherever the tests make one (see compute and story.settle); here they are checked for the plans of
// simulated fleets, whose states no one thought of.
func TestPlansOfSimulatedFleetsAreWellBehaved(t *testing.T) {
	plans := 0
	for seed := range uint64(25) {
		w := newFleet(1_000_000 + seed)
		if len(w.hosts) > 10 {
			continue
		}
		w.inspect = func(s *Snapshot) {
			plans++
			if plans%5 == 0 && !t.Failed() {
				now := *s
				now.Deferred = nil // nothing waits
				made := &story{Snapshot: &now, t: t, now: w.now}
				if !w.outside.slow {
					made.askGate = w.askGate
				}
				made.settle()
			}
		}
		w.live()
		if w.broken != nil {
			t.Fatalf("seed %d: %v", seed, w.broken)
		}
	}
	if plans < 1000 {
		t.Errorf("only %d plans were made", plans)
	}
}

func TestOneThatTheCanariesHaveSpokenForIsNoCanaryWhenItStarts(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 late/z1"), newNode("c", "z1"), newNode("d", "z1"),
		newPolicy("p", maxUnavailable("9"), canaryOf(2, 0)))...)
	require := func(node string) {
		s.Reboots = append(s.Reboots, newReboot("r"+node, node, requiredFor(-s.now.Sub(start))))
		s.Pods[node] = nil
	}
	s.node("late").Ready = false
	s.settle()
	s.prove("a")
	s.prove("b")
	s.advance(time.Minute)
	require("c")
	s.settle()
	s.advance(time.Minute)
	s.node("late").Ready = true
	require("d")
	s.settle() // fails if d may start only when it is seen that the node late is no canary
	if got := s.underWay(); got != "c d late" {
		t.Errorf("under way: %q, want the late node, and two canaries for what arose since", got)
	}
}
