package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// wronglySettled finds what a plan takes for settled about which something has to be written, and counts the NodeReboots and the nodes that
// it takes for settled. Stories and simulated fleets ask it about every plan.
func wronglySettled(snapshot *Snapshot, now time.Time) (wrong []string, reboots, nodes int) {
	p := newPlanning(nil, snapshot, now)
	p.assignPolicies()
	p.updateNeeds()
	p.keepGrants()
	p.advanceAttempts()
	p.admit()
	p.giveBackGrants()
	defer p.state.spare.release(p.memory)
	for _, r := range p.reboots {
		if since := r.Status.RequiredSince; since != nil && !since.Time.Equal(r.required) || since == nil && !r.required.IsZero() {
			wrong = append(wrong, fmt.Sprintf("NodeReboot %s is required since %s, not %s", r.Object.Name, since, r.required))
		}
		if r.current && r.waiting() && (r.nodeGone() || r.rebootedSince()) {
			wrong = append(wrong, fmt.Sprintf("NodeReboot %s is not about the boot of its node", r.Object.Name))
		}
		for i := range nodeGates {
			if !r.waiting() || !r.isUnhindered() || !nodeGates[i].ofHost {
				continue
			}
			if v := nodeGates[i].ask(p, r); !v.OK() {
				wrong = append(wrong, fmt.Sprintf("NodeReboot %s is hindered: %s", r.Object.Name, v.Message))
			}
		}
		if !r.isSettled() {
			continue
		}
		reboots++
		looked := *r
		p.derive(&looked)
		add, remove := looked.finalizerChange()
		if looked.Status != &r.Object.Status || len(looked.Events) > len(r.Events) || len(looked.warnings) > 0 || add || remove {
			wrong = append(wrong, fmt.Sprintf("NodeReboot %s:\n%s", r.Object.Name, difference(&r.Object.Status, looked.Status)))
		}
	}
	for _, n := range p.nodeOrder {
		for _, r := range n.reboots {
			if r.untried && r.Status.Failures != nil {
				wrong = append(wrong, fmt.Sprintf("NodeReboot %s was not tried, and failed", r.Object.Name))
			}
		}
		if n.needed = n.needsReboot(); !n.isSettled() {
			continue
		}
		nodes++
		p.noteUnseen(n)
		if patch, maintenance := n.nodePatch(), n.maintenanceChange(); patch != nil || maintenance != nil || n.begunUnseen {
			wrong = append(wrong, fmt.Sprintf("node %s: patch %v, maintenance %v", n.Name, patch, maintenance))
		}
	}
	return wrong, reboots, nodes
}

