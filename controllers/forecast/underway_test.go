package forecast_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// underWay gives a node an attempt that began five minutes ago.
func underWay(s *plan.Snapshot, i int, change func(*v1alpha1.Attempt)) {
	r, n := s.Reboots[i], s.Nodes[i]
	attempt := &v1alpha1.Attempt{
		Number: 1, PolicyName: "p", Zone: n.Labels[zoneLabel], Cordon: v1alpha1.CordonOperator,
		GrantedTime: *at(-5 * time.Minute), CordonedTime: at(-5 * time.Minute),
	}
	change(attempt)
	r.Status.PolicyName, r.Status.Zone, r.Status.NodeUID, r.Status.RequiredSince = "p", attempt.Zone, n.UID, at(-time.Hour)
	r.Status.Before = &v1alpha1.BootInfo{BootID: n.BootID}
	r.Status.Attempt = attempt
	n.Unschedulable, n.CordonedFor = true, string(r.UID)
	s.Slots[n.Name] = plan.Slot{Reboot: r.Name, UID: string(r.UID), Attempt: 1}
}

func order(s *plan.Snapshot, i int, action v1alpha1.OrderAction, state v1alpha1.OrderState) {
	r := s.Reboots[i]
	r.Status.LastSequence = 1
	r.Status.Order = &v1alpha1.RebootOrder{
		Sequence: 1, Action: action, BootID: s.Nodes[i].BootID, Deadline: metav1.NewMicroTime(start.Add(10 * time.Minute)), Protocol: 1,
	}
	if action == v1alpha1.ActionDrain {
		r.Status.Order.Drain = &v1alpha1.DrainOrder{}
	}
	r.Status.Report.Sequence, r.Status.Report.State = 1, state
}

