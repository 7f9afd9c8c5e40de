package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// slotOf is the grant of an attempt of NodeReboot ra.
func slotOf(attempt int32) Slot { return Slot{Reboot: "ra", UID: "uid-of-ra", Attempt: attempt} }

// endedAttempt is the last attempt of a NodeReboot that waits again.
func endedAttempt(number int32) rebootOption {
	return func(r *v1alpha1.NodeReboot) {
		r.Status.Attempt = &v1alpha1.Attempt{Number: number, GrantedTime: *at(-120e9), EndedTime: at(-60e9), Result: v1alpha1.ReasonPaused}
	}
}

func TestSlotsHoldWhatCounts(t *testing.T) {
	paused := newPolicy("p", mode(v1alpha1.ModePaused))
	another := Slot{Reboot: "rb", UID: "uid-of-rb", Attempt: 1}
	gone := another
	gone.Gone = true
	cases := map[string]struct {
		policy      *v1alpha1.RebootPolicy
		reboot      *v1alpha1.NodeReboot
		slots, want map[string]Slot
	}{
		"nothing": {policy: paused, reboot: newReboot("ra", "a")},
		"a grant": {policy: newPolicy("p"), reboot: newReboot("ra", "a"), want: map[string]Slot{"a": slotOf(1)}},
		"the grant of an attempt that ended and of the next, in one change": {
			policy: newPolicy("p"), reboot: newReboot("ra", "a", endedAttempt(1)),
			slots: map[string]Slot{"a": slotOf(1)}, want: map[string]Slot{"a": slotOf(2)},
		},
		"a grant that another frees": {
			policy: newPolicy("p"), reboot: newReboot("ra", "a"),
			slots: map[string]Slot{"b": gone}, want: map[string]Slot{"a": slotOf(1)},
		},
		"nothing of a NodeReboot that is gone": {policy: paused, reboot: newReboot("ra", "a"), slots: map[string]Slot{"b": gone}},
		"what this manager does not understand": {
			policy: paused, reboot: newReboot("ra", "a"), slots: map[string]Slot{"b": another}, want: map[string]Slot{"b": another},
		},
		"nothing of an attempt that ended": {
			policy: paused, reboot: newReboot("ra", "a", endedAttempt(1)), slots: map[string]Slot{"a": slotOf(1)},
		},
		"nothing of an attempt before the last": {
			policy: paused, reboot: newReboot("ra", "a", endedAttempt(3)), slots: map[string]Slot{"a": slotOf(2)},
		},
		"nothing of a NodeReboot that is complete": {
			policy: paused, reboot: newReboot("ra", "a", finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, 0)),
			slots: map[string]Slot{"a": slotOf(1)},
		},
		"a grant to a NodeReboot that is complete, until it is recorded that it is not used": {
			policy: paused, reboot: newReboot("ra", "a", finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, 0)),
			slots: map[string]Slot{"a": slotOf(2)}, want: map[string]Slot{"a": slotOf(2)},
		},
		"nothing of a NodeReboot that was deleted before its attempt began": {
			policy: paused, reboot: newReboot("ra", "a", deletedAt(0)), slots: map[string]Slot{"a": slotOf(1)},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, tc.policy, tc.reboot, newNode("a", "z1"), newNode("b", "z1"))
			s.Slots = tc.slots
			p := s.pass()
			if diff := difference(tc.want, p.Slots); diff != "" {
				t.Errorf("slots (-want +got):\n%s", diff)
			}
			if changed := difference(tc.slots, tc.want) != ""; p.SlotsChanged != changed {
				t.Errorf("slots changed: %v, want %v", p.SlotsChanged, changed)
			}
		})
	}
}

func TestGrantOfAManagerThatCrashedIsUsed(t *testing.T) {
	s := newStory(t, newPolicy("p", maxUnavailable("1")), newNode("a", "z1"), newReboot("ra", "a", endedAttempt(1)),
		newNode("b", "z1"), newReboot("rb", "b", requiredFor(1e18)))
	s.Slots["a"] = slotOf(2)
	p := s.pass()
	renewed := slotOf(2)
	renewed.Renewed = 1
	if diff := cmp.Diff(map[string]Slot{"a": renewed}, p.Slots); diff != "" || s.underWay() != "a" {
		t.Errorf("under way %q, slots (-want +got):\n%s", s.underWay(), diff)
	}
	if got := s.reboot("ra").Status.Attempt.Number; got != 2 {
		t.Errorf("attempt %d", got)
	}
	for _, work := range p.Work {
		if work.Granted != (work.Node == "a") {
			t.Errorf("the work on node %s waits for the slots object: %t; a grant that is taken over is renewed", work.Node, work.Granted)
		}
	}
}

