package forecast_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

func canary(count, soak int32) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) {
		s.Rollout.Canary = &v1alpha1.CanarySpec{Count: ptr.To(intstr.FromInt32(count)), SoakSeconds: &soak}
	}
}

func grouped(s *v1alpha1.RebootPolicySpec) {
	s.Rollout.Group = &v1alpha1.GroupSpec{Label: "group", MaxSize: 10}
}

func frozen(from, to time.Duration) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Freezes = append(s.Schedule.Freezes, v1alpha1.Freeze{
			Name: "sale", From: metav1.NewTime(start.Add(from)), To: metav1.NewTime(start.Add(to)),
		})
	}
}

func spec(change func(*v1alpha1.RebootPolicySpec)) policyOption { return change }

// Each attempt takes a minute to drain and two to reboot.
func TestNodesStartAsTheirPolicySays(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		policy *v1alpha1.RebootPolicy
		build  func(s *plan.Snapshot)
		want   []string
	}{
		"one at a time": {
			policy: newPolicy("p"),
			want:   []string{"a1 0s-3m0s", "a2 3m0s-6m0s", "b1 6m0s-9m0s", "b2 9m0s-12m0s"},
		},
		"two at a time, the first alone": {
			policy: newPolicy("p", maxUnavailable("2"), anyOrder),
			want:   []string{"a1 0s-3m0s", "b1 0s-3m0s", "a2 3m0s-6m0s", "b2 3m0s-6m0s"},
		},
		"half of them, one zone at a time": {
			policy: newPolicy("p", maxUnavailable("50%"), longestRequired),
			want:   []string{"a1 0s-3m0s", "a2 0s-3m0s", "b1 3m0s-6m0s", "b2 3m0s-6m0s"},
		},
		"all at once": {
			policy: newPolicy("p", maxUnavailable("100%"), longestRequired, anyOrder),
			want:   []string{"a1 0s-3m0s", "a2 0s-3m0s", "b1 0s-3m0s", "b2 0s-3m0s"},
		},
		"one of each zone": {
			policy: newPolicy("p", maxUnavailable("100%"), longestRequired, anyOrder, spec(func(s *v1alpha1.RebootPolicySpec) {
				s.Rollout.Zones.MaxUnavailablePerZone = ptr.To(intstr.FromInt32(1))
			})),
			want: []string{"a1 0s-3m0s", "b1 0s-3m0s", "a2 3m0s-6m0s", "b2 3m0s-6m0s"},
		},
		"zones in order": {
			policy: newPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Zones.Order = []string{"b", "a"} })),
			want:   []string{"b1 0s-3m0s", "b2 3m0s-6m0s", "a1 6m0s-9m0s", "a2 9m0s-12m0s"},
		},
		"a zone soaks": {
			policy: newPolicy("p", soak(1800)),
			want:   []string{"a1 0s-3m0s", "a2 3m0s-6m0s", "b1 36m0s-39m0s", "b2 39m0s-42m0s"},
		},
		"a node settles": {
			policy: newPolicy("p", settle(120)),
			want:   []string{"a1 0s-5m0s", "a2 5m0s-10m0s", "b1 10m0s-15m0s", "b2 15m0s-20m0s"},
		},
		"a canary soaks": {
			policy: newPolicy("p", maxUnavailable("100%"), longestRequired, anyOrder, canary(1, 600)),
			want:   []string{"a1 0s-3m0s", "a2 13m0s-16m0s", "b1 13m0s-16m0s", "b2 13m0s-16m0s"},
		},
		"a window opens": {
			policy: newPolicy("p", daily("0 13 * * *", 2*time.Hour)),
			want:   []string{"a1 1h0m0s-1h3m0s", "a2 1h3m0s-1h6m0s", "b1 1h6m0s-1h9m0s", "b2 1h9m0s-1h12m0s"},
		},
		"a window ends, and opens the next day": {
			policy: newPolicy("p", daily("0 13 * * *", 15*time.Minute)),
			want:   []string{"a1 1h0m0s-1h3m0s", "a2 1h3m0s-1h6m0s", "b1 25h0m0s-25h3m0s", "b2 25h3m0s-25h6m0s"},
		},
		"a freeze ends": {
			policy: newPolicy("p", frozen(-time.Hour, 2*time.Hour)),
			want:   []string{"a1 2h0m0s-2h3m0s", "a2 2h3m0s-2h6m0s", "b1 2h6m0s-2h9m0s", "b2 2h9m0s-2h12m0s"},
		},
		"an urgent one waits for no window": {
			policy: newPolicy("p", daily("0 13 * * *", 2*time.Hour)),
			build:  func(s *plan.Snapshot) { immediate(s.Reboots[3]) },
			want:   []string{"b2 0s-3m0s", "b1 1h0m0s-1h3m0s", "a1 1h3m0s-1h6m0s", "a2 1h6m0s-1h9m0s"},
		},
		"a delay follows how long recovery takes": {
			policy: newPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) {
				s.Rollout.AdaptiveDelay = v1alpha1.AdaptiveDelay{MinSeconds: ptr.To[int32](60), MaxSeconds: 600}
			})),
			want: []string{"a1 0s-3m0s", "a2 4m0s-7m0s", "b1 8m0s-11m0s", "b2 12m0s-15m0s"},
		},
		"the drain and the reboot are delayed": {
			policy: newPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) {
				s.Drain.DelaySeconds, s.Reboot.DelaySeconds = ptr.To[int32](60), ptr.To[int32](120)
			})),
			want: []string{"a1 0s-6m0s", "a2 6m0s-12m0s", "b1 12m0s-18m0s", "b2 18m0s-24m0s"},
		},
		"a failed one backs off": {
			policy: newPolicy("p"),
			build: func(s *plan.Snapshot) {
				s.Reboots[0].Status.Failures = &v1alpha1.Failures{Count: 1, LastTime: *at(-time.Minute), LastReason: v1alpha1.ReasonDrainTimedOut}
			},
			want: []string{"a2 0s-3m0s", "b1 3m0s-6m0s", "b2 6m0s-9m0s", "a1 9m0s-12m0s"},
		},
		"a group goes together": {
			policy: newPolicy("p", grouped, anyOrder, longestRequired),
			build: func(s *plan.Snapshot) {
				s.Nodes[0].Labels["group"], s.Nodes[2].Labels["group"] = "x", "x"
			},
			want: []string{"a1 0s-3m0s", "b1 0s-3m0s", "a2 3m0s-6m0s", "b2 6m0s-9m0s"},
		},
		"a node was rebooted lately": {
			policy: newPolicy("p"),
			build: func(s *plan.Snapshot) {
				r := past("a1", 0, "p", minutes(1, 2, 0))
				ended := at(-30 * time.Minute)
				r.Status.Attempt.BackTime, r.Status.Attempt.EndedTime, r.Status.CompletionTime = ended, ended, ended
				s.Reboots = append(s.Reboots, r)
			},
			want: []string{"a2 0s-3m0s", "b1 3m0s-6m0s", "b2 6m0s-9m0s", "a1 30m0s-33m0s"},
		},
		"the control plane goes last, and one at a time": {
			policy: newPolicy("p", maxUnavailable("100%"), anyOrder, longestRequired),
			build: func(s *plan.Snapshot) {
				s.Nodes[0].Labels[v1alpha1.ControlPlaneLabel], s.Nodes[2].Labels[v1alpha1.ControlPlaneLabel] = "", ""
			},
			want: []string{"a2 0s-3m0s", "b2 0s-3m0s", "a1 3m0s-6m0s", "b1 6m0s-9m0s"},
		},
		"the cluster has a limit": {
			policy: newPolicy("p", maxUnavailable("100%"), anyOrder, longestRequired),
			build:  func(s *plan.Snapshot) { s.ClusterMaxUnavailable = ptr.To(intstr.FromInt32(2)) },
			want:   []string{"a1 0s-3m0s", "a2 0s-3m0s", "b1 3m0s-6m0s", "b2 3m0s-6m0s"},
		},
		"hooks are awaited": {
			policy: newPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) {
				s.Hooks = &v1alpha1.HooksSpec{BeforeDrain: []v1alpha1.Hook{{ConditionType: "example.com/backup", TimeoutSeconds: ptr.To[int32](3600)}}}
			})),
			want: []string{"a1 0s-3m0s", "a2 3m0s-6m0s", "b1 6m0s-9m0s", "b2 9m0s-12m0s"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSnapshot(test.policy)
			needing(s, "a", "a1", "a2")
			needing(s, "b", "b1", "b2")
			if test.build != nil {
				test.build(s)
			}
			requireTimes(t, compute(s), test.want...)
		})
	}
}

