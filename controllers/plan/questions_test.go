package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

func gates(change func(*v1alpha1.GatesSpec)) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { change(&s.Gates) })
}

func podsOf(name string) policyOption {
	return gates(func(g *v1alpha1.GatesSpec) {
		g.Pods = append(g.Pods, v1alpha1.PodGate{Name: name, Selector: selector.Of("job=" + name)})
	})
}

func queryOf(name string, onError v1alpha1.Requirement) policyOption {
	return gates(func(g *v1alpha1.GatesSpec) {
		g.Prometheus = append(g.Prometheus, v1alpha1.PrometheusGate{
			Name: name, URL: "http://prometheus", Query: "up == 0", GateConnection: v1alpha1.GateConnection{OnError: onError},
		})
	})
}

func alertsOf(name string) policyOption {
	return gates(func(g *v1alpha1.GatesSpec) {
		g.Prometheus = append(g.Prometheus, v1alpha1.PrometheusGate{
			Name: name, URL: "http://prometheus", Alerts: &v1alpha1.AlertFilter{},
			GateConnection: v1alpha1.GateConnection{OnError: v1alpha1.Require},
		})
	})
}

func alertmanagerOf(name string) policyOption {
	return gates(func(g *v1alpha1.GatesSpec) {
		g.Alertmanager = append(g.Alertmanager, v1alpha1.AlertmanagerGate{
			Name: name, URL: "http://alertmanager", GateConnection: v1alpha1.GateConnection{OnError: v1alpha1.Require},
		})
	})
}

func objectGate(name string) v1alpha1.ObjectGate {
	return v1alpha1.ObjectGate{Name: name, APIVersion: "v1", Kind: "ConfigMap", Expression: "true", OnError: v1alpha1.Require}
}

func objectsOf(name string) policyOption {
	return gates(func(g *v1alpha1.GatesSpec) { g.Objects = append(g.Objects, objectGate(name)) })
}

func recoveryOf(name string) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Recovery.Objects = append(s.Recovery.Objects, objectGate(name)) })
}

func capacityRequired() policyOption {
	return gates(func(g *v1alpha1.GatesSpec) { g.Capacity = v1alpha1.Require })
}

