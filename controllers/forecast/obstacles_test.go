package forecast_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func mode(m v1alpha1.Mode) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) { s.Mode = m }
}

func approvalRequired(s *v1alpha1.RebootPolicySpec) { s.Approval = v1alpha1.Require }

func askedOf(kind model.GateKind, gate string) model.GateKey {
	return model.GateKey{Policy: "p", Generation: 1, Kind: kind, Gate: gate}
}

func prometheus(s *v1alpha1.RebootPolicySpec) {
	s.Gates.Prometheus = []v1alpha1.PrometheusGate{{Name: "calm", Query: "up"}}
}

func TestAnObstacleIsPermanentOnlyIfTimeDoesNotEndIt(t *testing.T) {
	t.Parallel()
	first := func(change func(*model.Node)) func(*plan.Snapshot) {
		return func(s *plan.Snapshot) { change(s.Nodes[0]) }
	}
	tests := map[string]struct {
		policy    *v1alpha1.RebootPolicy
		build     func(s *plan.Snapshot)
		reason    string
		permanent bool
		// unknown is how many of the two nodes have no forecast.
		unknown int
		says    string
	}{
		"paused":            {policy: newPolicy("p", mode(v1alpha1.ModePaused)), reason: v1alpha1.ReasonPaused, permanent: true, unknown: 2},
		"only observing":    {policy: newPolicy("p", mode(v1alpha1.ModeObserve)), reason: v1alpha1.ReasonObserving, permanent: true, unknown: 2, says: "mode: Enforce"},
		"a limit of 0":      {policy: newPolicy("p", maxUnavailable("0")), reason: v1alpha1.ReasonBudgetExhausted, permanent: true, unknown: 2},
		"a percentage of 0": {policy: newPolicy("p", maxUnavailable("10%")), reason: v1alpha1.ReasonBudgetExhausted, permanent: true, unknown: 2},
		"no approval":       {policy: newPolicy("p", approvalRequired), reason: v1alpha1.ReasonAwaitingApproval, permanent: true, unknown: 2},
		"a cluster limit of 0": {
			policy: newPolicy("p"), build: func(s *plan.Snapshot) { s.ClusterMaxUnavailable = ptr.To(intstr.FromInt32(0)) },
			reason: v1alpha1.ReasonClusterBudgetExhausted, permanent: true, unknown: 2,
		},
		"a zone limit of 0": {
			policy: newPolicy("p", func(s *v1alpha1.RebootPolicySpec) {
				s.Rollout.Zones.MaxUnavailablePerZone = ptr.To(intstr.Parse("10%"))
			}),
			reason: v1alpha1.ReasonZoneBudgetExhausted, permanent: true, unknown: 2,
		},
		"a percentage that is less than a node of its zone": {
			policy: newPolicy("p", selecting("pool", "x"), func(s *v1alpha1.RebootPolicySpec) {
				s.Rollout.Zones.MaxUnavailablePerZone = ptr.To(intstr.Parse("10%"))
			}),
			build: func(s *plan.Snapshot) {
				for i := range 20 {
					s.Nodes = append(s.Nodes, newNode(fmt.Sprintf("elsewhere-%d", i), "b"), newNode(fmt.Sprintf("other-pool-%d", i), "a"))
				}
				for _, n := range s.Nodes {
					if !strings.HasPrefix(n.Name, "other-pool") {
						n.Labels["pool"] = "x"
					}
				}
			},
			reason: v1alpha1.ReasonZoneBudgetExhausted, permanent: true, unknown: 2,
		},
		"a skip label": {
			policy: newPolicy("p"), build: first(func(n *model.Node) { n.Labels[v1alpha1.SkipLabel] = "" }),
			reason: v1alpha1.ReasonSkipped, permanent: true, unknown: 1,
		},
		"no helper": {
			policy: newPolicy("p"), build: first(func(n *model.Node) { n.HelperReady, n.HelperImpossible = false, true }),
			reason: v1alpha1.ReasonHelperNotReady, permanent: true, unknown: 1,
		},
		"a helper that is being replaced": {
			policy: newPolicy("p"), build: first(func(n *model.Node) { n.HelperReady, n.HelperProblem = false, "pod helper-n1: it is not Ready" }),
			reason: v1alpha1.ReasonHelperNotReady, unknown: 1,
		},
		"a rebooter that does not answer": {
			policy: newPolicy("p"), build: func(s *plan.Snapshot) { s.Reboots[0].Status.Report.Sentinel = v1alpha1.SentinelUnknown },
			reason: v1alpha1.ReasonSentinelCheckFails, unknown: 1,
		},
		"no policy": {
			policy: newPolicy("p", selecting("pool", "x")), build: func(s *plan.Snapshot) { s.Nodes[1].Labels["pool"] = "x" },
			reason: v1alpha1.ReasonNoPolicy, permanent: true, unknown: 1,
		},
		"a node that is not Ready": {
			policy: newPolicy("p", maxUnavailable("2")), build: first(func(n *model.Node) { n.Ready = false }),
			reason: v1alpha1.ReasonNodeNotReady, unknown: 1,
		},
		"a node about to be removed": {
			policy: newPolicy("p"), build: first(func(n *model.Node) {
				n.Taints = []corev1.Taint{{Key: "karpenter.sh/disrupted", Effect: corev1.TaintEffectNoSchedule}}
			}),
			reason: v1alpha1.ReasonMarkedForDeletion, unknown: 1,
		},
		"a budget that allows nothing": {
			policy: newPolicy("p"), build: func(s *plan.Snapshot) { budget(s, app(s, "web", "n1"), 0) },
			reason: v1alpha1.ReasonDrainImpossible, permanent: true, unknown: 1, says: "PodDisruptionBudget apps/web",
		},
		"windows that are too short": {
			policy: newPolicy("p", daily("0 13 * * *", 10*time.Minute)), reason: v1alpha1.ReasonWindowEnding, permanent: true, unknown: 2,
			says: "the longest is 10m",
		},
		"no day on which a window opens": {
			policy: newPolicy("p", daily("0 0 30 2 *", time.Hour)), reason: v1alpha1.ReasonPolicyInvalid, permanent: true, unknown: 2,
		},
		"a freeze of two years": {
			policy: newPolicy("p", frozen(-time.Hour, 2*365*24*time.Hour)), reason: v1alpha1.ReasonFreeze, unknown: 2,
		},
		"a query that says no": {
			policy: newPolicy("p", prometheus), build: func(s *plan.Snapshot) {
				s.Answers[askedOf(model.GatePrometheus, "calm")] = model.GateAnswer{Obstacle: "The query returns 1 series."}
			},
			reason: v1alpha1.ReasonBlockedByQuery, unknown: 2, says: "The query returns 1 series.",
		},
		"a gate that cannot be asked": {
			policy: newPolicy("p", prometheus), build: func(s *plan.Snapshot) {
				s.Answers[askedOf(model.GatePrometheus, "calm")] = model.GateAnswer{Failure: "no route to host", Since: start}
			},
			reason: v1alpha1.ReasonGateError, unknown: 2,
		},
		"no room": {
			policy: newPolicy("p", func(s *v1alpha1.RebootPolicySpec) { s.Gates.Capacity = v1alpha1.Require }), build: func(s *plan.Snapshot) {
				s.Answers[askedOf(model.GateCapacity, "")] = model.GateAnswer{Nodes: map[string]string{"n1": "There is no room for pod apps/web-0."}}
			},
			reason: v1alpha1.ReasonInsufficientCapacity, unknown: 1, says: "no room for pod apps/web-0",
		},
		"a node that did not come back": {
			policy: newPolicy("p"), build: func(s *plan.Snapshot) {
				underWay(s, 0, func(a *v1alpha1.Attempt) {
					a.DrainOrderedTime, a.DrainedTime, a.RebootOrderedTime = at(-time.Hour), at(-time.Hour), at(-time.Hour)
					a.StalledTime, a.InterruptedTime, a.Result = at(-30*time.Minute), at(-30*time.Minute), v1alpha1.ReasonNodeNotBack
				})
				s.Nodes[0].Ready, s.Nodes[0].Unschedulable, s.Nodes[0].CordonedFor = false, true, "uid-of-reboot-n1"
			},
			reason: v1alpha1.ReasonHalted, permanent: true, unknown: 2,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSnapshot(test.policy)
			needing(s, "a", "n1", "n2")
			if test.build != nil {
				test.build(s)
			}
			f := compute(s)
			var found *forecast.Obstacle
			unknown := 0
			for i := range f.Policies {
				unknown += f.Policies[i].Unknown
				for j := range f.Policies[i].Obstacles {
					if o := &f.Policies[i].Obstacles[j]; o.Reason == test.reason {
						found = o
					}
				}
			}
			if f.Coarse {
				t.Errorf("the forecast is coarse: %s", f.Why)
			}
			if unknown != test.unknown {
				t.Errorf("%d nodes have no forecast, want %d", unknown, test.unknown)
			}
			switch {
			case found == nil:
				t.Fatalf("there is no obstacle %s: %+v", test.reason, f.Policies)
			case found.Permanent != test.permanent, f.Permanent() != test.permanent:
				t.Errorf("%+v is permanent: %v, want %v", found, found.Permanent, test.permanent)
			case !strings.Contains(found.Message, test.says) || found.Message == "":
				t.Errorf("it says %q, want %q in it", found.Message, test.says)
			}
			for i := range f.Nodes {
				if n := &f.Nodes[i]; n.Back.Known() == (n.Obstacle != nil) {
					t.Errorf("node %s has an obstacle or a forecast: %+v", n.Name, n)
				}
			}
		})
	}
}

