package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const groupLabel = "example.com/group"

func grouped() policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Rollout.Group = &v1alpha1.GroupSpec{Label: groupLabel, MaxSize: 5}
	})
}

// byGroups puts nodes whose names end in a digit into the group that the rest of their name is.
func (s *story) byGroups() {
	for i := range s.Nodes {
		if name := s.Nodes[i].Name; name != strings.TrimRight(name, "123456789") {
			s.relabel(name, func(labels map[string]string) { labels[groupLabel] = strings.TrimRight(name, "123456789") })
		}
	}
}

func TestGroupsGoAsOne(t *testing.T) {
	cases := map[string]struct {
		nodes   string
		options []policyOption
		cluster int32
		want    []string
	}{
		"one after the other":                       {nodes: "a1/z1 a2/z1 b1/z1 b2/z1 b3/z1", want: []string{"a1 a2", "b1 b2 b3"}},
		"nodes without a group by themselves":       {nodes: "a1/z1 a2/z1 b/z1 c/z1", want: []string{"a1 a2", "b", "c"}},
		"each as one against the limit":             {nodes: "a1/z1 a2/z1 b1/z1 b2/z1 c1/z1", options: []policyOption{maxUnavailable("2")}, want: []string{"a1 a2 b1 b2", "c1"}},
		"a percentage is one of groups":             {nodes: "a1/z1 a2/z1 a3/z1 b1/z1 b2/z1 b3/z1", options: []policyOption{maxUnavailable("50%")}, want: []string{"a1 a2 a3", "b1 b2 b3"}},
		"each as one against the limit of the zone": {nodes: "a1/z1 a2/z1 b1/z1", options: []policyOption{maxUnavailable("9"), perZone("1")}, want: []string{"a1 a2", "b1"}},
		"a percentage of a zone is one of groups":   {nodes: "a1/z1 a2/z1 b1/z1 b2/z1 c1/z1 d1/z1", options: []policyOption{maxUnavailable("9"), perZone("50%")}, want: []string{"a1 a2 b1 b2", "c1 d1"}},
		"as many nodes as the cluster allows":       {nodes: "a1/z1 a2/z1 b1/z1 b2/z1", options: []policyOption{maxUnavailable("9")}, cluster: 3, want: []string{"a1 a2", "b1 b2"}},
		"zone by zone":                              {nodes: "a1/z1 a2/z2 b1/z1", options: []policyOption{maxUnavailable("9")}, want: []string{"a1 b1", "a2"}},
		"across zones in any order":                 {nodes: "a1/z1 a2/z2 b1/z1", options: []policyOption{anyOrder()}, want: []string{"a1 a2", "b1"}},
		"without the control plane":                 {nodes: "+a1/z1 +a2/z1 a3/z1 a4/z1", want: []string{"a3 a4", "a1", "a2"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet(tc.nodes), newPolicy("p", append([]policyOption{grouped()}, tc.options...)...))...)
			s.byGroups()
			if tc.cluster > 0 {
				s.ClusterMaxUnavailable = ptr.To(intstr.FromInt32(tc.cluster))
			}
			if diff := cmp.Diff(tc.want, rollOut(s)); diff != "" {
				t.Errorf("under way together (-want +got):\n%s", diff)
			}
		})
	}
}

// A label that all nodes share makes one group of a whole cluster, which counts as one against any limit.
func TestAGroupThatIsTooLargeMakesItsPolicyInvalid(t *testing.T) {
	const most = 30
	groupsOf := func(label string, maxSize int32) policyOption {
		return spec(func(s *v1alpha1.RebootPolicySpec) {
			s.Rollout.Group = &v1alpha1.GroupSpec{Label: label, MaxSize: maxSize}
		})
	}
	var words []string
	for i := range most {
		words = append(words, fmt.Sprintf("n%02d/z1", i))
	}
	s := newStory(t, append(fleet(strings.Join(words, " ")), newPolicy("p", groupsOf(corev1.LabelOSStable, 5)))...)
	for i := range s.Nodes {
		s.relabel(s.Nodes[i].Name, func(labels map[string]string) { labels[corev1.LabelOSStable] = "linux" })
	}
	s.settle()
	for i := range s.Nodes {
		if s.Nodes[i].Unschedulable {
			t.Fatalf("node %s is cordoned; %d nodes are under way", s.Nodes[i].Name, len(strings.Fields(s.underWay())))
		}
	}
	want := "rollout.group: 30 nodes have the label kubernetes.io/os=linux, and maxSize is 5: write a larger maxSize if so many nodes " +
		"may be down at once, or the label of smaller groups"
	ready := s.policy("p").Status.Conditions[0]
	if ready.Reason != v1alpha1.ReasonPolicyInvalid || ready.Message != want {
		t.Errorf("condition %s: %s %q, want %q", ready.Type, ready.Reason, ready.Message, want)
	}
	if status := s.reboot("rn00").Status; status.Reason != v1alpha1.ReasonPolicyInvalid {
		t.Errorf("n00 waits with %s: %q", status.Reason, status.Message)
	}
	s.editPolicy("p", groupsOf(corev1.LabelOSStable, most))
	s.settle()
	if got := len(strings.Fields(s.underWay())); got != most {
		t.Errorf("%d nodes are under way where %d may be", got, most)
	}
}

