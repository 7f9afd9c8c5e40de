package plan

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func relabeled(pool string) func(*story) {
	return func(s *story) { s.node("blue1").Labels["pool"] = pool }
}

// tell tells the host of a node that is under way to reboot.
func (s *story) tell(node string) {
	s.answer("r"+node, v1alpha1.OrderDone, "")
	s.settle()
	s.answer("r"+node, v1alpha1.OrderStarted, "")
	s.settle()
	s.node(node).Ready = false
	s.settle()
}

func TestAnAttemptCountsForThePolicyAndZoneThatGrantedIt(t *testing.T) {
	for name, tc := range map[string]struct {
		event func(*story)
		p, q  []policyOption
		want  string
	}{
		"a node that leaves every policy":              {relabeled("none"), nil, []policyOption{mode(v1alpha1.ModePaused)}, "blue1"},
		"a node that goes to another policy":           {relabeled("green"), nil, nil, "blue1"},
		"a node that moves to another zone":            {func(s *story) { s.node("blue1").Labels[zoneLabel] = "z2" }, nil, []policyOption{mode(v1alpha1.ModePaused)}, "blue1"},
		"a limit of 2 counts it and lets one more go":  {relabeled("none"), []policyOption{maxUnavailable("2"), anyOrder()}, []policyOption{mode(v1alpha1.ModePaused)}, "blue1 blue2"},
		"the limit of the policy that it goes to, too": {relabeled("green"), []policyOption{anyOrder()}, []policyOption{anyOrder()}, "blue1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := twoPools(t, tc.p, append([]policyOption{mode(v1alpha1.ModePaused)}, tc.q...))
			s.Reboots = s.Reboots[:1] // that of blue1
			s.settle()
			s.tell("blue1")
			tc.event(s)
			s.editPolicy("q", mode(v1alpha1.ModeEnforce))
			s.editPolicy("q", tc.q...)
			for _, node := range []string{"blue2", "green1", "green2"} {
				s.Reboots = append(s.Reboots, newReboot("r"+node, node))
			}
			s.settle()
			if got := s.underWay(); got != tc.want {
				t.Errorf("under way %q, want %q; reasons %v", got, tc.want, s.reasons())
			}
			if status := s.reboot("rblue1").Status; status.PolicyName != "p" || status.Zone != "z1" {
				t.Errorf("the attempt belongs to policy %q, zone %q", status.PolicyName, status.Zone)
			}
		})
	}
}

func TestTheRecoveryRulesAreThoseOfThePolicyThatGrantedTheAttempt(t *testing.T) {
	s := twoPools(t, []policyOption{spec(func(s *v1alpha1.RebootPolicySpec) { s.Recovery.SettleSeconds = seconds32(60) })}, nil)
	s.Reboots = s.Reboots[:1]
	s.settle()
	s.tell("blue1")
	relabeled("green")(s)
	s.boot("blue1", 2)
	s.comeBack("rblue1", v1alpha1.SentinelNotRequired)
	s.settle()
	if got := s.reboot("rblue1").Status.Reason; got != v1alpha1.ReasonSettling {
		t.Errorf("reason %s", got)
	}
}

func seconds32(s int32) *int32 { return &s }

func TestADrainIsRolledBackWhenItsNodeLeavesThePolicy(t *testing.T) {
	s := twoPools(t, nil, []policyOption{mode(v1alpha1.ModePaused)})
	s.Reboots = s.Reboots[:1]
	s.settle()
	relabeled("green")(s)
	s.settle()
	status := s.reboot("rblue1").Status
	if status.Attempt.Result != v1alpha1.ReasonNotSelected || status.PolicyName != "q" {
		t.Errorf("%s, now of policy %q", status.Attempt.Result, status.PolicyName)
	}
}

// unselecting is a policy whose own label takes its nodes away from it.
func unselecting(during map[string]v1alpha1.LabelValue) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Nodes = v1alpha1.NodesSelected
		s.NodeSelector = &v1alpha1.LabelSelector{MatchExpressions: []v1alpha1.LabelRequirement{
			{Key: "maintenance", Operator: metav1.LabelSelectorOpDoesNotExist},
		}}
		s.NodeLabels = &v1alpha1.NodeLabels{During: during}
	})
}