func TestAnEndThatIsNotKnownDoesNotSlide(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p", prometheus))
	needing(s, "a", "n1", "n2")
	s.Answers[askedOf(model.GatePrometheus, "calm")] = model.GateAnswer{Obstacle: "The query returns 1 series.", Until: start.Add(time.Minute)}
	for _, later := range []time.Duration{0, time.Minute, time.Hour} {
		f := forecast.Compute(forecast.Input{Snapshot: s, Now: start.Add(later)})
		if f.Policies[0].Finish.Known() || f.Nodes[0].Start.Known() || f.Nodes[0].Obstacle == nil {
			t.Errorf("after %s the forecast is %+v, %+v", later, f.Policies[0], f.Nodes[0])
		}
	}
}

func TestAWindowThatIsTooShortIsNoObstacleIfALaterOneIsLongEnough(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p", daily("0 13 * * *", 10*time.Minute), daily("0 8 20 * *", time.Hour)))
	needing(s, "a", "n1")
	f := compute(s)
	if f.Permanent() {
		t.Errorf("%+v", f.Policies[0].Obstacles)
	}
	opens := time.Date(2026, time.March, 20, 8, 0, 0, 0, time.UTC)
	if !f.Nodes[0].Start.Median().Equal(opens) {
		t.Errorf("the node starts at %s, want %s", f.Nodes[0].Start.Median(), opens)
	}
}