func TestAGroupThatGrowsTooLargeIsRolledBack(t *testing.T) {
	s := newStory(t, append(fleet("a1/z1 a2/z1 a3/z1 a4/z1 a5/z1"), newPolicy("p", grouped()))...)
	s.byGroups()
	s.settle()
	if got := s.underWay(); got != "a1 a2 a3 a4 a5" {
		t.Fatalf("under way: %q", got)
	}
	s.Nodes = append(s.Nodes, newNode("a6", "z1"))
	s.byGroups()
	s.settle()
	for i := range s.Nodes {
		if s.Nodes[i].Unschedulable {
			t.Errorf("node %s is still cordoned", s.Nodes[i].Name)
		}
	}
	if status := s.reboot("ra1").Status; status.Reason != v1alpha1.ReasonPolicyInvalid {
		t.Errorf("a1 waits with %s: %q", status.Reason, status.Message)
	}
}

func TestTheLargestGroupIsNamedAndControlPlanesAreInNone(t *testing.T) {
	s := newStory(t, append(fleet("+a1/z1 +a2/z1 +a3/z1 b1/z1 b2/z1 b3/z1 c1/z1 c2/z1 c3/z2 c4/z2"), newPolicy("p", grouped(),
		spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Group.MaxSize = 2 })))...)
	s.byGroups()
	s.settle()
	want := "rollout.group: 3 nodes have the label " + groupLabel + "=b, and maxSize is 2"
	if got := s.policy("p").Status.Conditions[0].Message; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q: groups lie in one zone", got, want)
	}
	s.editPolicy("p", anyOrder())
	s.settle()
	want = "rollout.group: 4 nodes have the label " + groupLabel + "=c, and maxSize is 2"
	if got := s.policy("p").Status.Conditions[0].Message; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q: groups span zones", got, want)
	}
}

func TestGroupWaitsForAllOfItsNodesThatNeedAReboot(t *testing.T) {
	cases := map[string]struct {
		event func(*story)
		want  map[string]string
	}{
		"one has no helper": {
			func(s *story) { s.node("a2").HelperReady = false },
			map[string]string{"ra1": v1alpha1.ReasonGroupNotReady, "ra2": v1alpha1.ReasonHelperNotReady},
		},
		"one backs off": {
			func(s *story) { failedBefore(1, 0)(s.reboot("ra2")) },
			map[string]string{"ra1": v1alpha1.ReasonGroupNotReady, "ra2": v1alpha1.ReasonBackingOff},
		},
		"one is skipped, and is not waited for": {
			func(s *story) { skippedNode(s.node("a2")) },
			map[string]string{"ra1": v1alpha1.ReasonDraining, "ra2": v1alpha1.ReasonSkipped},
		},
		"one needs none": {
			func(s *story) { s.Reboots = s.Reboots[:1] },
			map[string]string{"ra1": v1alpha1.ReasonDraining},
		},
		"its nodes are more than the cluster may ever miss": {
			func(s *story) { s.ClusterMaxUnavailable = ptr.To(intstr.FromInt32(1)) },
			map[string]string{"ra1": v1alpha1.ReasonClusterBudgetExhausted, "ra2": v1alpha1.ReasonClusterBudgetExhausted},
		},
		"the limit is reached": {
			func(s *story) { s.Nodes = append(s.Nodes, newNode("c", "z1", cordonedByHand)) },
			map[string]string{"ra1": v1alpha1.ReasonBudgetExhausted, "ra2": v1alpha1.ReasonBudgetExhausted},
		},
		"one of its nodes is down already, and needs none": {
			func(s *story) {
				s.Reboots = s.Reboots[:1]
				s.node("a2").Unschedulable = true
			},
			map[string]string{"ra1": v1alpha1.ReasonDraining},
		},
		"the pods of one are not known": {
			func(s *story) { delete(s.Pods, "a2") },
			map[string]string{"ra1": v1alpha1.ReasonStarting, "ra2": v1alpha1.ReasonStarting},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("a1/z1 a2/z1"), newPolicy("p", grouped()))...)
			s.byGroups()
			tc.event(s)
			s.settle()
			if diff := cmp.Diff(tc.want, s.reasons()); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGroupThatCannotGoHoldsUpNobody(t *testing.T) {
	cases := map[string]func(*story){
		"a node of it has no helper": func(s *story) { s.node("a2").HelperReady = false },
		"it is too large":            func(s *story) { s.ClusterMaxUnavailable = ptr.To(intstr.FromInt32(1)) },
	}
	for name, event := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("a1/z1 a2/z1 b/z2"), newPolicy("p", grouped()))...)
			s.byGroups()
			event(s)
			s.settle()
			if got := s.underWay(); got != "b" {
				t.Errorf("under way: %q", got)
			}
		})
	}
}

func TestNodeOfAGroupWhoseAttemptFailedGoesAgainWithoutTheOthers(t *testing.T) {
	s := newStory(t, append(fleet("a1/z1 a2/z1 b/z1"), newPolicy("p", grouped()))...)
	s.byGroups()
	s.settle()
	s.answer("ra1", v1alpha1.OrderFailed, "No.")
	s.answer("ra2", v1alpha1.OrderDone, "")
	s.Reboots = append(s.Reboots, newReboot("another", "a2", manual)) // waits for ra2, and holds up nobody
	s.settle()
	if got := s.underWay(); got != "a2" {
		t.Errorf("under way: %q; what is left of the group is one against the limit", got)
	}
	s.advance(10 * time.Minute)
	if got := s.underWay(); got != "a1 a2" {
		t.Errorf("under way after the back-off: %q", got)
	}
}

func TestGroupCountsOnceInTheStatus(t *testing.T) {
	s := newStory(t, append(fleet("a1/z1 a2/z1 b/z1"), newPolicy("p", grouped(), maxUnavailable("50%")))...)
	s.byGroups()
	s.settle()
	status := s.policy("p").Status
	if status.Unavailable != 1 || status.MaxUnavailable != 1 || status.UnderWay != 2 || status.Nodes != 3 {
		t.Errorf("%+v", status)
	}
}
