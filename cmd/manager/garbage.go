package main

import (
	"context"
	"fmt"
	"runtime/debug"

	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// fillingPercent is how much garbage there may be while the caches are filled, in percent of what is in use. Nearly all of what is in use
// stays then, so each collection is for little. It is for the time before the first plan, which is what a large cluster waits for.
const fillingPercent = 50

// filling is the time until the caches are filled.
type filling struct {
	filled <-chan struct{}
	// steady is the percentage from then on.
	steady int
}

var (
	_ manager.Runnable               = filling{}
	_ manager.LeaderElectionRunnable = filling{}
)

// collectLessUntil collects garbage less often than the environment says (GOGC) until the caches are filled.
func collectLessUntil(filled <-chan struct{}, mgr manager.Manager) error {
	steady := debug.SetGCPercent(fillingPercent)
	if steady < 0 || steady >= fillingPercent {
		debug.SetGCPercent(steady)
		return nil
	}
	if err := mgr.Add(filling{filled: filled, steady: steady}); err != nil {
		return fmt.Errorf("set the pace of garbage collection: %w", err)
	}
	return nil
}

// Start implements manager.Runnable.
func (f filling) Start(ctx context.Context) error {
	select {
	case <-f.filled:
		debug.SetGCPercent(f.steady)
	case <-ctx.Done():
	}
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: a manager that stands by has caches as well.
func (f filling) NeedLeaderElection() bool { return false }
