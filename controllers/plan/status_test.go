package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// conditionsOf is the status of each condition, by its type.
func conditionsOf(conditions []metav1.Condition) map[string]metav1.ConditionStatus {
	statuses := map[string]metav1.ConditionStatus{}
	for _, c := range conditions {
		statuses[c.Type] = c.Status
	}
	return statuses
}

func TestConditionsOfANodeReboot(t *testing.T) {
	const yes, no = metav1.ConditionTrue, metav1.ConditionFalse
	working := func(milestones ...string) map[string]metav1.ConditionStatus {
		want := map[string]metav1.ConditionStatus{v1alpha1.ConditionReady: no, v1alpha1.ConditionReconciling: yes}
		for _, milestone := range milestones {
			want[milestone] = yes
		}
		return want
	}
	given := map[string]metav1.ConditionStatus{v1alpha1.ConditionReady: no, v1alpha1.ConditionStalled: yes}
	cases := map[string]struct {
		stage       stage
		event       func(*story)
		want        map[string]metav1.ConditionStatus
		wantKstatus string
	}{
		"cordoned":    {stage: stageCordoned, want: working(), wantKstatus: "InProgress"},
		"draining":    {stage: stageDraining, want: working(), wantKstatus: "InProgress"},
		"drained":     {stage: stageDrained, want: working(v1alpha1.ConditionDrained), wantKstatus: "InProgress"},
		"rebooting":   {stage: stageRebooting, want: working(v1alpha1.ConditionDrained), wantKstatus: "InProgress"},
		"back":        {stage: stageBack, want: working(v1alpha1.ConditionDrained, v1alpha1.ConditionRebooted), wantKstatus: "InProgress"},
		"settling":    {stage: stageSettling, want: working(v1alpha1.ConditionDrained, v1alpha1.ConditionRebooted), wantKstatus: "InProgress"},
		"rolled back": {stage: stageDrained, event: paused, want: working(), wantKstatus: "InProgress"},
		"succeeded": {
			stage: stageSettling, event: func(s *story) { s.advance(time.Minute) }, wantKstatus: "Current",
			want: map[string]metav1.ConditionStatus{v1alpha1.ConditionReady: yes, v1alpha1.ConditionRebooted: yes},
		},
		"stalled": {
			stage: stageRebooting, want: given, wantKstatus: "Failed",
			event: func(s *story) {
				s.node("a").Ready = false
				s.advance(15 * time.Minute)
			},
		},
		"failed": {stage: stageDraining, event: nodeDeleted, want: given, wantKstatus: "Failed"},
		"cancelled": {
			stage: stageWaiting, event: reported(func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelNotRequired }),
			want: map[string]metav1.ConditionStatus{v1alpha1.ConditionCancelled: yes}, wantKstatus: "Current",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, tc.stage)
			if tc.event != nil {
				tc.event(s)
			}
			s.settle()
			status := s.reboot("ra").Status
			if diff := cmp.Diff(tc.want, conditionsOf(status.Conditions)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			if got, _ := show(t, s.reboot("ra")); got.kstatus != tc.wantKstatus {
				t.Errorf("kstatus %s, want %s", got.kstatus, tc.wantKstatus)
			}
			for _, c := range status.Conditions {
				if c.Reason == "" || c.ObservedGeneration != 1 || c.LastTransitionTime.IsZero() {
					t.Errorf("condition %+v", c)
				}
			}
		})
	}
}

func TestConditionsKeepTheTimeOfTheirLastTransition(t *testing.T) {
	s := attemptIn(t, stageRebooting)
	want := map[string]time.Duration{v1alpha1.ConditionReady: 0, v1alpha1.ConditionReconciling: 0, v1alpha1.ConditionDrained: time.Minute}
	got := map[string]time.Duration{}
	for _, c := range s.reboot("ra").Status.Conditions {
		got[c.Type] = c.LastTransitionTime.Sub(start)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("transitions since the start (-want +got):\n%s", diff)
	}
}