func TestWhatIsSettledCostsNothing(t *testing.T) {
	settled := func(change func(*story)) (reboots, nodes int) {
		s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", maxUnavailable("0")))...)
		s.settle()
		change(s)
		_, reboots, nodes = wronglySettled(s.Snapshot, s.now)
		return reboots, nodes
	}
	if reboots, nodes := settled(func(*story) {}); reboots != 2 || nodes != 2 {
		t.Fatalf("%d NodeReboots and %d nodes are settled", reboots, nodes)
	}
	refusing := func(s *story) {
		key := model.WriteKey{Write: model.WriteLabels, Name: "a"}
		s.Refusals = map[model.WriteKey]model.Refusal{key: {WriteKey: key, Node: "a"}}
	}
	for name, tc := range map[string]struct {
		reboots, nodes int
		change         func(*story)
	}{
		"the taint is gone":                  {2, 1, func(s *story) { s.node("a").Taints = nil }},
		"the taint has another effect":       {2, 1, func(s *story) { s.node("a").Taints[0].Effect = "NoSchedule" }},
		"the policy has another effect":      {2, 0, func(s *story) { s.editPolicy("p", maxUnavailable("0"), taintEffect(v1alpha1.TaintNoSchedule)) }},
		"a condition of the node is missing": {2, 1, func(s *story) { s.node("a").Maintenance = nil }},
		"a condition of the node is left":    {2, 1, func(s *story) { s.node("a").Maintenance[DrainInProgress] = true }},
		"a cordon of ours is left":           {2, 1, func(s *story) { s.node("a").CordonedFor = "other" }},
		"a mark is left":                     {2, 1, func(s *story) { s.node("a").Annotations = map[string]string{v1alpha1.MarksAnnotation: "{}"} }},
		"a write is refused":                 {2, 1, refusing},
		"it waits for something else":        {1, 1, func(s *story) { s.node("a").Ready = false }},
		"the clock of the host is off":       {1, 1, func(s *story) { s.reboot("ra").Status.Report.ClockOffsetSeconds = ptr.To[int64](9) }},
		"something else reboots the host":    {1, 1, func(s *story) { s.reboot("ra").Status.Report.Notices = []string{"x"} }},
		"a hook is not awaited anymore":      {1, 1, func(s *story) { s.reboot("ra").Status.PendingHooks = []string{"x/y"} }},
		"a time is not waited for anymore":   {1, 1, func(s *story) { s.reboot("ra").Status.UntilTime = at(0) }},
		"a time is not told anymore":         {1, 1, func(s *story) { s.reboot("ra").Status.Until = "Mon 1:00" }},
		"the spec was changed":               {1, 1, func(s *story) { s.reboot("ra").Generation++ }},
		"the status is of an older spec":     {1, 1, func(s *story) { s.reboot("ra").Status.ObservedGeneration-- }},
		"another reason, the same message":   {1, 1, func(s *story) { giveReason(s.reboot("ra"), v1alpha1.ReasonFreeze) }},
		"a condition is missing":             {1, 1, func(s *story) { s.reboot("ra").Status.Conditions = s.reboot("ra").Status.Conditions[:1] }},
		"a condition has another message":    {1, 1, func(s *story) { s.reboot("ra").Status.Conditions[0].Message = "x" }},
		"the summary is another one":         {1, 1, func(s *story) { s.reboot("ra").Status.Summary = "x" }},
		"the phase is another one":           {1, 1, func(s *story) { s.reboot("ra").Status.Phase = v1alpha1.PhaseDraining }},
		"the message is another one":         {1, 1, func(s *story) { s.reboot("ra").Status.Message = "x" }},
		"it is being deleted":                {1, 1, func(s *story) { s.reboot("ra").DeletionTimestamp = ptr.To(metav1.NewTime(s.now)) }},
		"the reboot may be overdue": {0, 0, func(s *story) {
			s.editPolicy("p", maxUnavailable("0"), spec(func(s *v1alpha1.RebootPolicySpec) { s.Schedule.MaxDeferralSeconds = ptr.To[int32](9) }))
		}},
		"the node is given to another policy":   {0, 0, func(s *story) { s.Policies[0].Name = "q" }},
		"the node needs no reboot":              {1, 1, func(s *story) { s.Reboots = slices.Delete(s.Reboots, 0, 1) }},
		"the name is one of another node's":     {1, 1, func(s *story) { s.reboot("ra").Name = "b-1" }},
		"the name may be one of another node's": {1, 1, func(s *story) { s.reboot("ra").Name = "x-1" }},
	} {
		t.Run(name, func(t *testing.T) {
			if reboots, nodes := settled(tc.change); reboots != tc.reboots || nodes != tc.nodes {
				t.Errorf("%d NodeReboots and %d nodes are settled, want %d and %d", reboots, nodes, tc.reboots, tc.nodes)
			}
		})
	}
}

// giveReason has a NodeReboot wait for another reason, as its whole status would say.
func giveReason(obj *v1alpha1.NodeReboot, reason string) {
	s := &obj.Status
	for i := range s.Conditions {
		if s.Conditions[i].Reason == s.Reason {
			s.Conditions[i].Reason = reason
		}
	}
	s.Reason, s.Summary = reason, summaryOf(s.Phase, reason)
}

func TestWhatIsBeingDeletedIsNotSettled(t *testing.T) {
	s := newStory(t, append(fleet("a/z1"), newPolicy("p", maxUnavailable("0")))...)
	s.settle()
	obj := s.reboot("ra")
	if !settled(obj) {
		t.Fatal("a NodeReboot that waits is not settled")
	}
	obj.DeletionTimestamp = ptr.To(metav1.NewTime(s.now))
	if settled(obj) {
		t.Error("one that is being deleted is")
	}
}
