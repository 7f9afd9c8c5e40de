package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
