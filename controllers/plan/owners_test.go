package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEachNodeIsOwnedByThePolicyThatSelectsItFirst(t *testing.T) {
	s := newSnapshot(newPolicy("blue", selecting("pool", "blue")), newPolicy("also-blue", selecting("pool", "blue"), priority(-1)),
		newPolicy("green", selecting("pool", "green")), newNode("a", "z1", labeled("pool", "blue")), newNode("b", "z1", labeled("pool", "green")),
		newNode("c", "z1"))
	if diff := cmp.Diff(map[string]string{"a": "blue", "b": "green"}, Owners(s, start)); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}

func TestANodeIsIdleIfThereIsNothingToDoAndNothingToUndo(t *testing.T) {
	s := newSnapshot(newPolicy("p"), newNode("idle", "z1"), newNode("needs", "z1"), newReboot("r", "needs"),
		newNode("cordoned", "z1", func(n *Node) { n.Unschedulable, n.CordonedFor = true, "uid-of-gone" }), newReboot("lost", "gone"),
		newNode("unreadable", "z1"), newReboot("u", "unreadable", unreadable("spec.urgency")))
	p := newPlanning(nil, s, start)
	p.assignPolicies()
	idle := map[string]bool{}
	for _, n := range p.nodeOrder {
		idle[n.Name] = n.isIdle()
	}
	if diff := cmp.Diff(map[string]bool{"idle": true, "needs": false, "cordoned": false, "unreadable": false}, idle); diff != "" {
		t.Errorf("idle nodes (-want +got):\n%s", diff)
	}
}
