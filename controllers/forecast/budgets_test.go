package forecast_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

func TestADrainTakesItsTimeFromWhenItsBudgetAllowsIt(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p", maxUnavailable("2"), longestRequired, anyOrder))
	needing(s, "a", "n1", "n2")
	s.Nodes = append(s.Nodes, newNode("n3", "a"), newNode("n4", "a"))
	budget(s, app(s, "web", "n1", "n2"), 1)
	f := forecast.Compute(forecast.Input{Snapshot: s, Now: start, History: took(minutes(1, 2, 4))})
	// The pod of n1 is gone after 1 minute, and another one ready after 5. Then that of n2 may go.
	requireTimes(t, f, "n1 0s-5m0s", "n2 0s-10m0s")
}

func TestEvictedPodsAreUnavailableFromTheBeginningOfTheDrain(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p", maxUnavailable("2"), longestRequired, anyOrder))
	needing(s, "a", "n1", "n2")
	s.Nodes = append(s.Nodes, newNode("n3", "a"), newNode("n4", "a"))
	budget(s, app(s, "web", "n1", "n1", "n2"), 2)
	f := forecast.Compute(forecast.Input{Snapshot: s, Now: start, History: took(minutes(2, 2, 1))})
	// Without the two pods of n1 the budget allows none until they are ready elsewhere, after 3 minutes. The pod of n2 is gone after 5: until
	// then n1 waits for it.
	requireTimes(t, f, "n1 0s-5m0s", "n2 0s-7m0s")
}

// waitedForBudgets says of the reboots before that their drains took longer because of budgets.
func waitedForBudgets(s *plan.Snapshot, wait time.Duration) {
	for _, r := range s.Reboots {
		if r.Status.CompletionTime != nil {
			r.Status.Report = &v1alpha1.HelperReport{Drain: &v1alpha1.DrainProgress{BudgetWaitMilliseconds: wait.Milliseconds()}}
		}
	}
}

func TestMeasuredDrainsAreWithoutTheWaitForBudgets(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ drain, wait, want time.Duration }{
		"no wait":                     {drain: time.Minute, want: time.Minute},
		"a wait":                      {drain: 5 * time.Minute, wait: 4 * time.Minute, want: time.Minute},
		"a wait longer than measured": {drain: time.Minute, wait: time.Hour, want: 0},
	} {
		d := forecast.Durations{Drain: test.drain, Reboot: 2 * time.Minute, Proof: time.Second, Recovery: 3 * time.Minute}
		s := newSnapshot(newPolicy("p"), past("n1", 0, "p", d))
		waitedForBudgets(s, test.wait)
		d.Drain = test.want
		got := forecast.HistoryOf(s.Reboots, s.Policies).Policies["p"]
		if len(got) != 1 || got[0] != d {
			t.Errorf("%s: measured are %+v, want %+v", name, got, d)
		}
	}
}

func TestAWorkloadWhoseControllerIsBehindHoldsUpNothing(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p"))
	needing(s, "a", "n1")
	budget(s, app(s, "web", "n1"), 1)
	for key, workload := range s.Workloads {
		workload.Stale = true
		s.Workloads[key] = workload
	}
	requireTimes(t, forecast.Compute(forecast.Input{Snapshot: s, Now: start, History: took(minutes(1, 2, 0))}), "n1 0s-3m0s")
}

func TestAForecastOfALargeClusterSaysWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	for nodes, want := range map[int]bool{64: false, 65: true} {
		s := newSnapshot(newPolicy("p"))
		for i := range nodes {
			needing(s, "a", fmt.Sprintf("n%d", i))
		}
		f := compute(s)
		says := slices.Contains(f.Assumptions, "The cluster is large: times are rounded to 5s, and it is not followed where pods go.")
		if says != want {
			t.Errorf("with %d nodes it assumes %q", nodes, f.Assumptions)
		}
	}
}