func TestWhatAGateSaysIsWhyANodeWaits(t *testing.T) {
	soon := start.Add(15 * time.Second)
	for name, tc := range map[string]struct {
		policy policyOption
		kind   GateKind
		gate   string
		// answer is nil while the gate is being asked.
		answer      *GateAnswer
		want        string
		wantMessage string
		wantWake    time.Time
	}{
		"a pod on the node": {
			policy: podsOf("ci"), kind: GatePods, gate: "ci",
			answer: &GateAnswer{Nodes: map[string]string{"a": "Pod ci/build runs on node a."}},
			want:   v1alpha1.ReasonBlockedByPod, wantMessage: "Pod ci/build runs on node a.",
		},
		"a pod on another node": {
			policy: podsOf("ci"), kind: GatePods, gate: "ci", answer: &GateAnswer{Nodes: map[string]string{"b": "Pod ci/build runs on node b."}},
			want: v1alpha1.ReasonDraining,
		},
		"pods that are not known": {
			policy: podsOf("ci"), kind: GatePods, gate: "ci",
			want: v1alpha1.ReasonGatePending, wantMessage: "Gate ci of gates.pods is being asked.",
		},
		"pods that cannot be read": {
			policy: podsOf("ci"), kind: GatePods, gate: "ci", answer: &GateAnswer{Failure: "no.", Since: start, Until: soon},
			want:        v1alpha1.ReasonGateError,
			wantMessage: "Gate ci of gates.pods of RebootPolicy p has given no answer since 2026-03-02 12:00 +00:00: no.",
			wantWake:    soon,
		},
		"a row of a query": {
			policy: queryOf("q", v1alpha1.Require), kind: GatePrometheus, gate: "q", answer: &GateAnswer{Obstacle: "A row.", Until: soon},
			want: v1alpha1.ReasonBlockedByQuery, wantMessage: "A row.", wantWake: soon,
		},
		"no row of a query": {
			policy: queryOf("q", v1alpha1.Require), kind: GatePrometheus, gate: "q", answer: &GateAnswer{Until: soon},
			want: v1alpha1.ReasonDraining,
		},
		"a query without an answer": {
			policy: queryOf("q", v1alpha1.Require), kind: GatePrometheus, gate: "q",
			answer: &GateAnswer{Failure: "connection refused.", Since: start.Add(-time.Hour), Until: soon},
			want:   v1alpha1.ReasonGateError, wantMessage: "has given no answer since 2026-03-02 11:00 +00:00: connection refused.", wantWake: soon,
		},
		"a query without an answer that is ignored": {
			policy: queryOf("q", v1alpha1.Ignore), kind: GatePrometheus, gate: "q", answer: &GateAnswer{Failure: "refused", Until: soon},
			want: v1alpha1.ReasonDraining,
		},
		"an alert of Prometheus": {
			policy: alertsOf("q"), kind: GatePrometheus, gate: "q", answer: &GateAnswer{Obstacle: "Alert.", Until: soon},
			want: v1alpha1.ReasonBlockedByAlert, wantMessage: "Alert.", wantWake: soon,
		},
		"an alert of Alertmanager": {
			policy: alertmanagerOf("q"), kind: GateAlertmanager, gate: "q", answer: &GateAnswer{Obstacle: "Alert.", Until: soon},
			want: v1alpha1.ReasonBlockedByAlert, wantMessage: "Alert.", wantWake: soon,
		},
		"an object": {
			policy: objectsOf("q"), kind: GateObjects, gate: "q", answer: &GateAnswer{Obstacle: "ConfigMap.", Until: soon},
			want: v1alpha1.ReasonBlockedByObject, wantMessage: "ConfigMap.", wantWake: soon,
		},
		"an object that is being looked at": {
			policy: objectsOf("q"), kind: GateObjects, gate: "q",
			want: v1alpha1.ReasonGatePending, wantMessage: "Gate q of gates.objects is being asked.",
		},
		"room that there is not": {
			policy: capacityRequired(), kind: GateCapacity, answer: &GateAnswer{Nodes: map[string]string{"a": "No room."}, Until: soon},
			want: v1alpha1.ReasonInsufficientCapacity, wantMessage: "No room.", wantWake: soon,
		},
		"room that there is": {
			policy: capacityRequired(), kind: GateCapacity, answer: &GateAnswer{Nodes: map[string]string{"a": ""}, Until: soon},
			want: v1alpha1.ReasonDraining,
		},
		"room that was not looked for": {
			policy: capacityRequired(), kind: GateCapacity, answer: &GateAnswer{Nodes: map[string]string{}, Until: soon},
			want: v1alpha1.ReasonGatePending, wantMessage: "Gate gates.capacity is being asked.",
		},
		"room that is not known": {
			policy: capacityRequired(), kind: GateCapacity, answer: &GateAnswer{Failure: "no.", Since: start, Until: soon},
			want: v1alpha1.ReasonGateError, wantMessage: "Gate gates.capacity of RebootPolicy p has given no answer since", wantWake: soon,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p", tc.policy), newNode("a", "z1"), newReboot("ra", "a"), newNode("b", "z1"))
			if tc.answer != nil {
				s.says(tc.kind, tc.gate, *tc.answer)
			}
			p := s.pass()
			status := s.reboot("ra").Status
			if status.Reason != tc.want || !strings.Contains(status.Message, tc.wantMessage) {
				t.Errorf("%s %q, want %s %q", status.Reason, status.Message, tc.want, tc.wantMessage)
			}
			if !tc.wantWake.IsZero() && !p.Wake.Equal(tc.wantWake) {
				t.Errorf("the next look is at %s, want %s", p.Wake, tc.wantWake)
			}
		})
	}
}