func TestPlacesInTheQueueAreCountedByZone(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p"))
	needing(s, "a", "a1", "a2")
	needing(s, "b", "b1", "b2", "b3")
	f := compute(s)
	for name, want := range map[string][2]int{"a1": {1, 2}, "a2": {2, 2}, "b1": {1, 3}, "b3": {3, 3}} {
		if n := f.Node(name); n.Position != want[0] || n.Of != want[1] {
			t.Errorf("node %s is %d of %d, want %v", name, n.Position, n.Of, want)
		}
	}
}

func TestANodeUnderWayHasNoPlaceInTheQueue(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p"))
	needing(s, "a", "a1", "a2", "a3")
	underWay(s, 0, func(a *v1alpha1.Attempt) { a.DrainOrderedTime = at(-time.Minute) })
	order(s, 0, v1alpha1.ActionDrain, v1alpha1.OrderStarted)
	f := compute(s)
	for name, want := range map[string][2]int{"a1": {0, 0}, "a2": {1, 2}, "a3": {2, 2}} {
		if n := f.Node(name); n.Position != want[0] || n.Of != want[1] {
			t.Errorf("node %s is %d of %d, want %v", name, n.Position, n.Of, want)
		}
	}
}

func TestANodeRebootThatIsBeingDeletedHasAForecastOnlyWhileItIsUnderWay(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p"))
	needing(s, "a", "a1", "a2")
	for _, r := range s.Reboots {
		r.DeletionTimestamp, r.Finalizers = &metav1.Time{Time: start}, []string{"example.com/other"}
	}
	underWay(s, 0, func(a *v1alpha1.Attempt) {
		a.DrainOrderedTime, a.DrainedTime, a.RebootOrderedTime = at(-time.Minute), at(0), at(0)
	})
	order(s, 0, v1alpha1.ActionReboot, v1alpha1.OrderStarted)
	f := compute(s)
	if f.Node("a1") == nil || f.Node("a2") != nil {
		t.Errorf("under way: %+v, waiting: %+v", f.Node("a1"), f.Node("a2"))
	}
}

