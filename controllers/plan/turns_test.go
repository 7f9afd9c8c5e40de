package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func controlPlaneFirst() policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.ControlPlane = v1alpha1.ControlPlaneFirst })
}

// rollOut proves whatever is under way until nothing is, and returns who was under way together.
func rollOut(s *story) []string {
	s.t.Helper()
	var together []string
	for range 50 {
		s.settle()
		now := s.underWay()
		if now == "" {
			return together
		}
		together = append(together, now)
		for node := range strings.FieldsSeq(now) {
			s.prove(node)
		}
	}
	s.t.Fatalf("the rollout does not end: %v", together)
	return nil
}

func TestNodesGoInTurns(t *testing.T) {
	cases := map[string]struct {
		policy *v1alpha1.RebootPolicy
		nodes  string
		want   []string
	}{
		"zones go one at a time by name, nodes without a zone last": {
			policy: newPolicy("p", maxUnavailable("2")), nodes: "a/z3 b/z1 c/z2 d/ e/z1 f/z1 g/z3",
			want: []string{"b e", "f", "c", "a g", "d"},
		},
		"zones go in the order of the policy, the others after them by name": {
			policy: newPolicy("p", maxUnavailable("9"), zoneOrder("z3", "z9", "z2")), nodes: "a/z1 b/z2 c/z3 d/z0 e/",
			want: []string{"c", "b", "d", "a", "e"},
		},
		"in any order all zones go together": {
			policy: newPolicy("p", maxUnavailable("2"), anyOrder()), nodes: "a/z3 b/z1 c/z2", want: []string{"a b", "c"},
		},
		"the control plane goes last, one by one": {
			policy: newPolicy("p", maxUnavailable("9"), anyOrder()), nodes: "+a/z1 +b/z1 c/z1 d/z2", want: []string{"c d", "a", "b"},
		},
		"the control plane goes first, one by one": {
			policy: newPolicy("p", maxUnavailable("9"), anyOrder(), controlPlaneFirst()), nodes: "+a/z1 +b/z1 c/z1 d/z2",
			want: []string{"a", "b", "c d"},
		},
		"the control plane goes through the zones, too": {
			policy: newPolicy("p", maxUnavailable("9")), nodes: "+a/z2 +b/z1 c/z2 d/z1", want: []string{"d", "c", "a", "b"},
		},
		"only a control plane": {policy: newPolicy("p", maxUnavailable("9")), nodes: "+a/z1 +b/z2", want: []string{"a", "b"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet(tc.nodes), tc.policy)...)
			if diff := cmp.Diff(tc.want, rollOut(s)); diff != "" {
				t.Errorf("under way together (-want +got):\n%s", diff)
			}
		})
	}
}

func TestZoneSoaksBeforeTheNext(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z2"), newPolicy("p", soak(600)))...)
	if diff := cmp.Diff([]string{"a", "b"}, rollOut(s)); diff != "" {
		t.Errorf("under way before the soak (-want +got):\n%s", diff)
	}
	if sum := s.summary("rc"); sum.Reason != v1alpha1.ReasonZoneSoaking || !sum.Tainted {
		t.Errorf("the next zone: %+v", sum)
	}
	s.advance(599 * time.Second)
	if got := s.underWay(); got != "" {
		t.Errorf("under way during the soak: %s", got)
	}
	s.advance(time.Second)
	if got := s.underWay(); got != "c" {
		t.Errorf("under way after the soak: %q", got)
	}
}

func TestZoneIsFinishedBeforeTheNext(t *testing.T) {
	s := newStory(t, append(fleet("a/z2 b/z2"), newNode("c", "z1"), newPolicy("p"))...)
	s.settle()
	s.advance(time.Minute)
	s.Reboots = append(s.Reboots, newReboot("rc", "c"))
	s.Pods["c"] = nil
	if diff := cmp.Diff([]string{"a", "b", "c"}, rollOut(s)); diff != "" {
		t.Errorf("an earlier zone that asks later waits until the zone that has its turn is finished (-want +got):\n%s", diff)
	}
}

func TestNodesThatAskLaterDoNotKeepAZoneGoing(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z2"), newNode("c", "z1"), newPolicy("p", zoneOrder("z2", "z1")))...)
	s.editPolicy("p", zoneOrder("z1", "z2"))
	s.settle()
	s.editPolicy("p", zoneOrder("z2", "z1"))
	s.prove("a")
	s.Reboots = append(s.Reboots, newReboot("rc", "c", requiredFor(-time.Minute)))
	s.now = s.now.Add(2 * time.Minute)
	if got := s.underWay(); got != "b" {
		t.Errorf("under way: %q, want the next zone", got)
	}
}

func TestNodeThatWaitsForItselfHoldsUpNobody(t *testing.T) {
	waits := map[string]func(*story){
		"it backs off": func(s *story) { failedBefore(1, 0)(s.reboot("ra")) },
		"it is down":   func(s *story) { s.node("a").Ready = false },
		"its helper":   func(s *story) { s.node("a").HelperReady = false },
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z2"), newPolicy("p", maxUnavailable("2")))...)
			wait(s)
			s.settle()
			if got := s.underWay(); got != "b" {
				t.Errorf("under way: %q", got)
			}
		})
	}
}

func TestControlPlaneNodeThatWaitsForItsQuorumHoldsUpNobody(t *testing.T) {
	s := newStory(t, append(fleet("+a/z1 b/z2"), newPolicy("p", maxUnavailable("9"), controlPlaneFirst()),
		newNode("c", "z3", controlPlane, notReady))...)
	s.settle()
	if got := s.underWay(); got != "b" {
		t.Errorf("under way: %q", got)
	}
}