func TestALimitThatStaysReachedIsNamedAndNotTheNextWindow(t *testing.T) {
	t.Parallel()
	tests := map[string]func() *plan.Snapshot{
		"a person cordoned a node of each of two policies, whose windows alternate": func() *plan.Snapshot {
			night := newPolicy("p", selecting("pool", "x"), daily("0 22 * * *", time.Hour))
			morning := newPolicy("q", selecting("pool", "y"), daily("0 2 * * *", time.Hour))
			s := newSnapshot(night, morning)
			needing(s, "a", "n1", "n2")
			s.Nodes = append(s.Nodes, newNode("x", "a"), newNode("y", "a"))
			for i, pool := range []string{"x", "y", "x", "y"} {
				s.Nodes[i].Labels["pool"] = pool
				s.Nodes[i].Unschedulable = i > 1
			}
			s.Pods["x"], s.Pods["y"] = nil, nil
			return s
		},
		"a stalled attempt has the only slot": func() *plan.Snapshot {
			s := newSnapshot(newPolicy("p", daily("0 22 * * *", time.Hour), func(s *v1alpha1.RebootPolicySpec) {
				s.Failure.MaxFailures = ptr.To(intstr.FromInt32(2))
			}))
			needing(s, "a", "n1", "n2")
			underWay(s, 0, func(a *v1alpha1.Attempt) {
				a.DrainOrderedTime, a.DrainedTime, a.RebootOrderedTime = at(-time.Hour), at(-time.Hour), at(-time.Hour)
				a.StalledTime, a.InterruptedTime, a.Result = at(-30*time.Minute), at(-30*time.Minute), v1alpha1.ReasonNodeNotBack
			})
			s.Nodes[0].Ready = false
			return s
		},
	}
	for name, build := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := compute(build())
			n := f.Node("n2")
			if n.Back.Known() || n.Obstacle == nil || n.Obstacle.Reason != v1alpha1.ReasonBudgetExhausted {
				t.Errorf("of the waiting node it says %+v", n.Obstacle)
			}
		})
	}
}