func TestGrantOfAManagerThatCrashedIsGivenBack(t *testing.T) {
	cases := map[string]struct {
		policy *v1alpha1.RebootPolicy
		want   summary
	}{
		"when the policy is paused": {
			policy: newPolicy("p", mode(v1alpha1.ModePaused)),
			want:   summary{Phase: v1alpha1.PhasePending, Reason: v1alpha1.ReasonPaused, Result: v1alpha1.ReasonPaused, Tainted: true},
		},
		"when no policy selects the node": {
			policy: newPolicy("p", selecting("pool", "blue")),
			want:   summary{Phase: v1alpha1.PhasePending, Reason: v1alpha1.ReasonNoPolicy, Result: v1alpha1.ReasonNoPolicy},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			// It had cordoned the node before it crashed.
			s := newStory(t, tc.policy, newNode("a", "z1", func(n *Node) { n.Unschedulable, n.CordonedFor = true, "uid-of-ra" }),
				newReboot("ra", "a", func(r *v1alpha1.NodeReboot) { r.Finalizers = []string{v1alpha1.Finalizer} }))
			s.Slots["a"] = slotOf(1)
			s.settle()
			if diff := cmp.Diff(tc.want, s.summary("ra")); diff != "" {
				t.Errorf("NodeReboot (-want +got):\n%s", diff)
			}
			if node := s.node("a"); node.Unschedulable || node.CordonedFor != "" || len(s.Slots) != 0 {
				t.Errorf("node %+v, slots %v", *node, s.Slots)
			}
		})
	}
}

// Between a grant and the manager that finds it there may be hours: what keeps a node from starting keeps the attempt from beginning.
func TestGrantOfAManagerThatCrashedIsGivenBackWhereNothingMayStart(t *testing.T) {
	taint := func(s *story) {
		tainted(corev1.Taint{Key: "ToBeDeletedByClusterAutoscaler", Effect: corev1.TaintEffectNoSchedule})(s.node("a"))
	}
	cases := map[string]struct {
		policy policyOption
		event  func(*story)
		want   string
	}{
		"the window has closed, and what began may finish": {
			policy: func(p *v1alpha1.RebootPolicy) { scheduled(opensAtNine)(p); finishing()(p) }, want: v1alpha1.ReasonWindowClosed,
		},
		"the node is down":            {event: func(s *story) { s.node("a").Ready = false }, want: v1alpha1.ReasonNodeNotReady},
		"its helper is down":          {event: func(s *story) { s.node("a").HelperReady = false }, want: v1alpha1.ReasonHelperNotReady},
		"an autoscaler takes it away": {event: taint, want: v1alpha1.ReasonMarkedForDeletion},
		"others maintain it":          {event: func(s *story) { s.node("a").OtherMaintenance = []OtherMaintenance{{Object: "x"}} }, want: v1alpha1.ReasonForeignMaintenance},
		"another control-plane node is down": {
			event: func(s *story) { controlPlane(s.node("a")); controlPlane(s.node("b")); s.node("b").Ready = false },
			want:  v1alpha1.ReasonControlPlaneNotReady,
		},
		"a node has failed meanwhile": {event: func(s *story) { s.node("b").Ready = false }, want: v1alpha1.ReasonBudgetExhausted},
		"the policy has halted": {
			event: func(s *story) {
				s.Reboots = append(s.Reboots, newReboot("rb", "b", finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, -time.Hour)))
			},
			want: v1alpha1.ReasonHalted,
		},
		"a pod blocks it": {
			policy: podsOf("ci"), want: v1alpha1.ReasonBlockedByPod,
			event: func(s *story) { s.says(GatePods, "ci", GateAnswer{Nodes: map[string]string{"a": "A pod."}}) },
		},
		"an alert fires": {
			policy: alertsOf("q"), want: v1alpha1.ReasonBlockedByAlert,
			event: func(s *story) { s.says(GatePrometheus, "q", GateAnswer{Obstacle: "An alert."}) },
		},
		"a gate does not answer": {
			policy: alertsOf("q"), want: v1alpha1.ReasonGateError,
			event: func(s *story) { s.says(GatePrometheus, "q", GateAnswer{Failure: "away.", Since: start}) },
		},
		"there is no room": {
			policy: capacityRequired(), want: v1alpha1.ReasonInsufficientCapacity,
			event: func(s *story) { s.says(GateCapacity, "", GateAnswer{Nodes: map[string]string{"a": "No room."}}) },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			policy := newPolicy("p", maxUnavailable("1"))
			if tc.policy != nil {
				tc.policy(policy)
			}
			s := newStory(t, policy, newNode("a", "z1"), newReboot("ra", "a"), newNode("b", "z1"))
			if tc.event != nil {
				tc.event(s)
			}
			s.Slots["a"] = slotOf(1)
			s.settle()
			status := s.reboot("ra").Status
			if s.underWay() != "" || status.Reason != tc.want || status.Order != nil || s.node("a").Unschedulable {
				t.Errorf("under way %q, reason %s, order %+v; want %s", s.underWay(), status.Reason, status.Order, tc.want)
			}
			if len(s.Slots) != 0 {
				t.Errorf("slots %v: a node that cannot start takes the place of others", s.Slots)
			}
		})
	}
}