func TestAPolicyWhoseOwnLabelsMoveItsNodesIsInvalid(t *testing.T) {
	for name, tc := range map[string]struct {
		options []policyOption
		want    string
	}{
		"out of the policy": {[]policyOption{unselecting(map[string]v1alpha1.LabelValue{"maintenance": "yes"})}, "takes the nodes out of the policy's own nodeSelector"},
		"to another zone": {[]policyOption{unselecting(map[string]v1alpha1.LabelValue{"rack": "none"}), spec(func(s *v1alpha1.RebootPolicySpec) {
			s.Rollout.Zones.TopologyKey = "rack"
		})}, "nodeLabels.during[rack]: it moves the nodes to another zone"},
		"to another group": {[]policyOption{unselecting(map[string]v1alpha1.LabelValue{"rack": "none"}), spec(func(s *v1alpha1.RebootPolicySpec) {
			s.Rollout.Group = &v1alpha1.GroupSpec{Label: "rack", MaxSize: 2}
		})}, "nodeLabels.during[rack]: it moves the nodes to another group"},
		"nowhere": {[]policyOption{unselecting(map[string]v1alpha1.LabelValue{"state": "rebooting"})}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", tc.options...))...)
			s.settle()
			ready := s.policy("p").Status.Conditions[0]
			if invalid := ready.Reason == v1alpha1.ReasonPolicyInvalid; invalid != (tc.want != "") || !strings.Contains(ready.Message, tc.want) {
				t.Errorf("%s %q, want %q", ready.Reason, ready.Message, tc.want)
			}
			if started := s.underWay() != ""; started != (tc.want == "") {
				t.Errorf("under way %q", s.underWay())
			}
		})
	}
}

func TestThePolicysOwnLabelsNeverTakeAnAttemptAway(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", priority(1)), newPolicy("q", priority(9), selecting("maintenance", "yes")))...)
	s.editPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) {
		s.NodeLabels = &v1alpha1.NodeLabels{During: map[string]v1alpha1.LabelValue{"maintenance": "yes"}}
	}))
	s.settle()
	s.advance(time.Minute)
	if status := s.reboot("ra").Status; s.node("a").Labels["maintenance"] != "yes" || s.underWay() != "a" || status.Attempt.Number != 1 {
		t.Errorf("labels %v, under way %q, %s", s.node("a").Labels, s.underWay(), status.Reason)
	}
}

func TestAPolicyCountsNodesThatComeToItByItsOwnGroups(t *testing.T) {
	s := newStory(t, append(fleet("a1/z1 a2/z1 c/z1"), newPolicy("p", grouped(), selecting("pool", "p"), anyOrder()),
		newPolicy("q", selecting("pool", "q"), maxUnavailable("2"), anyOrder(), mode(v1alpha1.ModePaused)))...)
	s.byGroups()
	for node, pool := range map[string]string{"a1": "p", "a2": "p", "c": "q"} {
		s.node(node).Labels["pool"] = pool
	}
	s.settle()
	for _, node := range []string{"a1", "a2"} {
		s.tell(node)
	}
	for _, node := range []string{"a1", "a2"} {
		s.node(node).Labels["pool"] = "q"
	}
	s.editPolicy("q", mode(v1alpha1.ModeEnforce))
	s.settle()
	if got := s.underWay(); got != "a1 a2" {
		t.Errorf("under way %q: one group of p is two nodes of q, which allows no more", got)
	}
}

func TestAPolicyCountsNodesThatComeToItByTheZoneThatTheyAreIn(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z2"), newPolicy("p", selecting("pool", "p")),
		newPolicy("q", selecting("pool", "q"), maxUnavailable("9"), perZone("1"), anyOrder(), mode(v1alpha1.ModePaused)))...)
	for node, pool := range map[string]string{"a": "p", "b": "q", "c": "q"} {
		s.node(node).Labels["pool"] = pool
	}
	s.settle()
	s.tell("a")
	s.node("a").Labels["pool"], s.node("a").Labels[zoneLabel] = "q", "z2"
	s.editPolicy("q", mode(v1alpha1.ModeEnforce))
	s.settle()
	if got := s.underWay(); got != "a b" {
		t.Errorf("under way %q, reasons %v", got, s.reasons())
	}
}

func TestAnAttemptThatWasGrantedInNoZoneStaysThereWhateverLabelItsNodeGets(t *testing.T) {
	s := newStory(t, append(fleet("a b/z1"), newPolicy("p", maxUnavailable("2")))...)
	s.Reboots = s.Reboots[:1]
	s.settle()
	s.tell("a")
	s.relabel("a", func(labels map[string]string) { labels[zoneLabel] = "z1" })
	s.Reboots = append(s.Reboots, newReboot("rb", "b"))
	s.settle()
	if got := s.underWay(); got != "a" {
		t.Errorf("under way %q: the nodes without a zone are not done; reasons %v", got, s.reasons())
	}
}

func TestANodeThatCameFromAnotherPolicyIsNamedWhereItTakesUpTheLimit(t *testing.T) {
	s := twoPools(t, []policyOption{anyOrder()}, []policyOption{mode(v1alpha1.ModePaused), anyOrder()})
	s.Reboots = s.Reboots[:1] // that of blue1
	s.settle()
	s.tell("blue1")
	relabeled("green")(s)
	s.editPolicy("q", mode(v1alpha1.ModeEnforce))
	s.Reboots = append(s.Reboots, newReboot("rgreen1", "green1"))
	s.settle()
	const want = "Unavailable: blue1 of RebootPolicy p (reboot under way)."
	if status := s.reboot("rgreen1").Status; status.Reason != v1alpha1.ReasonBudgetExhausted || !strings.Contains(status.Message, want) {
		t.Errorf("%s: %s", status.Reason, status.Message)
	}
}
