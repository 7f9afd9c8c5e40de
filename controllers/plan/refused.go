package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// A write that the API server refuses because of admission, validation or a size limit is not tried again for a while. It holds up what
// must not be without it, and nothing else.

// noteRefusals finds out which nodes the refusals are about.
func (p *planning) noteRefusals() {
	if len(p.snapshot.Refusals) == 0 {
		return
	}
	for _, key := range slices.SortedFunc(maps.Keys(p.snapshot.Refusals), compareWrites) {
		refusal := p.snapshot.Refusals[key]
		p.WakeAt(refusal.Forgotten)
		if n := p.node(refusal.Node); n != nil {
			n.refused = append(n.refused, refusal)
		}
	}
}

func compareWrites(a, b model.WriteKey) int {
	if a.Name != b.Name {
		return strings.Compare(a.Name, b.Name)
	}
	return strings.Compare(string(a.Write), string(b.Write))
}

// refusal of a write, if it is refused.
func (p *planning) refusal(write model.Write, name string) (model.Refusal, bool) {
	refusal, is := p.snapshot.Refusals[model.WriteKey{Write: write, Name: name}]
	return refusal, is
}

// refused says whether a write is refused.
func (p *planning) refused(write model.Write, name string) bool {
	if len(p.snapshot.Refusals) == 0 {
		return false
	}
	_, is := p.refusal(write, name)
	return is
}

// held says whether a write is refused, and not to be tried now.
func (p *planning) held(write model.Write, name string) bool {
	if !p.refused(write, name) {
		return false
	}
	refusal, _ := p.refusal(write, name)
	return !p.Reached(refusal.Until)
}

func (p *planning) tellRefusal(r *rebootView, refusal *model.Refusal) model.Verdict {
	return model.Blocked(v1alpha1.ReasonWriteRefused, "%s It is tried again at %s.", refusal, p.times(r).Until(refusal.Until)).
		Ending(refusal.Until)
}

// beginRefused says which write an attempt cannot do without is refused.
func (p *planning) beginRefused(r *rebootView) model.Verdict {
	needed := []model.WriteKey{
		{Write: model.WriteCordon, Name: r.node.Name},
		{Write: model.WriteFinalizer, Name: r.Object.Name},
		{Write: model.WriteOrder, Name: r.Object.Name},
		{Write: model.WriteExclude, Name: r.node.Name},
	}
	if r.open() && !r.granted && r.node.lacks(r) { // to cordon it again, its grant is renewed
		needed = append(needed, model.WriteKey{Write: model.WriteSlots, Name: v1alpha1.SlotsName})
	}
	for _, key := range needed {
		if p.held(key.Write, key.Name) {
			refusal := p.snapshot.Refusals[key]
			return p.tellRefusal(r, &refusal)
		}
	}
	return model.Verdict{}
}

// refusedGate keeps a node from starting while what an attempt cannot do without is refused. A NodeReboot whose status is refused starts
// only when a status was written that says so: that is the least thing to try.
func refusedGate(p *planning, r *rebootView) model.Verdict {
	if len(p.snapshot.Refusals) == 0 {
		return model.Verdict{}
	}
	if v := p.beginRefused(r); !v.OK() {
		return v
	}
	if !p.refused(model.WriteStatus, r.Object.Name) {
		return model.Verdict{}
	}
	refusal, _ := p.refusal(model.WriteStatus, r.Object.Name)
	p.WakeAt(refusal.Until)
	return p.tellRefusal(r, &refusal)
}

// slotsRefused says that no slot can be granted, because the slots object cannot be written.
func (p *planning) slotsRefused(r *rebootView) model.Verdict {
	if !p.held(model.WriteSlots, v1alpha1.SlotsName) {
		return model.Verdict{}
	}
	refusal, _ := p.refusal(model.WriteSlots, v1alpha1.SlotsName)
	return p.tellRefusal(r, &refusal)
}

// maxPass is longer than any pass of a manager takes.
const maxPass = 3 * time.Minute

// begunInVain: this manager granted the slot, and what had to follow was refused. No one else can have begun the attempt, because another
// manager would have to renew the grant first. If this manager renewed a grant, then the manager that made it may be about to begin the
// attempt, until its pass is over.
func (p *planning) begunInVain(name string, slot Slot) bool {
	n := p.node(name)
	if n == nil {
		return false
	}
	return slices.ContainsFunc(n.refused, func(refusal model.Refusal) bool {
		return refusal.Grant == slot.Key() && (slot.Renewed == 0 || p.Reached(refusal.Since.Add(maxPass)))
	})
}

