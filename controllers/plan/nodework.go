package plan

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// Written is what came of a write.
type Written int

const (
	// WriteMade is a write that was made, or that had nothing to change.
	WriteMade Written = iota
	// WriteRefused is a write that the API server refuses: trying it again at once does not help.
	WriteRefused
	// WriteFailed is one that was not made for any other reason.
	WriteFailed
)

// NodeWrites make the writes for one node.
type NodeWrites struct {
	// AddFinalizer, Status and RemoveFinalizer write the NodeReboot of a change.
	AddFinalizer, Status, RemoveFinalizer func(i int) Written
	// Patch changes the Node. It is refused if the cordon is, or the exclusion from load balancers; what else is refused holds up nothing.
	Patch func(*NodePatch) Written
	// Maintenance writes the maintenance conditions.
	Maintenance func() Written
}

// Write makes the writes of the work in order. One that fails leaves the rest to the next plan. One that is refused keeps back what must
// not be without it: no cordon without the finalizer that undoes it, no order without the cordon, no uncordon before the attempt has ended,
// and no NodeReboot goes before everything is undone. The taint waits for nothing.
func (w *NodeWork) Write(to NodeWrites) {
	run := nodeRun{work: w, to: to, cut: make([]bool, len(w.Reboots))}
	_ = run.addFinalizers() && run.patch(false) && run.statuses() && run.patch(true) && run.maintenance() && run.removeFinalizers()
}

// NeedOnly is the part of the work that waits for neither a grant nor a read: the taint for the need of a reboot. Nil if there is none.
func (w *NodeWork) NeedOnly() *NodeWork {
	if w.Patch == nil {
		return nil
	}
	patch := w.Patch.Need()
	if patch == nil {
		return nil
	}
	return &NodeWork{Node: w.Node, Patch: patch}
}

// nodeRun is one run through the writes for a node. Its steps are false if a write failed.
type nodeRun struct {
	work *NodeWork
	to   NodeWrites
	// cut says which changes are left out, because something was refused.
	cut []bool
	// taintOnly: nothing else of the Node may change. cordonStays: the node could not be uncordoned.
	taintOnly, cordonStays bool
}

func (r *nodeRun) addFinalizers() bool {
	for i := range r.work.Reboots {
		change := &r.work.Reboots[i]
		if !change.AddFinalizer {
			continue
		}
		switch r.to.AddFinalizer(i) {
		case WriteFailed:
			return false
		case WriteRefused:
			r.cut[i] = change.starts()
			r.taintOnly = r.taintOnly || r.cut[i]
		case WriteMade:
		}
	}
	return true
}

func (r *nodeRun) patch(last bool) bool {
	patch := r.work.Patch
	if patch == nil || patch.RollsBack() != last {
		return true
	}
	if r.taintOnly {
		patch = patch.Need()
	}
	if patch == nil {
		return true
	}
	switch r.to.Patch(patch) {
	case WriteFailed:
		return false
	case WriteRefused:
		r.cordonStays = true
		for i := range r.work.Reboots {
			r.cut[i] = r.cut[i] || r.work.Reboots[i].Orders()
		}
	case WriteMade:
	}
	return true
}

func (r *nodeRun) statuses() bool {
	for i := range r.work.Reboots {
		change := &r.work.Reboots[i]
		if !r.cut[i] && (change.StatusChanged || change.Report != nil) {
			switch r.to.Status(i) {
			case WriteFailed:
				return false
			case WriteRefused:
				r.cut[i] = change.Report == nil // nothing depends on a report
			case WriteMade:
			}
		}
		r.taintOnly = r.taintOnly || r.cut[i] && change.holdsNode()
	}
	return true
}

func (r *nodeRun) maintenance() bool {
	return r.work.Maintenance == nil || r.taintOnly || r.to.Maintenance() != WriteFailed
}

func (r *nodeRun) removeFinalizers() bool {
	for i := range r.work.Reboots {
		change := &r.work.Reboots[i]
		if !change.RemoveFinalizer || r.cordonStays || r.cut[i] && change.holdsNode() {
			continue
		}
		if r.to.RemoveFinalizer(i) == WriteFailed {
			return false
		}
	}
	return true
}

// starts: the change begins an attempt.
func (c *RebootChange) starts() bool {
	return model.OpenAttempt(&c.Status) && !model.OpenAttempt(&c.Object.Status)
}

// Orders says that the change begins an attempt, or gives its helper another order.
func (c *RebootChange) Orders() bool {
	return c.StatusChanged && (c.starts() || c.Status.Order != nil && !equality.Semantic.DeepEqual(c.Object.Status.Order, c.Status.Order))
}