func TestStatusFollowsTheGeneration(t *testing.T) {
	s := attemptIn(t, stageDraining)
	s.reboot("ra").Generation = 2
	s.settle()
	status := s.reboot("ra").Status
	if status.ObservedGeneration != 2 || status.Conditions[0].ObservedGeneration != 2 {
		t.Errorf("observed generation %d, of the condition %d", status.ObservedGeneration, status.Conditions[0].ObservedGeneration)
	}
}

func TestStatusOfACompleteNodeRebootFollowsTheGeneration(t *testing.T) {
	s := attemptIn(t, stageSettling)
	s.advance(time.Minute)
	s.reboot("ra").Generation = 2
	s.settle()
	if status := s.reboot("ra").Status; status.ObservedGeneration != 2 || status.Phase != v1alpha1.PhaseSucceeded {
		t.Errorf("phase %s, observed generation %d", status.Phase, status.ObservedGeneration)
	}
}

func TestMessagesFitIntoTheAPI(t *testing.T) {
	long := strings.Repeat("ü", 700)
	longest := strings.Repeat("x", 1024)
	cases := map[string]func(*testing.T) *story{
		"refused evictions": func(t *testing.T) *story {
			s := attemptIn(t, stageDraining)
			refuse(s)
			s.report("ra", func(r *v1alpha1.HelperReport) {
				for i := range r.Drain.Refused {
					r.Drain.Refused[i].Name, r.Drain.Refused[i].By = long[:252], long[:320]
				}
			})
			s.settle()
			return s
		},
		"a drain that failed for a long reason": func(t *testing.T) *story {
			s := attemptIn(t, stageDraining, spec(func(s *v1alpha1.RebootPolicySpec) { s.Failure.MaxAttempts = ptr.To[int32](1) }))
			s.answer("ra", v1alpha1.OrderFailed, longest)
			s.settle()
			return s
		},
		"a back-off after a long reason": func(t *testing.T) *story {
			s := attemptIn(t, stageDraining)
			s.answer("ra", v1alpha1.OrderFailed, longest)
			s.settle()
			return s
		},
		"many long names": func(t *testing.T) *story {
			s := newStory(t, newPolicy(longest[:253]), newNode("a", "z1"), newReboot("ra", "a"))
			for _, name := range []string{"b", "c", "d"} {
				s.Nodes = append(s.Nodes, newNode(name+longest[:252], "z1", notReady))
			}
			s.settle()
			return s
		},
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			// That the story continues says that the statuses were accepted: see validate.
			status := run(t).reboot("ra").Status
			if n := len(status.Message); n < 1020 || n > 1024 || !strings.HasSuffix(status.Message, "...") {
				t.Errorf("message of %d bytes: %q", n, status.Message)
			}
		})
	}
}

