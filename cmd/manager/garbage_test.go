package main

import (
	"runtime/debug"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// addedTo collects what is added to a manager.
type addedTo struct {
	manager.Manager
	added []manager.Runnable
}

func (m *addedTo) Add(runnable manager.Runnable) error {
	m.added = append(m.added, runnable)
	return nil
}

// gcPercent is what is set.
func gcPercent() int {
	percent := debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	return percent
}

func TestGarbageIsCollectedLessUntilTheCachesAreFilled(t *testing.T) {
	for name, test := range map[string]struct {
		// steady is what the environment says, and while what holds while the caches are filled.
		steady, while int
	}{
		"a quarter, as in the manifest": {steady: 25, while: fillingPercent},
		"more than while they fill":     {steady: 100, while: 100},
		"never":                         {steady: -1, while: -1},
	} {
		t.Run(name, func(t *testing.T) {
			before := debug.SetGCPercent(test.steady)
			defer debug.SetGCPercent(before)
			mgr, filled := &addedTo{}, make(chan struct{})
			if err := collectLessUntil(filled, mgr); err != nil {
				t.Fatal(err)
			}
			if got := gcPercent(); got != test.while {
				t.Errorf("%d %% while the caches are filled, want %d", got, test.while)
			}
			close(filled)
			for _, runnable := range mgr.added {
				if needs, is := runnable.(manager.LeaderElectionRunnable); !is || needs.NeedLeaderElection() {
					t.Error("a manager that stands by never gets there")
				}
				if err := runnable.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := gcPercent(); got != test.steady {
				t.Errorf("%d %% from then on, want %d", got, test.steady)
			}
		})
	}
}