// withhold leaves out of the work what is refused and not to be tried now, and what must not be without it.
func (p *planning) withhold(work *NodeWork) NodeWork {
	left := NodeWork{Node: work.Node, Granted: work.Granted}
	kept := make([]RebootChange, len(work.Reboots))
	try := func(write model.Write, name string, keep func()) Written {
		if p.held(write, name) {
			return WriteRefused
		}
		keep()
		return WriteMade
	}
	work.Write(NodeWrites{
		AddFinalizer: func(i int) Written {
			return try(model.WriteFinalizer, work.Reboots[i].Object.Name, func() { kept[i].AddFinalizer = true })
		},
		Patch: func(patch *NodePatch) Written {
			return patch.WriteInParts(func(part PatchPart) Written {
				return try(part.Write, work.Node, func() { left.Patch = left.Patch.with(part.Patch) })
			})
		},
		Status: func(i int) Written {
			change := &work.Reboots[i]
			if change.Write() == model.WriteOrder && p.held(model.WriteOrder, change.Object.Name) {
				return WriteRefused
			}
			if !change.StatusChanged {
				return WriteMade
			}
			return try(model.WriteStatus, change.Object.Name, func() { kept[i].StatusChanged, kept[i].Events = true, change.Events })
		},
		Maintenance: func() Written {
			return try(model.WriteMaintenance, work.Node, func() { left.Maintenance = work.Maintenance })
		},
		RemoveFinalizer: func(i int) Written {
			return try(model.WriteFinalizer, work.Reboots[i].Object.Name, func() { kept[i].RemoveFinalizer = true })
		},
	})
	for i := range kept {
		if kept[i].StatusChanged || kept[i].AddFinalizer || kept[i].RemoveFinalizer {
			kept[i].Object, kept[i].Status = work.Reboots[i].Object, work.Reboots[i].Status
			left.Reboots = append(left.Reboots, kept[i])
		}
	}
	return left
}

// with is both patches in one.
func (p *NodePatch) with(part *NodePatch) *NodePatch {
	if p == nil {
		return part
	}
	both := *p
	switch {
	case part.SetTaints:
		both.SetTaints, both.Taints, both.Had = true, part.Taints, part.Had
	case part.Unschedulable != nil || part.CordonedFor != nil:
		both.Unschedulable, both.CordonedFor = part.Unschedulable, part.CordonedFor
	default:
		both.Labels, both.Annotations = part.Labels, part.Annotations
	}
	return &both
}

// tellRefused says what is refused for the nodes of a policy; empty if nothing is.
func (p *planning) tellRefused(policy *policyView) string {
	if len(p.snapshot.Refusals) == 0 {
		return ""
	}
	var sentences []string
	if refusal, is := p.refusal(model.WriteSlots, v1alpha1.SlotsName); is {
		sentences = append(sentences, refusal.String())
	}
	for _, n := range policy.nodes {
		for i := range n.refused {
			sentences = append(sentences, n.refused[i].String())
		}
	}
	switch more := len(sentences) - 1; {
	case more < 0:
		return ""
	case more == 0:
		return sentences[0]
	default:
		return fmt.Sprintf("%s %s refused.", sentences[0], model.Counted(more, "more write is", "more writes are"))
	}
}

// taintRefused: the node cannot be tainted, and is not.
func (r *rebootView) taintRefused() bool {
	return r.node != nil && r.node.hasNoTaint() && r.node.refuses(model.WriteTaint)
}

// refuses: a write about the node is refused.
func (n *nodeView) refuses(write model.Write) bool {
	return slices.ContainsFunc(n.refused, func(refusal model.Refusal) bool { return refusal.Write == write })
}

func (n *nodeView) hasNoTaint() bool {
	for i := range n.Taints {
		if n.Taints[i].Key == v1alpha1.TaintKey {
			return false
		}
	}
	return true
}

// isRefused: a reboot of the node that counts cannot continue, or could start and cannot, because of a write that is refused.
func (n *nodeView) isRefused() bool {
	needed := slices.ContainsFunc(n.refused, func(refusal model.Refusal) bool {
		switch refusal.Write {
		case model.WriteCordon, model.WriteExclude, model.WriteFinalizer, model.WriteOrder, model.WriteStatus:
			return true
		}
		return false
	})
	return needed && n.underWay() || slices.ContainsFunc(n.reboots, func(r *rebootView) bool {
		return r.started && r.wait.Reason == v1alpha1.ReasonWriteRefused
	})
}
