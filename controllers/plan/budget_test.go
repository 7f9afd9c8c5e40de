package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func perZone(limit string) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Rollout.Zones.MaxUnavailablePerZone = ptr.To(intstr.Parse(limit))
	})
}

func TestLimitsHold(t *testing.T) {
	// Five nodes need a reboot: three in zone z1 and two in z2.
	const nodes = "a/z1 b/z1 c/z1 d/z2 e/z2"
	cordoned := func(s *story) { s.node("e").Unschedulable = true }
	cases := map[string]struct {
		policy  []policyOption
		cluster string
		event   func(*story)
		want    string
	}{
		"a number":                              {policy: []policyOption{maxUnavailable("2")}, want: "a b"},
		"a percentage of the policy's nodes":    {policy: []policyOption{maxUnavailable("40%")}, want: "a b"},
		"a percentage that is less than a node": {policy: []policyOption{maxUnavailable("19%")}, want: ""},
		"zero":                                  {policy: []policyOption{maxUnavailable("0")}, want: ""},
		"no more nodes than there are":          {policy: []policyOption{maxUnavailable("100")}, want: "a b c d e"},
		"nodes that are not Ready count":        {policy: []policyOption{maxUnavailable("2")}, event: func(s *story) { s.node("e").Ready = false }, want: "a"},
		"a node without a need counts":          {policy: []policyOption{maxUnavailable("2")}, event: func(s *story) { s.Nodes = append(s.Nodes, newNode("f", "z2", notReady)) }, want: "a"},
		"cordoned nodes count":                  {policy: []policyOption{maxUnavailable("2")}, event: func(s *story) { s.node("e").Unschedulable = true }, want: "a e"},
		"a node that is down already may go":    {policy: []policyOption{maxUnavailable("1")}, event: func(s *story) { s.node("c").Unschedulable = true }, want: "c"},
		"but not where too many are down":       {policy: []policyOption{maxUnavailable("1")}, event: func(s *story) { s.node("b").Unschedulable, s.node("c").Unschedulable = true, true }, want: ""},
		"grants that nobody has used count":     {policy: []policyOption{maxUnavailable("2")}, event: granted("e"), want: "a"},
		"a node counts once":                    {policy: []policyOption{maxUnavailable("2")}, event: func(s *story) { granted("e")(s); s.node("e").Ready, s.node("e").Unschedulable = false, true }, want: "a"},
		"the limit of a zone":                   {policy: []policyOption{maxUnavailable("5"), perZone("1")}, want: "a d"},
		"the limit of a zone counts cordons":    {policy: []policyOption{maxUnavailable("5"), perZone("2")}, event: cordoned, want: "a b d e"},
		"the limit of a zone in percent":        {policy: []policyOption{maxUnavailable("5"), perZone("67%")}, want: "a b d"},
		"that is less than a node somewhere":    {policy: []policyOption{maxUnavailable("5"), perZone("34%")}, want: "a"},
		"all of a zone":                         {policy: []policyOption{maxUnavailable("5"), perZone("100%")}, want: "a b c d e"},
		"the limit of a zone may be zero":       {policy: []policyOption{maxUnavailable("5"), perZone("0")}, want: ""},
		"the limit of the cluster":              {policy: []policyOption{maxUnavailable("5")}, cluster: "2", want: "a b"},
		"the limit of the cluster in percent":   {policy: []policyOption{maxUnavailable("5")}, cluster: "60%", want: "a b c"},
		"the limit of the cluster may be zero":  {policy: []policyOption{maxUnavailable("5")}, cluster: "0", want: ""},
		"a limit that makes no sense is zero":   {policy: []policyOption{maxUnavailable("5")}, cluster: "some", want: ""},
		"nodes of no policy count for the cluster": {
			policy: []policyOption{maxUnavailable("5"), selecting("pool", "p")}, cluster: "2", want: "a",
			event: func(s *story) {
				for i := range s.Nodes {
					s.Nodes[i].Labels["pool"] = "p"
				}
				s.Nodes = append(s.Nodes, newNode("f", "z2", notReady))
			},
		},
		"nodes of no policy do not count for a policy": {
			policy: []policyOption{maxUnavailable("1"), selecting("pool", "p")}, want: "a",
			event: func(s *story) {
				s.node("a").Labels["pool"] = "p"
				s.node("b").Ready = false
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet(nodes), newPolicy("p", append(tc.policy, anyOrder())...))...)
			if tc.cluster != "" {
				s.ClusterMaxUnavailable = ptr.To(intstr.Parse(tc.cluster))
			}
			if tc.event != nil {
				tc.event(s)
			}
			s.settle()
			if got := s.underWay(); got != tc.want {
				t.Errorf("under way: %q, want %q", got, tc.want)
			}
		})
	}
}