func TestBudgetsHoldUpDrains(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p", maxUnavailable("2"), longestRequired, anyOrder))
	needing(s, "a", "n1", "n2", "n3")
	web := app(s, "web", "n1", "n2", "n3")
	budget(s, web, 1)
	f := forecast.Compute(forecast.Input{Snapshot: s, Now: start, History: took(minutes(1, 2, 4))})
	if got := f.Node("n2").Back.Median().Sub(*f.Node("n1").Back.P50); got < 3*time.Minute {
		t.Errorf("the second node is back %s after the first, although one pod at a time may go", got)
	}
	if f.Policies[0].Unknown > 0 {
		t.Errorf("%+v", f.Policies[0].Obstacles)
	}
}

func TestWindowsAreThoseInWhichNodesStart(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p", daily("0 11 * * *", 75*time.Minute)))
	needing(s, "a", "n1", "n2", "n3")
	f := compute(s)
	requireTimes(t, f, "n1 0s-3m0s", "n2 3m0s-6m0s", "n3 23h0m0s-23h3m0s")
	var got []string
	for _, w := range f.Policies[0].Windows {
		got = append(got, w.Open.Format("02 15:04")+w.Close.Format("-15:04")+strings.Repeat("*", w.Starts))
	}
	if want := "02 11:00-12:15**, 03 11:00-12:15*"; strings.Join(got, ", ") != want {
		t.Errorf("it needs the windows %q, want %q", got, want)
	}
}

func TestARunThatDoesNotEndCountsAsOneThatEndsLate(t *testing.T) {
	t.Parallel()
	// Nearly every other attempt drains for longer than the drain may take.
	s := newSnapshot(newPolicy("p", func(s *v1alpha1.RebootPolicySpec) { s.Failure.MaxFailures = ptr.To(intstr.FromInt32(100)) }))
	needing(s, "a", "n1", "n2", "n3", "n4", "n5", "n6")
	drains := make([]forecast.Durations, 25, 49)
	for i := range drains {
		drains[i] = minutes(1, 2, 0)
	}
	for len(drains) < cap(drains) {
		drains = append(drains, minutes(20, 2, 0))
	}
	history := forecast.History{Policies: map[string][]forecast.Durations{"p": drains}}
	f := forecast.Compute(forecast.Input{Snapshot: s, Now: start, History: history})
	for i := range f.Nodes {
		if n := &f.Nodes[i]; n.Back.Known() == (n.Obstacle != nil) {
			t.Errorf("node %s has an obstacle or a forecast: %+v", n.Name, n)
		}
	}
	if p := f.Policies[0]; f.Samples < 10 || p.Finish.P90 != nil {
		t.Errorf("nine of ten of %d runs end by %s", f.Samples, p.Finish.P90)
	}
}

func TestDefaultsFitIntoThePolicysOwnTimeouts(t *testing.T) {
	t.Parallel()
	policy := newPolicy("p")
	policy.Spec.Drain.TimeoutSeconds, policy.Spec.Reboot.TimeoutSeconds = ptr.To[int32](30), ptr.To[int32](60)
	policy.Spec.Recovery.TimeoutSeconds = ptr.To[int32](20)
	s := newSnapshot(policy)
	needing(s, "a", "n1")
	app(s, "one", "n1")
	f := forecast.Compute(forecast.Input{Snapshot: s, Now: start})
	if f.Policies[0].Unknown > 0 || !f.Policies[0].Finish.Known() {
		t.Errorf("without a history the forecast knows no end: %+v", f.Policies[0].Obstacles)
	}
}