// TestABlockedNodeHoldsUpNobody is ask 34.
func TestABlockedNodeHoldsUpNobody(t *testing.T) {
	blocked := GateAnswer{Nodes: map[string]string{"a": "Pod ci/build runs on node a."}}
	noRoomForA := GateAnswer{Nodes: map[string]string{"a": "No room for node a.", "b": ""}}
	for name, tc := range map[string]struct {
		options []policyOption
		fleet   string
		want    string
	}{
		"of the same zone, for a pod":               {[]policyOption{podsOf("ci")}, "a/z1 b/z1", "b"},
		"of a zone that would come later":           {[]policyOption{podsOf("ci")}, "a/z1 b/z2", "b"},
		"of the control plane":                      {[]policyOption{podsOf("ci")}, "a/z1 +b/z1", "b"},
		"of the same zone, for room":                {[]policyOption{capacityRequired()}, "a/z1 b/z1", "b"},
		"of a zone that would come later, for room": {[]policyOption{capacityRequired()}, "a/z1 b/z2", "b"},
		"of the control plane, for room":            {[]policyOption{capacityRequired()}, "a/z1 +b/z1", "b"},
		"where zones go in any order, for room":     {[]policyOption{capacityRequired(), anyOrder()}, "a/z1 b/z2", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet(tc.fleet), newPolicy("p", tc.options...))...)
			requiredFor(3 * time.Hour)(s.reboot("ra"))
			s.says(GatePods, "ci", blocked)
			s.says(GateCapacity, "", noRoomForA)
			s.settle()
			if got := s.underWay(); got != tc.want {
				t.Fatalf("under way: %q, want %q", got, tc.want)
			}
			if reason := s.reboot("ra").Status.Reason; reason != v1alpha1.ReasonBlockedByPod && reason != v1alpha1.ReasonInsufficientCapacity &&
				reason != v1alpha1.ReasonZoneBusy && reason != v1alpha1.ReasonBudgetExhausted {
				t.Errorf("node a waits for the reason %s", reason)
			}
			s.says(GatePods, "ci", GateAnswer{})
			s.says(GateCapacity, "", GateAnswer{Nodes: map[string]string{"a": "", "b": ""}})
			s.settle()
			s.prove("b")
			if got := s.underWay(); got != "a" {
				t.Errorf("under way after node b: %q, want a, which kept its place", got)
			}
		})
	}
}

func TestAZoneIsBegunOnlyWhenNoOtherIsUnderWayWhateverGatesSay(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z2"), newPolicy("p", maxUnavailable("3"), capacityRequired(), podsOf("ci")))...)
	s.says(GatePods, "ci", GateAnswer{})
	s.says(GateCapacity, "", GateAnswer{Nodes: map[string]string{"a": "", "b": "", "c": ""}})
	s.says(GateCapacity, "a", GateAnswer{Nodes: map[string]string{"b": "No room.", "c": ""}})
	s.settle()
	if got := s.underWay(); got != "a" {
		t.Errorf("under way: %q, want a alone", got)
	}
	if got := s.reboot("rc").Status.Reason; got != v1alpha1.ReasonZoneBusy {
		t.Errorf("node c of the other zone waits for %s", got)
	}
	if got := s.reboot("rb").Status.Reason; got != v1alpha1.ReasonInsufficientCapacity {
		t.Errorf("node b waits for %s", got)
	}
}