func TestANodeInAZoneThatALimitLeavesNoNodeOfSaysSo(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z1 d/z2 e/z2"), newPolicy("p", maxUnavailable("5"), perZone("34%"), anyOrder()))...)
	s.settle()
	want := "maxUnavailablePerZone of RebootPolicy p is 34%, which is 0 of 2 nodes or groups in zone z2: nothing starts. " +
		"Write a larger value to let nodes start."
	if status := s.reboot("rd").Status; status.Reason != v1alpha1.ReasonZoneBudgetExhausted || status.Message != want {
		t.Errorf("%s: %q, want %q", status.Reason, status.Message, want)
	}
	if status := s.reboot("rb").Status; status.Reason != v1alpha1.ReasonZoneBudgetExhausted ||
		!strings.HasPrefix(status.Message, "No more than 1 node of zone z1 may be unavailable.") {
		t.Errorf("%s: %q", status.Reason, status.Message)
	}
}

// granted is a slot that another manager granted, of a NodeReboot that this one has not seen yet.
func granted(node string) func(*story) {
	return func(s *story) { s.Slots[node] = Slot{Reboot: "unseen", UID: "unseen", Attempt: 1} }
}

func TestGrantOfANodeThatIsNotKnownYetCounts(t *testing.T) {
	for name, options := range map[string][]policyOption{
		"against the limit": {maxUnavailable("1"), anyOrder()},
		"against the zones": {maxUnavailable("2")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", options...))...)
			granted("unseen")(s)
			s.settle()
			if got := s.underWay(); got != "" {
				t.Errorf("under way: %q, besides a node of which neither zone nor policy is known", got)
			}
		})
	}
}

func TestLimitOfTheClusterHoldsAcrossPolicies(t *testing.T) {
	s := twoPools(t, []policyOption{maxUnavailable("2"), anyOrder()}, []policyOption{maxUnavailable("2"), anyOrder(), priority(1)})
	s.ClusterMaxUnavailable = ptr.To(intstr.FromInt32(3))
	s.settle()
	if got, want := s.underWay(), "blue1 green1 green2"; got != want {
		t.Errorf("under way: %q, want %q: the higher priority first", got, want)
	}
}

func TestPolicyThatObservesShowsWhatWouldGo(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z2"), newPolicy("p", mode(v1alpha1.ModeObserve)))...)
	s.settle()
	want := map[string]string{"ra": v1alpha1.ReasonObserving, "rb": v1alpha1.ReasonBudgetExhausted, "rc": v1alpha1.ReasonZoneBusy}
	if diff := cmp.Diff(want, s.reasons()); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

func TestPolicyThatObservesTakesNothingFromTheOthers(t *testing.T) {
	s := twoPools(t, []policyOption{mode(v1alpha1.ModeObserve), priority(1)}, nil)
	s.ClusterMaxUnavailable = ptr.To(intstr.FromInt32(1))
	s.settle()
	if got := s.underWay(); got != "green1" {
		t.Errorf("under way: %q; what would go takes no place from what goes", got)
	}
}

func TestOnlyOneMessageNamesTheNodesInTheWay(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z1"), newPolicy("p"), newNode("d", "z1", notReady), newNode("e", "z1", notReady),
		newNode("f", "z1", cordonedByHand), newNode("g", "z1", cordonedByHand))...)
	s.settle()
	const message = "RebootPolicy p allows 1 unavailable node, and at least 1 is unavailable now."
	want := map[string]string{
		"ra": message + " Unavailable: d (not Ready), e (not Ready), f (cordoned), and 1 more.", "rb": message, "rc": message,
	}
	got := map[string]string{}
	for _, r := range s.Reboots {
		got[r.Name] = r.Status.Message
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestZeroIsExplained(t *testing.T) {
	s := newStory(t, append(fleet("a/z1"), newPolicy("p", maxUnavailable("10%")))...)
	s.settle()
	if got := s.reboot("ra").Status.Message; !strings.Contains(got, "maxUnavailable of RebootPolicy p is 10%, which is 0 of 1 node or group") {
		t.Errorf("message %q", got)
	}
}
