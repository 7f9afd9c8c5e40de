package plan

import (
	"testing"
)

// What holds for every plan is checked wherever the tests make one (see compute and story.settle); here it is checked for the plans of
// simulated fleets, whose states nobody thought of.
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
				made := &story{Snapshot: s, t: t, now: w.now}
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