func TestADrainThatWindowsCutShortHasTheFirstThatIsLongEnough(t *testing.T) {
	t.Parallel()
	weekdays := daily("0 13 * * 1-5", 20*time.Minute)
	slow := func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.MinRemainingSeconds, s.Drain.TimeoutSeconds = ptr.To[int32](60), ptr.To[int32](3600)
	}
	for name, test := range map[string]struct {
		policy *v1alpha1.RebootPolicy
		start  time.Time
	}{
		"on Saturday": {newPolicy("p", slow, weekdays, daily("0 8 * * 6", 8*time.Hour)), time.Date(2026, time.March, 7, 8, 0, 0, 0, time.UTC)},
		"never":       {newPolicy("p", slow, weekdays), time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSnapshot(test.policy)
			needing(s, "a", "n1")
			f := forecast.Compute(forecast.Input{Snapshot: s, Now: start, History: took(minutes(25, 2, 0))})
			n := f.Node("n1")
			switch {
			case !test.start.IsZero() && (!n.Start.Known() || !n.Start.Median().Equal(test.start) || f.Permanent()):
				t.Errorf("it starts at %s: %+v", minute(n.Start), n.Obstacle)
			case test.start.IsZero() && (n.Back.Known() || !f.Permanent() || n.Obstacle.Reason != v1alpha1.ReasonWindowClosed ||
				!strings.Contains(n.Obstacle.Message, "No window of the coming year is longer: write longer ones")):
				t.Errorf("it is back at %s: %+v", minute(n.Back), n.Obstacle)
			}
		})
	}
}

func TestANodeThatCannotGoHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p"))
	needing(s, "a", "n1", "n2", "n3")
	budget(s, app(s, "db", "n2"), 0)
	requireTimes(t, compute(s), "n1 0s-3m0s", "n3 3m0s-6m0s", "n2 unknown-unknown")
}

func TestGatesThatAreNotKnownAreTakenToBeOpenAndThatIsStated(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p", prometheus, func(s *v1alpha1.RebootPolicySpec) { s.Gates.Capacity = v1alpha1.Require }))
	needing(s, "a", "n1", "n2")
	delete(s.Pods, "n2")
	last := past("n2", 0, "p", minutes(1, 2, 0))
	last.Name = "was-rebooted-before"
	s.Reboots = append(s.Reboots, last)
	f := compute(s)
	requireTimes(t, f, "n1 0s-3m0s", "n2 3m0s-6m0s")
	all := strings.Join(f.Assumptions, "\n")
	for _, want := range []string{
		`Gates.prometheus "calm" of RebootPolicy p`, "Gates.capacity of RebootPolicy p", "The pods of some nodes are not known",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("it is not stated that %q:\n%s", want, all)
		}
	}
}