// holdsNode: there was an open attempt, or will be, so that what is done to the node depends on the change.
func (c *RebootChange) holdsNode() bool {
	return model.OpenAttempt(&c.Status) || model.OpenAttempt(&c.Object.Status)
}

// Urgent says that the work changes the Node, or is about an attempt. Else it only says what a NodeReboot waits for.
func (w *NodeWork) Urgent() bool {
	return w.Patch != nil || slices.ContainsFunc(w.Reboots, func(c RebootChange) bool {
		return c.holdsNode() || c.AddFinalizer || c.RemoveFinalizer
	})
}

// Write is what kind of write the status is.
func (c *RebootChange) Write() model.Write {
	if c.Orders() {
		return model.WriteOrder
	}
	return model.WriteStatus
}

// TaintsOnly says that the patch changes taints and nothing else.
func (p *NodePatch) TaintsOnly() bool { return p.SetTaints && p.Cordon() == nil && p.Marks() == nil }

// Taint is the part of the patch that changes taints; nil if there is none.
func (p *NodePatch) Taint() *NodePatch {
	if !p.SetTaints {
		return nil
	}
	return &NodePatch{SetTaints: true, Taints: p.Taints, Had: p.Had}
}

// Need is the part of the patch that may be written whatever becomes of the rest: the taint for the need of a reboot. The taint that takes
// the place of a cordon comes and goes with the cordon, so it stays as it is. Nil if that changes nothing.
func (p *NodePatch) Need() *NodePatch {
	patch := p.Taint()
	if patch == nil {
		return nil
	}
	isForCordon := func(taint corev1.Taint) bool { return taint.MatchTaint(&model.RebootingTaint) }
	patch.Taints = slices.DeleteFunc(slices.Clone(p.Taints), isForCordon)
	if i := slices.IndexFunc(p.Had, isForCordon); i >= 0 {
		patch.Taints = append(patch.Taints, p.Had[i])
	}
	changed := func(taint corev1.Taint) bool { // when it was added does not matter
		return !slices.ContainsFunc(p.Had, func(had corev1.Taint) bool { return had.MatchTaint(&taint) && had.Value == taint.Value })
	}
	if len(patch.Taints) == len(p.Had) && !slices.ContainsFunc(patch.Taints, changed) {
		return nil
	}
	return patch
}

// Cordon is the part that cordons or uncordons; nil if there is none.
func (p *NodePatch) Cordon() *NodePatch {
	if p.Unschedulable == nil && p.CordonedFor == nil {
		return nil
	}
	return &NodePatch{Unschedulable: p.Unschedulable, CordonedFor: p.CordonedFor}
}

// Marks is the part that changes labels and annotations; nil if there is none.
func (p *NodePatch) Marks() *NodePatch {
	if p.Labels == nil && p.Annotations == nil {
		return nil
	}
	return &NodePatch{Labels: p.Labels, Annotations: p.Annotations}
}

// taintsForCordon says that the taint takes the place of the cordon.
func (p *NodePatch) taintsForCordon() bool {
	return p.Cordons() && slices.ContainsFunc(p.Taints, func(taint corev1.Taint) bool { return taint.MatchTaint(&model.RebootingTaint) })
}

// PatchPart is a part of a patch that is refused on its own.
type PatchPart struct {
	Write model.Write
	Patch *NodePatch
}

// Parts of the patch, the most important first.
func (p *NodePatch) Parts() []PatchPart {
	var parts []PatchPart
	marks := model.WriteLabels
	if p.Labels[v1alpha1.ExcludeLabel] != nil {
		marks = model.WriteExclude
	}
	for _, part := range []PatchPart{{model.WriteTaint, p.Taint()}, {model.WriteCordon, p.Cordon()}, {marks, p.Marks()}} {
		if part.Patch != nil {
			parts = append(parts, part)
		}
	}
	return parts
}

// Cordons says that the patch cordons the node for an attempt.
func (p *NodePatch) Cordons() bool { return p.CordonedFor != nil && *p.CordonedFor != "" }

// WriteInParts makes one write for each part, so that one that is refused does not keep back the others. Marks are set on no node that
// cannot be cordoned.
func (p *NodePatch) WriteInParts(write func(PatchPart) Written) Written {
	result := WriteMade
	for _, part := range p.Parts() {
		if result == WriteRefused && p.Cordons() { // only marks come after the cordon
			continue
		}
		written := write(part)
		switch {
		case written == WriteFailed:
			return WriteFailed
		case written == WriteRefused && part.Write == model.WriteTaint && p.taintsForCordon():
			return WriteRefused // it is not uncordoned without the taint
		case written == WriteRefused && (part.Write == model.WriteCordon || part.Write == model.WriteExclude):
			result = WriteRefused
		}
	}
	return result
}