// Each attempt takes four minutes to drain, six to reboot, and its workloads take eight after the drain.
func TestAttemptsUnderWayGoOnFromWhereTheyAre(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		build func(s *plan.Snapshot)
		want  string
	}{
		"it is granted": {
			build: func(s *plan.Snapshot) { underWay(s, 0, func(*v1alpha1.Attempt) {}) },
			want:  "n1 -5m0s-10m0s",
		},
		"it is being drained": {
			build: func(s *plan.Snapshot) {
				underWay(s, 0, func(a *v1alpha1.Attempt) { a.DrainOrderedTime = at(-time.Minute) })
				order(s, 0, v1alpha1.ActionDrain, v1alpha1.OrderStarted)
			},
			want: "n1 -5m0s-9m0s",
		},
		"its drain is overdue": {
			build: func(s *plan.Snapshot) {
				underWay(s, 0, func(a *v1alpha1.Attempt) { a.DrainOrderedTime = at(-5 * time.Minute) })
				order(s, 0, v1alpha1.ActionDrain, v1alpha1.OrderStarted)
			},
			want: "n1 -5m0s-6m24s",
		},
		"a budget held the last pod until now": {
			build: func(s *plan.Snapshot) {
				underWay(s, 0, func(a *v1alpha1.Attempt) { a.DrainOrderedTime = at(-5 * time.Minute) })
				order(s, 0, v1alpha1.ActionDrain, v1alpha1.OrderStarted)
				s.Reboots[0].Status.Order.Drain.Hold = []v1alpha1.HeldPod{{Namespace: "apps", Name: "one-0", Budget: "one"}}
			},
			want: "n1 -5m0s-10m0s",
		},
		"a budget refused the last pod until now": {
			build: func(s *plan.Snapshot) {
				underWay(s, 0, func(a *v1alpha1.Attempt) { a.DrainOrderedTime = at(-5 * time.Minute) })
				order(s, 0, v1alpha1.ActionDrain, v1alpha1.OrderStarted)
				s.Reboots[0].Status.Report.Drain = &v1alpha1.DrainProgress{Total: 1, Remaining: 1, Refused: []v1alpha1.RefusedPod{{
					Namespace: "apps", Name: "one-0", By: v1alpha1.RefusedByBudget + "one",
				}}}
			},
			want: "n1 -5m0s-10m0s",
		},
		"it is drained": {
			build: func(s *plan.Snapshot) {
				underWay(s, 0, func(a *v1alpha1.Attempt) { a.DrainOrderedTime, a.DrainedTime = at(-5*time.Minute), at(-time.Second) })
			},
			want: "n1 -5m0s-6m0s",
		},
		"it reboots": {
			build: func(s *plan.Snapshot) {
				underWay(s, 0, func(a *v1alpha1.Attempt) {
					a.DrainOrderedTime, a.DrainedTime, a.RebootOrderedTime = at(-4*time.Minute), at(-2*time.Minute), at(-2*time.Minute)
				})
				order(s, 0, v1alpha1.ActionReboot, v1alpha1.OrderDone)
			},
			want: "n1 -5m0s-4m0s",
		},
		"it is down": {
			build: func(s *plan.Snapshot) {
				underWay(s, 0, func(a *v1alpha1.Attempt) {
					a.DrainOrderedTime, a.DrainedTime, a.RebootOrderedTime = at(-4*time.Minute), at(-2*time.Minute), at(-2*time.Minute)
				})
				order(s, 0, v1alpha1.ActionReboot, v1alpha1.OrderDone)
				s.Nodes[0].Ready, s.Nodes[0].HelperReady = false, false
			},
			want: "n1 -5m0s-4m0s",
		},
		"its workloads are awaited": {
			build: func(s *plan.Snapshot) {
				underWay(s, 0, func(a *v1alpha1.Attempt) {
					a.DrainOrderedTime, a.DrainedTime, a.RebootOrderedTime = at(-4*time.Minute), at(-3*time.Minute), at(-3*time.Minute)
					a.BackTime, a.UncordonedTime, a.SettlingSince = at(-time.Minute), at(-time.Minute), at(-time.Minute)
				})
				web := app(s, "web", "n2")
				lacking := s.Workloads[web]
				lacking.Desired = 2
				s.Workloads[web] = lacking
				r := s.Reboots[0]
				r.Status.Workloads = []v1alpha1.WorkloadRef{{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web", Ready: 2}}
				r.Status.After = &v1alpha1.BootInfo{BootID: "n1-boot-2", SeenTime: at(-time.Minute)}
				r.Status.Report.BootID, r.Status.Report.Sentinel = "n1-boot-2", v1alpha1.SentinelNotRequired
				s.Nodes[0].BootID, s.Nodes[0].Unschedulable, s.Nodes[0].CordonedFor = "n1-boot-2", false, ""
			},
			want: "n1 -5m0s-5m0s",
		},
		"its helper has not reported since the boot": {
			build: func(s *plan.Snapshot) {
				underWay(s, 0, func(a *v1alpha1.Attempt) {
					a.DrainOrderedTime, a.DrainedTime, a.RebootOrderedTime = at(-4*time.Minute), at(-3*time.Minute), at(-3*time.Minute)
					a.BackTime = at(-time.Second)
				})
				s.Reboots[0].Status.After = &v1alpha1.BootInfo{BootID: "n1-boot-2", SeenTime: at(-time.Second)}
				s.Nodes[0].BootID = "n1-boot-2"
			},
			want: "n1 -5m0s-9s",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSnapshot(newPolicy("p"))
			needing(s, "a", "n1", "n2")
			app(s, "one", "n1")
			test.build(s)
			d := minutes(4, 6, 8)
			d.Proof = 10 * time.Second
			d.Reboot -= d.Proof
			f := forecast.Compute(forecast.Input{Snapshot: s, Now: start, History: took(d)})
			if got := f.Nodes[0].Name + " " + minute(f.Nodes[0].Start) + "-" + minute(f.Nodes[0].Back); got != test.want {
				t.Errorf("the forecast is %q, want %q: %+v", got, test.want, f.Nodes[0].Obstacle)
			}
			if f.Nodes[0].State != forecast.UnderWay || f.Nodes[1].State != forecast.Waiting {
				t.Errorf("the nodes are %s and %s", f.Nodes[0].State, f.Nodes[1].State)
			}
			if !f.Nodes[1].Start.Known() || f.Nodes[1].Start.Median().Before(f.Nodes[0].Back.Median()) {
				t.Errorf("the next node starts at %s: %+v", minute(f.Nodes[1].Start), f.Nodes[1].Obstacle)
			}
		})
	}
}

func TestWhatADrainHasEvictedIsReadyAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ withBudget, ending bool }{
		"without a budget":              {},
		"with a budget that allows one": {withBudget: true},
		// As the API server has it right after the eviction: the pod is ending, and the budget still counts it as healthy.
		"with a budget that allows one, at the first moment": {withBudget: true, ending: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSnapshot(newPolicy("p"))
			needing(s, "a", "n1", "n2", "n3")
			web := app(s, "web", "n1", "n1")
			budgeted := model.WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: web.Namespace, Name: web.Name}
			if test.withBudget {
				budget(s, web, 1)
			}
			for key, workload := range s.Workloads { // the first of its pods was evicted
				workload.Ready, workload.DisruptionsAllowed = 1, 0
				if test.ending && key == budgeted {
					workload.Ready = 2
				}
				s.Workloads[key] = workload
			}
			if test.ending {
				s.Pods["n1"][0].Terminating = true
			} else {
				s.Pods["n1"] = s.Pods["n1"][1:]
			}
			underWay(s, 0, func(a *v1alpha1.Attempt) { a.DrainOrderedTime = at(-5 * time.Second) })
			order(s, 0, v1alpha1.ActionDrain, v1alpha1.OrderStarted)
			for _, key := range []model.WorkloadKey{web, budgeted} {
				if _, exists := s.Workloads[key]; exists {
					s.Reboots[0].Status.Workloads = append(s.Reboots[0].Status.Workloads,
						v1alpha1.WorkloadRef{Kind: key.Kind, Namespace: key.Namespace, Name: key.Name, Ready: 2})
				}
			}
			f := forecast.Compute(forecast.Input{Snapshot: s, Now: start, History: took(minutes(1, 2, 1))})
			if f.Policies[0].Unknown > 0 || f.Permanent() {
				t.Fatalf("the rollout does not get on: %+v", f.Policies[0].Obstacles)
			}
			if back := f.Node("n1").Back.Median().Sub(start); back < 2*time.Minute || back > 6*time.Minute {
				t.Errorf("the node that is being drained is back after %s", back)
			}
		})
	}
}

func TestPodsThatTwoAttemptsEvictedReturnOnce(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p", maxUnavailable("2"), anyOrder, longestRequired))
	needing(s, "a", "n1", "n2", "n3", "n4")
	web := app(s, "web", "n3", "n4")
	budget(s, web, 1)
	budgeted := model.WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: web.Namespace, Name: web.Name}
	for _, key := range []model.WorkloadKey{web, budgeted} { // a third one was on n1 or n2
		workload := s.Workloads[key]
		workload.Desired, workload.Expected, workload.DisruptionsAllowed = workload.Desired+1, 3, 0
		s.Workloads[key] = workload
	}
	for i := range 2 {
		underWay(s, i, func(a *v1alpha1.Attempt) { a.DrainOrderedTime = at(-time.Second) })
		order(s, i, v1alpha1.ActionDrain, v1alpha1.OrderStarted)
		for _, key := range []model.WorkloadKey{web, budgeted} {
			s.Reboots[i].Status.Workloads = append(s.Reboots[i].Status.Workloads,
				v1alpha1.WorkloadRef{Kind: key.Kind, Namespace: key.Namespace, Name: key.Name, Ready: 3})
		}
	}
	f := forecast.Compute(forecast.Input{Snapshot: s, Now: start, History: took(minutes(1, 2, 4))})
	if f.Policies[0].Unknown > 0 {
		t.Fatalf("%+v", f.Policies[0].Obstacles)
	}
	apart := f.Node("n4").Back.Median().Sub(f.Node("n3").Back.Median()).Abs()
	if apart < 3*time.Minute {
		t.Errorf("the nodes are back %s after each other, although one pod at a time may go", apart)
	}
}

func TestADrainThatIsStuckHasNoKnownEnd(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p"))
	needing(s, "a", "n1", "n2")
	app(s, "one", "n1")
	underWay(s, 0, func(a *v1alpha1.Attempt) { a.DrainOrderedTime, a.StuckTime = at(-5*time.Minute), at(-time.Minute) })
	order(s, 0, v1alpha1.ActionDrain, v1alpha1.OrderStarted)
	s.Reboots[0].Status.Report.Drain = &v1alpha1.DrainProgress{Total: 1, Remaining: 1, Activity: v1alpha1.DrainStuck}
	f := compute(s)
	if n := f.Node("n2"); !n.Back.Known() {
		t.Errorf("the other node has no forecast: %+v", n.Obstacle)
	}
}