func TestEventsTellWhatHappened(t *testing.T) {
	cases := map[string]struct {
		stage stage
		event func(*story)
		want  []Event
	}{
		"a drain": {stage: stageCordoned, event: func(s *story) { s.now = s.now.Add(time.Minute) }, want: []Event{{
			Reason: v1alpha1.ReasonDraining, OnNode: true,
			Message: "Node a is being drained, until 2026-03-02 12:11 +00:00 (in 10m, as of 12:01) at the latest.",
		}}},
		// The status reports these, and the kubelet of the boot.
		"an order to reboot": {stage: stageDrained, event: func(s *story) { s.now = s.now.Add(time.Minute) }},
		"a boot":             {stage: stageRebooting, event: powerLost},
		"a success": {stage: stageSettling, event: func(s *story) { s.now = s.now.Add(time.Minute) }, want: []Event{{
			Reason: v1alpha1.ReasonProved, OnNode: true, Message: "Node a runs another boot, is Ready and does not ask for a reboot; " +
				"1 DaemonSet or static pod that was ready on it is ready again; 1 workload that had pods on it is as ready as before.",
		}}},
		"a failure": {stage: stageDraining, event: func(s *story) { s.answer("ra", v1alpha1.OrderFailed, "No.") }, want: []Event{{
			Reason: v1alpha1.ReasonDrainFailed, Warning: true, OnNode: true, Message: "No.",
		}}},
		"what is rolled back": {stage: stageDraining, event: paused, want: []Event{{
			Reason: v1alpha1.ReasonPaused, OnNode: true, Message: "The attempt was rolled back. RebootPolicy p is paused.",
		}}},
		"a withdrawn need": {
			stage: stageWaiting, event: reported(func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelNotRequired }),
			want: []Event{{Reason: v1alpha1.ReasonNeedWithdrawn, Message: "The host no longer asks for a reboot."}},
		},
		"a node that no policy selects": {stage: stageWaiting, event: unselected, want: []Event{{
			Reason: v1alpha1.ReasonNoPolicy, Warning: true, Message: "No RebootPolicy selects node a: nothing is done until one does.",
		}}},
		"a gate that gives no answer": {
			stage: stageWaiting, event: func(s *story) {
				s.editPolicy("p", objectsOf("g"))
				s.says(GateObjects, "g", GateAnswer{Failure: noKindCeph, Since: s.now})
			},
			want: []Event{{Reason: v1alpha1.ReasonGateError, Warning: true, Message: "Gate g of gates.objects of RebootPolicy p has given no " +
				"answer since 2026-03-02 12:00 +00:00: the cluster has no kind CephCluster of ceph.rook.io/v1"}},
		},
		"nothing": {stage: stageDraining, event: func(*story) {}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, tc.stage)
			tc.event(s)
			p := s.pass()
			var events []Event
			for _, work := range p.Work {
				for _, change := range work.Reboots {
					events = append(events, change.Events...)
				}
			}
			if diff := cmp.Diff(tc.want, events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStatusChangesOnlyWhenSomethingDoes(t *testing.T) {
	for stage := stageCordoned; stage <= stageSettling; stage++ {
		s := attemptIn(t, stage)
		s.now = s.now.Add(30 * time.Second)
		if p := compute(t, s.Snapshot, s.now); !idle(p) {
			t.Errorf("%s: half a minute later there is something to write:\n%s", stage, describe(p))
		}
	}
}

func TestPolicyStatus(t *testing.T) {
	cases := map[string]struct {
		objects []any
		want    v1alpha1.RebootPolicyStatus
	}{
		"a rollout": {
			objects: append(fleet("a/z1 b/z1 c/z2"), newPolicy("p"), newNode("d", "z2", notReady), newNode("e", "z1")),
			want: v1alpha1.RebootPolicyStatus{
				Nodes: 5, Required: 3, Unavailable: 1, MaxUnavailable: 1, CurrentZone: "z1",
				Summary: "InForce", WaitingFor: v1alpha1.ReasonBudgetExhausted,
				Waiting: []v1alpha1.WaitingCount{
					{Reason: v1alpha1.ReasonBudgetExhausted, Nodes: 2, Example: "ra"}, {Reason: v1alpha1.ReasonZoneBusy, Nodes: 1, Example: "rc"},
				},
			},
		},
		"nodes under way": {
			objects: append(fleet("a/z1 b/z1"), newPolicy("p", maxUnavailable("100%"))),
			want:    v1alpha1.RebootPolicyStatus{Nodes: 2, UnderWay: 2, Unavailable: 2, MaxUnavailable: 2, CurrentZone: "z1", Summary: "InForce"},
		},
		"failures": {
			objects: []any{newPolicy("p"), newNode("a", "z1"),
				newReboot("ra", "a", finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, 0))},
			want: v1alpha1.RebootPolicyStatus{Nodes: 1, MaxUnavailable: 1, Failed: 1, Summary: "Halted"},
		},
		"nodes of another policy": {
			objects: append(fleet("a/z1"), newPolicy("p"), newPolicy("q", priority(1), maxUnavailable("0"))),
			want:    v1alpha1.RebootPolicyStatus{MaxUnavailable: 1, Summary: "Shadowed"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, tc.objects...)
			s.settle()
			tc.want.ObservedGeneration = 1
			ignoreConditions := cmpopts.IgnoreFields(v1alpha1.RebootPolicyStatus{}, "Conditions")
			if diff := cmp.Diff(tc.want, s.policy("p").Status, ignoreConditions, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConditionsOfAPolicy(t *testing.T) {
	a := newNode("a", "z1")
	reason := func(status metav1.ConditionStatus, reason string) string { return string(status) + " " + reason }
	stalled := func(r string) map[string]string {
		return map[string]string{v1alpha1.ConditionReady: reason("False", r), v1alpha1.ConditionStalled: reason("True", r)}
	}
	inForce := map[string]string{v1alpha1.ConditionReady: reason("True", v1alpha1.ReasonInForce)}
	with := func(conditions map[string]string, conditionType, r string) map[string]string {
		more := map[string]string{conditionType: reason("True", r)}
		for k, v := range conditions {
			more[k] = v
		}
		return more
	}
	cases := map[string]struct {
		objects     []any
		want        map[string]string
		wantMessage string
	}{
		"in force": {objects: []any{newPolicy("p"), a}, want: inForce, wantMessage: "Nodes that need it are rebooted, at most 1 of 1 at once."},
		"observing": {
			objects: []any{newPolicy("p", mode(v1alpha1.ModeObserve)), a}, want: inForce,
			wantMessage: "The policy only observes: nothing is drained or rebooted.",
		},
		"paused": {objects: []any{newPolicy("p", mode(v1alpha1.ModePaused)), a}, want: inForce, wantMessage: "The policy is paused: nothing starts."},
		"invalid": {
			objects: []any{newPolicy("p", maxUnavailable("some")), a}, want: stalled(v1alpha1.ReasonPolicyInvalid),
			wantMessage: `rollout.maxUnavailable: "some" is neither a number nor a percentage, or is less than zero: write 1 or "10%"`,
		},
		"without nodes": {
			objects: []any{newPolicy("p", selecting("pool", "blue")), a}, want: stalled(v1alpha1.ReasonNoNodes),
			wantMessage: "The policy selects no node: compare nodeSelector with the labels of your nodes.",
		},
		"with an empty selector": {
			objects: []any{newPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) {
				s.Nodes, s.NodeSelector = v1alpha1.NodesSelected, &v1alpha1.LabelSelector{}
			})), a},
			want:        stalled(v1alpha1.ReasonPolicyInvalid),
			wantMessage: "nodeSelector: it is empty: write matchLabels or matchExpressions, or nodes: All to take every node",
		},
		"halted": {
			objects:     []any{newPolicy("p"), a, newReboot("ra", "a", finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, 0))},
			want:        with(stalled(v1alpha1.ReasonNodesNotBack), v1alpha1.ConditionHalted, v1alpha1.ReasonNodesNotBack),
			wantMessage: "NodeReboot ra (RebootNotObserved): nothing more starts until it succeeds or is deleted.",
		},
		"overlapping": {
			objects: []any{newPolicy("p"), newPolicy("q", priority(1)), a},
			want:    map[string]string{"Overlapping": "True Overlap", "Ready": "False Shadowed", "Stalled": "True Shadowed"},
			wantMessage: "The policy does nothing: the only node that it selects, a, belongs to RebootPolicy q, which has a higher priority or " +
				"is older.",
		},
		"with more canaries than nodes": {
			objects:     []any{newPolicy("p", canaryOf(2, 0)), a},
			want:        with(inForce, v1alpha1.ConditionCanaryTooLarge, v1alpha1.ReasonCanaryTooLarge),
			wantMessage: "Nodes that need it are rebooted, at most 1 of 1 at once.",
		},
		"with as many canaries as nodes": {
			objects: []any{newPolicy("p", canaryOf(1, 0)), a}, want: inForce,
			wantMessage: "Nodes that need it are rebooted, at most 1 of 1 at once.",
		},
		"with a zone that no node is in": {
			objects:     []any{newPolicy("p", zoneOrder("z1", "z7")), a},
			want:        with(inForce, v1alpha1.ConditionUnknownZones, v1alpha1.ReasonZoneNotFound),
			wantMessage: "Nodes that need it are rebooted, at most 1 of 1 at once.",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, tc.objects...)
			p := s.pass()
			got := map[string]string{}
			for _, c := range s.policy("p").Status.Conditions {
				got[c.Type] = reason(c.Status, c.Reason)
				if c.Type == v1alpha1.ConditionReady && c.Message != tc.wantMessage {
					t.Errorf("message %q, want %q", c.Message, tc.wantMessage)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			warned := false
			for _, change := range p.Policies {
				warned = warned || change.Object.Name == "p" && len(change.Events) > 0 && change.Events[0].Warning
			}
			if attention := len(tc.want) > 1; warned != attention {
				t.Errorf("an event warns: %v, want %v", warned, attention)
			}
		})
	}
}

func TestOverlapNamesTheOtherPolicyAndANode(t *testing.T) {
	s := newStory(t, newPolicy("p"), newPolicy("q", priority(1), selecting("kubernetes.io/hostname", "b")),
		newNode("a", "z1"), newNode("b", "z1"))
	s.settle()
	for policy, other := range map[string]string{"p": "q", "q": "p"} {
		want := "RebootPolicy " + other +
			" selects some of the same nodes, for example b; the policy with the higher priority, otherwise the older one, owns them."
		conditions := s.policy(policy).Status.Conditions
		if got := conditions[len(conditions)-1].Message; got != want {
			t.Errorf("message of %s: %q, want %q", policy, got, want)
		}
	}
}

func TestPolicyStatusCountsANodeOnceHoweverManyNodeRebootsItHas(t *testing.T) {
	s := newStory(t, newPolicy("p", mode(v1alpha1.ModePaused)), newNode("a", "z1"), newReboot("ra", "a"), newReboot("other", "a"))
	s.settle()
	status := s.Policies[0].Status
	if status.Required != 1 || len(status.Waiting) != 1 || status.Waiting[0].Nodes != 1 {
		t.Errorf("required %d, waiting %v: want one node", status.Required, status.Waiting)
	}
	s.editPolicy("p", mode(v1alpha1.ModeEnforce))
	s.settle()
	if status = s.Policies[0].Status; status.Required != 0 || status.UnderWay != 1 {
		t.Errorf("required %d, under way %d: want one node under way, which no longer waits", status.Required, status.UnderWay)
	}
}

// trueCondition of a type, its message; empty if it is not True.
func trueCondition(conditions []metav1.Condition, conditionType string) string {
	if c := meta.FindStatusCondition(conditions, conditionType); c != nil && c.Status == metav1.ConditionTrue {
		return c.Message
	}
	return ""
}

// An older manager, or a person, may have written a part of what is shown.
func TestEachPartOfWhatANodeRebootShowsIsPutRight(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.NodeRebootStatus){
		"its phase":      func(s *v1alpha1.NodeRebootStatus) { s.Phase = v1alpha1.PhaseRebooting },
		"its reason":     func(s *v1alpha1.NodeRebootStatus) { s.Reason = "Another" },
		"its message":    func(s *v1alpha1.NodeRebootStatus) { s.Message = "Something else." },
		"its summary":    func(s *v1alpha1.NodeRebootStatus) { s.Summary = "Another" },
		"its generation": func(s *v1alpha1.NodeRebootStatus) { s.ObservedGeneration-- },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p", mode(v1alpha1.ModePaused)), newNode("a", "z1"), newReboot("ra", "a"))
			s.settle()
			want := s.reboot("ra").Status
			change(&s.reboot("ra").Status)
			s.settle()
			if diff := cmp.Diff(want, s.reboot("ra").Status); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