func TestGrantWaitsForWhatItsAttemptNeeds(t *testing.T) {
	cases := map[string]struct {
		event     func(*story)
		want      string
		wantAsked bool
	}{
		"pods that are not read": {event: func(s *story) { delete(s.Pods, "a") }, want: v1alpha1.ReasonStarting, wantAsked: true},
		"a boot ID":              {event: func(s *story) { s.node("a").BootID = "" }, want: v1alpha1.ReasonNodeNotReady},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"))
			s.Slots["a"] = slotOf(1)
			tc.event(s)
			p := s.pass()
			if got := s.reboot("ra").Status.Reason; got != tc.want {
				t.Errorf("reason %s", got)
			}
			if asked := len(p.NeedPods) == 1; asked != tc.wantAsked || p.SlotsChanged {
				t.Errorf("asks %v, slots changed %v", p.NeedPods, p.SlotsChanged)
			}
		})
	}
}

func TestGrantOfANodeThatWasRebootedMeanwhileIsNotUsed(t *testing.T) {
	s := waitingStory(t)
	s.editPolicy("p", mode(v1alpha1.ModeEnforce))
	s.boot("a", 2)
	s.Slots["a"] = slotOf(1)
	s.settle()
	if sum := s.summary("ra"); sum.Phase != v1alpha1.PhasePending || sum.Reason != v1alpha1.ReasonNodeNotReady {
		t.Errorf("NodeReboot %+v while it is not known whether it is needed", sum)
	}
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.settle()
	if sum := s.summary("ra"); sum.Reason != v1alpha1.ReasonRebootedMeanwhile || len(s.Slots) != 0 {
		t.Errorf("slots %v, NodeReboot %+v", s.Slots, sum)
	}
}

// A manager that was superseded, and does not know it yet, may write the slots object last. By then all is written about the NodeReboot.
func TestAGrantToANodeRebootAtRestIsGivenBack(t *testing.T) {
	s := waitingStory(t)
	s.boot("a", 2)
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.settle()
	ra := s.reboot("ra")
	if !atRest(ra) || ra.Status.Attempt != nil {
		t.Fatalf("it is not at rest without an attempt: %+v", ra.Status)
	}
	s.Slots["a"] = slotOf(1)
	s.settle()
	if sum := s.summary("ra"); sum.Reason != v1alpha1.ReasonRebootedMeanwhile || len(s.Slots) != 0 {
		t.Errorf("slots %v, NodeReboot %+v", s.Slots, sum)
	}
}

func TestSlotIsFreedOnlyAfterTheEndOfItsAttemptIsWritten(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p"))...)
	s.settle()
	s.answer("ra", v1alpha1.OrderFailed, "No.")
	ending := s.pass()
	if ending.SlotsChanged || s.underWay() != "" {
		t.Errorf("slots changed %v, under way %q in the pass that ends the attempt", ending.SlotsChanged, s.underWay())
	}
	next := s.pass()
	if diff := cmp.Diff(map[string]Slot{"b": {Reboot: "rb", UID: "uid-of-rb", Attempt: 1}}, next.Slots); diff != "" {
		t.Errorf("slots in the next pass (-want +got):\n%s", diff)
	}
}

func TestWorkThatNeedsAGrantIsMarked(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p"))...)
	got := map[string]bool{}
	for _, work := range s.pass().Work {
		got[work.Node] = work.Granted
	}
	if diff := cmp.Diff(map[string]bool{"a": true, "b": false}, got); diff != "" {
		t.Errorf("granted (-want +got):\n%s", diff)
	}
}

func TestCompletionThatIsNotWrittenFreesNoSlot(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a", manual, func(r *v1alpha1.NodeReboot) {
		r.Status.Before = &v1alpha1.BootInfo{BootID: bootOf("a", 0)}
		r.Status.NodeUID = "uid-of-node-a"
		r.Status.RequiredSince = ptr.To(*at(0))
	}))
	s.Slots["a"] = slotOf(1)
	if p := s.pass(); p.SlotsChanged {
		t.Errorf("slots %v: another manager may have begun the attempt", p.Slots)
	}
	s.settle()
	if len(s.Slots) != 0 {
		t.Errorf("slots %v after the end was written", s.Slots)
	}
}
