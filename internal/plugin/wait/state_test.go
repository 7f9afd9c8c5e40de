package wait

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

func rebootOf(node string, change ...func(*v1alpha1.NodeReboot)) *v1alpha1.NodeReboot {
	name := node + "-7"
	r := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid of " + name)}}
	r.Spec.NodeName = node
	r.Status.PolicyName, r.Status.Phase, r.Status.Reason = "workers", v1alpha1.PhasePending, v1alpha1.ReasonWindowClosed
	for _, one := range change {
		one(r)
	}
	return r
}

func proves(r *v1alpha1.NodeReboot) {
	at := metav1.NowMicro()
	r.Status.Phase, r.Status.Reason, r.Status.Outcome, r.Status.CompletionTime = "Succeeded", "Proved", v1alpha1.OutcomeSucceeded, &at
}

func targetOf(name string, policy bool) *target {
	return &target{name: name, policy: policy, seen: map[types.UID]*v1alpha1.NodeReboot{}, written: map[types.UID]string{}}
}

func TestAChangeConcernsOnlyWhatItMayChange(t *testing.T) {
	t.Parallel()
	policy := func(name string) client.Object {
		return &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	for name, test := range map[string]struct {
		change       app.Change
		node, policy bool
	}{
		"a NodeReboot of the node":  {app.Change{Set: rebootOf("w1")}, true, true},
		"one of another node":       {app.Change{Set: rebootOf("w2")}, false, true},
		"one that is gone":          {app.Change{Gone: rebootOf("w1")}, true, true},
		"another one that is gone":  {app.Change{Gone: rebootOf("w2")}, false, true},
		"the policy":                {app.Change{Set: policy("workers")}, false, true},
		"another policy":            {app.Change{Set: policy("w1")}, false, false},
		"the policy is gone":        {app.Change{Gone: policy("workers")}, false, true},
		"everything was read again": {app.Change{Reset: []client.Object{}}, true, true},
	} {
		if got := targetOf("w1", false).concerns(test.change); got != test.node {
			t.Errorf("%s: it concerns the node: %t", name, got)
		}
		if got := targetOf("workers", true).concerns(test.change); got != test.policy {
			t.Errorf("%s: it concerns the policy: %t", name, got)
		}
	}
}

// With all NodeReboots sorted for each target and change this takes hours.
func TestManyNodesAreWaitedForInALargeCluster(t *testing.T) {
	t.Parallel()
	const all, waitedFor = 15000, 500
	w := newWorld()
	list := &v1alpha1.NodeRebootList{}
	reset := app.Change{List: list, Reset: make([]client.Object, 0, all)}
	for i := range all {
		reset.Reset = append(reset.Reset, rebootOf(fmt.Sprintf("w%d", i)))
	}
	var targets []*target
	for i := range waitedFor {
		targets = append(targets, targetOf(fmt.Sprintf("w%d", i), false))
	}
	done := map[string]bool{}
	see := func(change app.Change) {
		w.see(change)
		for _, one := range targets {
			if w.note(one, change); one.concerns(change) && w.judge(one, proved).done {
				done[one.name] = true
			}
		}
	}
	see(reset)
	for i := range all {
		r := rebootOf(fmt.Sprintf("w%d", i), proves)
		see(app.Change{List: list, Set: r})
		see(app.Change{List: list, Gone: r})
	}
	kept := 0
	for _, one := range targets {
		kept += len(one.seen)
	}
	if len(done) != waitedFor || len(w.reboots) != 0 || len(w.byNode) != 0 || kept != waitedFor {
		t.Errorf("proved are %d; kept are %d, %d and %d", len(done), len(w.reboots), len(w.byNode), kept)
	}
}

func TestANameThatMovesToAnotherNodeLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.see(app.Change{Set: rebootOf("w1")})
	w.see(app.Change{Set: rebootOf("w2", func(r *v1alpha1.NodeReboot) { r.Name = "w1-7" })})
	if len(w.mine(targetOf("w1", false))) != 0 || len(w.mine(targetOf("w2", false))) != 1 || len(w.reboots) != 1 {
		t.Errorf("it knows %v", w.byNode)
	}
}