func TestGatesAreAskedOnlyForWhatCouldStart(t *testing.T) {
	all := []policyOption{
		podsOf("ci"), queryOf("q", v1alpha1.Require), alertmanagerOf("am"), objectsOf("o"), capacityRequired(), recoveryOf("r"),
	}
	for name, tc := range map[string]struct {
		event func(*story)
		want  []string
	}{
		// Capacity is asked when the others have passed, because it is dear.
		"a node that could start":     {nil, []string{"gates.alertmanager am", "gates.objects o", "gates.pods ci", "gates.prometheus q"}},
		"nothing waits":               {func(s *story) { s.Reboots = nil }, nil},
		"a paused policy":             {paused, nil},
		"a node without a helper":     {func(s *story) { s.node("a").HelperReady = false }, nil},
		"a budget that is exhausted":  {func(s *story) { s.editPolicy("p", maxUnavailable("0")) }, []string{"gates.pods ci"}},
		"a policy that only observes": {observed, []string{"gates.alertmanager am", "gates.objects o", "gates.pods ci", "gates.prometheus q"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p", all...), newNode("a", "z1"), newReboot("ra", "a"))
			s.says(GatePods, "ci", GateAnswer{})
			if tc.event != nil {
				tc.event(s)
			}
			var got []string
			for _, ask := range s.pass().Queries {
				got = append(got, strings.TrimSpace(string(ask.Kind)+" "+ask.Gate))
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRoomIsAskedForTheNodesInTheirOrderAndAnewAfterEachStart(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z1"), newPolicy("p", maxUnavailable("2"), capacityRequired()))...)
	for i, name := range []string{"rc", "rb", "ra"} {
		requiredFor(time.Duration(10-i) * time.Hour)(s.reboot(name))
	}
	s.says(GateCapacity, "", GateAnswer{Nodes: map[string]string{"c": ""}})
	s.says(GateCapacity, "c", GateAnswer{Nodes: map[string]string{"b": "No room.", "a": ""}})
	var asked []GateQuery
	for _, ask := range s.compute().Queries {
		asked = append(asked, GateQuery{GateKey: GateKey{Kind: ask.Kind, About: ask.About}, Nodes: ask.Nodes})
	}
	want := []GateQuery{
		{GateKey: GateKey{Kind: GateCapacity}, Nodes: []string{"c", "b", "a"}},
		{GateKey: GateKey{Kind: GateCapacity, About: "c"}, Nodes: []string{"b", "a"}},
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	s.settle()
	if got := s.underWay(); got != "a c" {
		t.Errorf("under way: %q, want a and c", got)
	}
}

func TestNoRoomIsNeededWhereNothingIsEvicted(t *testing.T) {
	skip := spec(func(s *v1alpha1.RebootPolicySpec) { s.Drain.Mode = v1alpha1.DrainModeSkip })
	s := newStory(t, append(fleet("a/z1"), newPolicy("p", capacityRequired(), skip))...)
	if asked := s.compute().Queries; len(asked) != 0 {
		t.Errorf("asked %v", asked)
	}
	s.settle()
	if got := s.underWay(); got != "a" {
		t.Errorf("under way: %q, want a", got)
	}
}

func TestOnlyTheFirstNodeInLineIsToldWhatIsInTheWayOfAll(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", queryOf("q", v1alpha1.Require)))...)
	s.says(GatePrometheus, "q", GateAnswer{Obstacle: "Row 1."})
	s.settle()
	s.says(GatePrometheus, "q", GateAnswer{Obstacle: "Row 2."})
	p := s.pass()
	if len(p.Work) != 1 || len(p.Work[0].Reboots) != 1 || p.Work[0].Reboots[0].Object.Name != "ra" {
		t.Errorf("another answer writes %s, want NodeReboot ra alone", describe(p))
	}
	if got := s.reboot("rb").Status; got.Reason != v1alpha1.ReasonBlockedByQuery || !strings.Contains(got.Message, "RebootPolicy p") {
		t.Errorf("the second node says %s %q", got.Reason, got.Message)
	}
}

func TestAPolicyThatDoesNotCompileIsStalledAndStartsNothing(t *testing.T) {
	s := newStory(t, newPolicy("p", objectsOf("o")), newNode("a", "z1"), newReboot("ra", "a"))
	s.Invalid = map[string]string{"p": "gates.objects o: ERROR: undeclared reference"}
	s.says(GateObjects, "o", GateAnswer{})
	s.settle()
	if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonPolicyInvalid || !strings.Contains(got.Message, "undeclared reference") {
		t.Errorf("%s %q", got.Reason, got.Message)
	}
	for _, c := range s.policy("p").Status.Conditions {
		if c.Type == v1alpha1.ConditionStalled && strings.Contains(c.Message, "undeclared reference") {
			return
		}
	}
	t.Errorf("conditions %v", s.policy("p").Status.Conditions)
}

// TestASlotIsFreedWhenTheObjectsAreAsTheyHaveToBe is ask 1.
func TestASlotIsFreedWhenTheObjectsAreAsTheyHaveToBe(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", recoveryOf("ceph")))...)
	s.settle()
	s.answer("ra", v1alpha1.OrderDone, "")
	s.settle()
	s.boot("a", 2)
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.says(GateRecovery, "ceph", GateAnswer{Obstacle: "CephCluster is not healthy."})
	s.settle()
	got := s.summary("ra")
	if got.Phase != v1alpha1.PhaseRecovering || got.Reason != v1alpha1.ReasonRecoveryGateFailing || got.Cordoned || s.underWay() != "a" {
		t.Fatalf("%+v, under way %q; want node a recovering and schedulable", got, s.underWay())
	}
	s.says(GateRecovery, "ceph", GateAnswer{})
	s.settle()
	if got := s.summary("ra"); got.Outcome != v1alpha1.OutcomeSucceeded || s.underWay() != "b" {
		t.Errorf("%+v, under way %q; want a success, and node b to start", got, s.underWay())
	}
}

func TestWaitingForObjectsAfterARebootRunsOutOfTime(t *testing.T) {
	s := newStory(t, append(fleet("a/z1"), newPolicy("p", recoveryOf("ceph")))...)
	s.settle()
	s.answer("ra", v1alpha1.OrderDone, "")
	s.settle()
	s.boot("a", 2)
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.says(GateRecovery, "ceph", GateAnswer{Failure: "it cannot be read.", Since: start})
	s.settle()
	s.advance(30 * time.Minute)
	status := s.reboot("ra").Status
	if status.Reason != v1alpha1.ReasonRecoveryTimedOut || !strings.Contains(status.Message, "it cannot be read") {
		t.Errorf("%s %q", status.Reason, status.Message)
	}
	s.says(GateRecovery, "ceph", GateAnswer{})
	s.settle()
	if got := s.summary("ra"); got.Outcome != v1alpha1.OutcomeSucceeded {
		t.Errorf("%+v after the object was repaired", got)
	}
}

func TestAnAnswerAboutAnOlderSpecSaysNothing(t *testing.T) {
	s := newStory(t, newPolicy("p", queryOf("q", v1alpha1.Require)), newNode("a", "z1"), newReboot("ra", "a"))
	s.Answers = map[GateKey]GateAnswer{{Policy: "p", Generation: 0, Kind: GatePrometheus, Gate: "q"}: {}}
	s.settle()
	if got := s.summary("ra"); got.Reason != v1alpha1.ReasonGatePending {
		t.Errorf("%+v, want one that waits for an answer", got)
	}
}

func TestAGroupNeedsRoomAsAWholeAndOneWithoutRoomHoldsUpNoOtherZone(t *testing.T) {
	byRack := spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Group = &v1alpha1.GroupSpec{Label: "rack", MaxSize: 2} })
	s := newStory(t, append(fleet("a/z1 b/z1 c/z2"), newPolicy("p", capacityRequired(), byRack))...)
	for _, node := range []string{"a", "b"} {
		s.relabel(node, func(labels map[string]string) { labels["rack"] = "r1" })
	}
	s.says(GateCapacity, "b", GateAnswer{Nodes: map[string]string{"a": "No room for node b besides node a."}})
	s.says(GateCapacity, "", GateAnswer{Nodes: map[string]string{"c": ""}})
	s.settle()
	if got := s.underWay(); got != "c" {
		t.Errorf("under way: %q, want c alone", got)
	}
	s.prove("c")
	s.says(GateCapacity, "b", GateAnswer{Nodes: map[string]string{"a": ""}})
	s.settle()
	if got := s.underWay(); got != "a b" {
		t.Errorf("under way: %q, want a and b, which are a group", got)
	}
}
