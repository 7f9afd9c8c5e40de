package plan

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestAPolicyWhoseNodesAllBelongToOthersSaysSo(t *testing.T) {
	x := labeled("pool", "x")
	for name, test := range map[string]struct {
		objects []any
		reason  string
		says    []string
	}{
		"two nodes": {
			objects: []any{newNode("a", "z1", x), newNode("b", "z1", x)}, reason: v1alpha1.ReasonShadowed,
			says: []string{"all 2 nodes that it selects", "a to RebootPolicy all"},
		},
		"one node":           {objects: []any{newNode("a", "z1", x)}, reason: v1alpha1.ReasonShadowed, says: []string{"the only node that it selects, a, belongs to RebootPolicy all"}},
		"no node":            {objects: []any{newNode("a", "z1")}, reason: v1alpha1.ReasonNoNodes, says: []string{"selects no node"}},
		"nodes, and it wins": {objects: []any{newNode("a", "z1", x), newNode("b", "z1")}, reason: v1alpha1.ReasonInForce, says: []string{"at most 1 of 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			precedence := int32(-1)
			if test.reason == v1alpha1.ReasonInForce {
				precedence = 1
			}
			s := newStory(t, append(test.objects, newPolicy("all"), newPolicy("idle", selecting("pool", "x"), priority(precedence)))...)
			s.settle()
			ready := meta.FindStatusCondition(s.policy("idle").Status.Conditions, v1alpha1.ConditionReady)
			if ready == nil || ready.Reason != test.reason {
				t.Fatalf("it is %+v, want %s", ready, test.reason)
			}
			for _, words := range test.says {
				if !strings.Contains(ready.Message, words) {
					t.Errorf("it does not say %q: %s", words, ready.Message)
				}
			}
		})
	}
}

func TestNodesWithoutAHelperAreCountedUnlessNoneIsMeantToBeThere(t *testing.T) {
	s := newStory(t, newPolicy("p"),
		newNode("a", "z1", noHelper), newNode("b", "z1", noHelper), newNode("c", "z1", noHelper), newNode("d", "z1"))
	for i, name := range []string{"a", "b", "c"} {
		n := s.node(name)
		n.HelperSince, n.HelperNotMeant = start.Add(-time.Duration(i)*time.Minute), name == "c"
	}
	s.settle()
	for _, step := range []struct {
		at   time.Duration
		want int32
	}{{0, 0}, {4*time.Minute - time.Second, 0}, {4 * time.Minute, 1}, {5 * time.Minute, 2}, {time.Hour, 2}} {
		s.advance(step.at - s.now.Sub(start))
		status := s.policy("p").Status
		said := meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionHelpersNotReady)
		if status.NodesWithoutHelper != step.want || said != (step.want > 0) {
			t.Errorf("after %s: %d nodes without a helper, want %d; conditions %+v",
				step.at, status.NodesWithoutHelper, step.want, status.Conditions)
		}
	}
	lost := meta.FindStatusCondition(s.policy("p").Status.Conditions, v1alpha1.ConditionHelpersNotReady).Message
	for _, want := range []string{"The helper of node b has not been Ready since 2026-03-02 11:59 +00:00", "The same is true for 1 more."} {
		if !strings.Contains(lost, want) {
			t.Errorf("it does not say %q: %s", want, lost)
		}
	}
}