func TestNodesOfSeveralZonesUnderWayBlockAllZones(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z2 c/z1"), newPolicy("p", maxUnavailable("9"), anyOrder()))...)
	s.Reboots = s.Reboots[:2]
	s.settle()
	s.Reboots = append(s.Reboots, newReboot("rc", "c"))
	s.editPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Zones.Strategy = v1alpha1.ZonesOneAtATime }))
	s.settle()
	status := s.reboot("rc").Status
	want := "Nodes of several zones are under way: z1, z2. Under way: a, b."
	if status.Reason != v1alpha1.ReasonZoneBusy || status.Message != want {
		t.Errorf("%s %q, want %q", status.Reason, status.Message, want)
	}
	s.prove("b")
	if got := s.underWay(); got != "a c" {
		t.Errorf("under way after one zone is free: %q", got)
	}
}

// twoPools are two policies, p for pool blue and q for pool green, and a node of each in both zones.
func twoPools(t *testing.T, p, q []policyOption) *story {
	t.Helper()
	s := newStory(t, append(fleet("blue1/z1 blue2/z2 green1/z1 green2/z2"),
		newPolicy("p", append(p, selecting("pool", "blue"))...), newPolicy("q", append(q, selecting("pool", "green"))...))...)
	for i := range s.Nodes {
		s.Nodes[i].Labels["pool"] = strings.TrimRight(s.Nodes[i].Name, "12")
	}
	return s
}

func TestPoliciesShareTheirZones(t *testing.T) {
	backwards := zoneOrder("z2", "z1")
	cases := map[string]struct {
		p, q []policyOption
		want []string
	}{
		"of the same order": {want: []string{"blue1 green1", "blue2 green2"}},
		"of opposite orders, the first by precedence leads": {
			q: []policyOption{backwards}, want: []string{"blue1 green1", "blue2 green2"},
		},
		"of opposite orders, the higher priority leads": {
			q: []policyOption{backwards, priority(1)}, want: []string{"blue2 green2", "blue1 green1"},
		},
		"unless one takes zones in any order": {q: []policyOption{anyOrder()}, want: []string{"blue1 green1", "blue2 green2"}},
		"unless their zones are not the same": {
			p:    []policyOption{backwards},
			q:    []policyOption{spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Zones.TopologyKey = "kubernetes.io/hostname" })},
			want: []string{"blue2 green1", "blue1 green2"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, rollOut(twoPools(t, tc.p, tc.q))); diff != "" {
				t.Errorf("under way together (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanAsksForPodsOfOneZoneOnly(t *testing.T) {
	s := twoPools(t, nil, []policyOption{zoneOrder("z2", "z1")})
	s.Pods = nil
	if diff := cmp.Diff([]string{"blue1", "green1"}, Compute(s.Snapshot, s.now).NeedPods); diff != "" {
		t.Errorf("asks (-want +got):\n%s", diff)
	}
}

func TestSoakHoldsAlthoughAnotherPolicyIsInTheNextZone(t *testing.T) {
	s := twoPools(t, []policyOption{soak(300)}, nil)
	s.Reboots = slices.DeleteFunc(s.Reboots, func(r *v1alpha1.NodeReboot) bool { return r.Name == "rgreen1" })
	s.settle()
	s.prove("blue1")
	if got := s.underWay(); got != "green2" {
		t.Errorf("under way: %q, want only the policy that has no soak", got)
	}
	if got := s.reboot("rblue2").Status.Reason; got != v1alpha1.ReasonZoneSoaking {
		t.Errorf("reason %s", got)
	}
	s.advance(5 * time.Minute)
	if got := s.underWay(); got != "blue2 green2" {
		t.Errorf("under way after the soak: %q", got)
	}
}

func TestControlPlaneKeepsItsQuorum(t *testing.T) {
	cases := map[string]func(*story){
		"another one is not Ready":  func(s *story) { s.node("b").Ready = false },
		"another one is under way":  func(s *story) { s.Slots["b"] = Slot{Reboot: "elsewhere", UID: "elsewhere", Attempt: 1} },
		"another policy's is down":  func(s *story) { s.node("other").Ready = false },
		"one of no policy is down":  func(s *story) { s.node("free").Ready = false },
		"several of them are down ": func(s *story) { s.node("b").Ready, s.node("free").Ready = false, false },
	}
	for name, event := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("+a/z1 +b/z1 +other/z1 +free/z1"), newPolicy("p", maxUnavailable("9"), selecting("pool", "p")),
				newPolicy("q", selecting("pool", "q"), mode(v1alpha1.ModePaused)))...)
			s.node("a").Labels["pool"], s.node("b").Labels["pool"], s.node("other").Labels["pool"] = "p", "p", "q"
			event(s)
			s.settle()
			if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonControlPlaneNotReady {
				t.Errorf("reason %s", got)
			}
		})
	}
}

func TestZoneThatIsShownIsThatOfTheLastLook(t *testing.T) {
	s := twoPools(t, []policyOption{objectsOf("g")}, nil)
	for i := range s.Nodes {
		s.Nodes[i].Labels[v1alpha1.ControlPlaneLabel] = ""
	}
	s.says(GateObjects, "g", GateAnswer{Obstacle: unhealthyCeph})
	s.settle() // fails if policy p shows the zone that had its turn before a control-plane node of q started
	if got := s.underWay(); got != "green1" {
		t.Fatalf("under way: %q", got)
	}
	if got := s.Policies[0].Status.CurrentZone; got != "" {
		t.Errorf("policy %s shows zone %q, and none of its nodes can go", s.Policies[0].Name, got)
	}
}
