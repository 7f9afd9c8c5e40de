package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// work is what has to be written, by node.
func (p *planning) work() []NodeWork {
	var all []NodeWork
	var work NodeWork // one for all nodes: most have nothing to write
	for _, n := range p.nodeOrder {
		if n.isIdle() {
			continue
		}
		n.needed = n.needsReboot()
		if n.isSettled() {
			continue
		}
		p.noteUnseen(n)
		work = p.nodeWork(n)
		for _, r := range n.reboots {
			p.addChange(&work, r)
		}
		if len(n.refused) > 0 {
			work = p.withhold(&work)
		}
		p.fence(&work, n)
		for _, r := range n.setAside {
			p.addReport(&work, r)
		}
		if work.Patch != nil || work.Maintenance != nil || len(work.Reboots) > 0 {
			all = append(all, work)
		}
	}
	return append(all, p.workWithoutNode()...)
}

// nodeWork is what has to be written to the Node.
func (p *planning) nodeWork(n *nodeView) NodeWork {
	work := NodeWork{Node: n.Name, Granted: n.open != nil && n.open.granted}
	if n.gone {
		return work
	}
	work.Patch, work.Maintenance = n.nodePatch(), n.maintenanceChange()
	if work.Maintenance != nil && p.defers(n.maintenanceDelay()) {
		work.Maintenance = nil
	}
	return work
}

// isIdle: there is nothing to do about the node, and nothing to undo.
func (n *nodeView) isIdle() bool {
	return n.record.clean && !n.gone && len(n.reboots)+len(n.setAside) == 0
}

// workWithoutNode is for the NodeReboots whose Node is not there.
func (p *planning) workWithoutNode() []NodeWork {
	var all []NodeWork
	for _, r := range p.orphans {
		work := NodeWork{Node: r.Object.Spec.NodeName}
		p.addChange(&work, r)
		if len(p.snapshot.Refusals) > 0 {
			work = p.withhold(&work)
		}
		if len(work.Reboots) > 0 {
			all = append(all, work)
		}
	}
	for _, r := range p.setAside {
		work := NodeWork{Node: r.Object.Spec.NodeName}
		if r.node == nil {
			p.addReport(&work, r)
		}
		if len(work.Reboots) > 0 {
			all = append(all, work)
		}
	}
	return all
}

func (p *planning) addChange(work *NodeWork, r *rebootView) {
	if r.staysAtRest() || r.isSettled() {
		return
	}
	p.derive(r)
	add, remove := r.finalizerChange()
	changed := len(r.Object.Unreadable) > 0 || r.Edited() && !sameStatus(&r.Object.Status, r.Status)
	changed = changed && !p.defers(r.statusKey(), p.statusDelay(r))
	if !changed && !add && !remove {
		return
	}
	if changed {
		p.tellPlace(r)
	}
	work.Reboots = append(work.Reboots, RebootChange{
		Object: r.Object, Status: *r.Status, StatusChanged: changed, AddFinalizer: add, RemoveFinalizer: remove, Events: r.Events,
	})
}

// sameStatus compares what changes most often first.
func sameStatus(a, b *v1alpha1.NodeRebootStatus) bool {
	return a.Message == b.Message && a.Reason == b.Reason && equality.Semantic.DeepEqual(a, b)
}

// finalizerChange says whether the finalizer is missing, or has to go. A helper makes a NodeReboot with it, so that the attempt does not
// have to add it.
func (r *rebootView) finalizerChange() (add, remove bool) {
	if slices.Contains(r.Object.Finalizers, v1alpha1.Finalizer) {
		return false, !r.open() && (r.complete() || r.deleted())
	}
	return r.open() && !r.deleted(), false
}

// derive fills in what follows from the facts: phase, reason, message, conditions.
func (p *planning) derive(r *rebootView) {
	if r.deleted() && !r.open() && r.wait.OK() {
		r.wait = model.Verdict{Reason: v1alpha1.ReasonDeleted, Message: "The NodeReboot was deleted; its node was restored."}
	}
	reason, message := r.wait.Reason, model.Bounded(r.wait.Message)
	if r.complete() {
		reason, message = r.Status.OutcomeReason, r.Status.OutcomeMessage
	}
	if reason != r.Status.Reason && slices.Contains(warnedReasons, reason) {
		r.Emit(model.Event{Warning: true, Reason: reason, Message: message})
	}
	p.noteDeferral(r)
	p.noteName(r)
	r.noteClock()
	r.noteOtherRebooters()
	if !slices.Equal(r.Status.PendingHooks, r.pendingHooks) {
		r.Edit().PendingHooks = r.pendingHooks
	}
	p.summarize(r, reason, message)
	p.noteUntil(r)
}

// noteUntil records when time alone ends the wait.
func (p *planning) noteUntil(r *rebootView) {
	until := r.wait.Until
	if r.complete() || r.wait.OK() {
		until = time.Time{}
	}
	if until.IsZero() {
		if r.Status.UntilTime != nil || r.Status.Until != "" {
			next := r.Edit()
			next.UntilTime, next.Until = nil, ""
		}
		return
	}
	stamp, before := metav1.NewMicroTime(until.Truncate(time.Microsecond)), r.Status.Until
	same := r.Status.UntilTime.Equal(&stamp)
	if !same {
		before = ""
	}
	if short := p.times(r).Short(until, before); !same || short != r.Status.Until {
		next := r.Edit()
		next.UntilTime, next.Until = &stamp, short
	}
}

// summaryOf is what kubectl get shows as the status of a NodeReboot.
func summaryOf(phase v1alpha1.Phase, reason string) string {
	if phase == v1alpha1.PhaseSucceeded || phase == v1alpha1.PhaseCancelled || reason == "" {
		return string(phase)
	}
	return reason
}

// noteClock reports a host's clock that is off. Nothing is decided by it.
func (r *rebootView) noteClock() {
	report := r.report()
	if report == nil || report.ClockOffsetSeconds == nil || r.complete() {
		return
	}
	offset, direction := *report.ClockOffsetSeconds, "ahead of"
	if offset < 0 {
		offset, direction = -offset, "behind"
	}
	r.warn(v1alpha1.ConditionClockOff, v1alpha1.ReasonClockOff, fmt.Sprintf("The clock of node %s is %s %s the API server's. "+
		"No decision depends on it, but certificates, logs and the times of its pods are off: synchronize it, and make sure that it "+
		"stays synchronized.", r.node.Name, model.Count(offset, "second"), direction), true)
}

// noteOtherRebooters tells what else would reboot the host. It may do so without a drain, and nothing can be done about it from here.
func (r *rebootView) noteOtherRebooters() {
	report := r.report()
	if report == nil || len(report.Notices) == 0 || r.complete() {
		return
	}
	r.warn(v1alpha1.ConditionOtherRebooter, v1alpha1.ReasonOtherRebooter, fmt.Sprintf(
		"Something else on node %s would reboot it, too, without asking: %s. Disable it there.",
		r.node.Name, strings.TrimSuffix(strings.Join(report.Notices, "; "), ".")), true)
}

// summarize fills in phase, reason, message and the conditions.
func (p *planning) summarize(r *rebootView, reason, message string) {
	phase := phase(r)
	if s := r.Status; s.Reason == reason && model.SameMessage(s.Message, message) {
		message = s.Message
	}
	summary := summaryOf(phase, reason)
	if s := r.Status; s.Phase != phase || s.Reason != reason || s.Message != message || s.Summary != summary ||
		s.ObservedGeneration != r.Object.Generation {
		next := r.Edit()
		next.Phase, next.Reason, next.Message, next.Summary, next.ObservedGeneration = phase, reason, message, summary, r.Object.Generation
	}
	p.wants = fitting(r.Status.Conditions, appendConditions(p.wants[:0], r), maxRebootConditions)
	if unreadable := r.Object.Unreadable; len(unreadable) > 0 {
		next := r.Edit()
		next.Conditions = p.replaceUnreadable(p.conditions(next.Conditions, p.wants, r.Object.Generation), unreadable)
		r.Events = append(r.Events, unreadableEvents(unreadable)...)
		return
	}
	if !conditionsAre(r.Status.Conditions, p.wants, r.Object.Generation) {
		next := r.Edit()
		next.Conditions = p.conditions(next.Conditions, p.wants, r.Object.Generation)
	}
}

// warnedReasons of a waiting NodeReboot are reported by an event, because they are about something that a person should fix.
var warnedReasons = []string{
	v1alpha1.ReasonNoPolicy, v1alpha1.ReasonPolicyInvalid, v1alpha1.ReasonHelperNotReady, v1alpha1.ReasonGateError,
}

func phase(r *rebootView) v1alpha1.Phase {
	attempt := r.Status.Attempt
	switch {
	case r.complete():
		return v1alpha1.Phase(r.Status.Outcome)
	case !r.open():
		return v1alpha1.PhasePending
	case attempt.StalledTime != nil:
		return v1alpha1.PhaseFailed
	case attempt.BackTime != nil, attempt.RolledBackTime != nil:
		return v1alpha1.PhaseRecovering
	case attempt.RebootOrderedTime != nil:
		return v1alpha1.PhaseRebooting
	}
	return v1alpha1.PhaseDraining
}

// want is a condition as it should be. Conditions that are not wanted are removed, but for those of others.
type want struct {
	conditionType, reason, message string
	status                         metav1.ConditionStatus
}

// warn sets a condition that warns of something, and reports it in an event if it is new, also on the Node if onNode.
func (r *rebootView) warn(conditionType, reason, message string, onNode bool) {
	message = model.Bounded(message)
	r.warnings = append(r.warnings, want{conditionType, reason, message, metav1.ConditionTrue})
	if meta.FindStatusCondition(r.Object.Status.Conditions, conditionType) == nil {
		r.Emit(model.Event{Warning: true, Reason: reason, Message: message, OnNode: onNode})
	}
}

// appendConditions adds the conditions of a NodeReboot as they should be, the most important first.
func appendConditions(wants []want, r *rebootView) []want {
	return append(appendPhaseConditions(wants, r), r.warnings...)
}

// appendPhaseConditions adds those that follow from the phase.
func appendPhaseConditions(wants []want, r *rebootView) []want {
	s := r.Status
	switch s.Phase {
	case v1alpha1.PhaseSucceeded:
		return append(wants,
			want{v1alpha1.ConditionReady, s.Reason, s.Message, metav1.ConditionTrue},
			want{v1alpha1.ConditionRebooted, s.Reason, rebootedMessage(s), metav1.ConditionTrue})
	case v1alpha1.PhaseCancelled:
		return append(wants, want{v1alpha1.ConditionCancelled, s.Reason, s.Message, metav1.ConditionTrue})
	case v1alpha1.PhaseFailed:
		return append(wants,
			want{v1alpha1.ConditionReady, s.Reason, s.Message, metav1.ConditionFalse},
			want{v1alpha1.ConditionStalled, s.Reason, s.Message, metav1.ConditionTrue})
	}
	wants = append(wants,
		want{v1alpha1.ConditionReady, s.Reason, s.Message, metav1.ConditionFalse},
		want{v1alpha1.ConditionReconciling, s.Reason, s.Message, metav1.ConditionTrue})
	if r.open() && s.Attempt.DrainedTime != nil {
		wants = append(wants, drainedCondition(s.Attempt))
	}
	if r.open() && s.Attempt.BackTime != nil {
		wants = append(wants, want{v1alpha1.ConditionRebooted, v1alpha1.ConditionRebooted, rebootedMessage(s), metav1.ConditionTrue})
	}
	return wants
}

func drainedCondition(a *v1alpha1.Attempt) want {
	switch a.Drain {
	case v1alpha1.DrainSkipped:
		return want{v1alpha1.ConditionDrained, v1alpha1.ReasonDrainSkipped, "The policy skips drains.", metav1.ConditionFalse}
	case v1alpha1.DrainForced:
		return want{v1alpha1.ConditionDrained, v1alpha1.ReasonDrainForced, "The node was not drained in time, and reboots regardless.",
			metav1.ConditionFalse}
	}
	return want{v1alpha1.ConditionDrained, v1alpha1.ConditionDrained, "The node was drained.", metav1.ConditionTrue}
}

func rebootedMessage(s *v1alpha1.NodeRebootStatus) string {
	if s.Before == nil || s.After == nil {
		return "The node runs another boot."
	}
	return fmt.Sprintf("The node runs boot %s; before it was %s.", s.After.BootID, s.Before.BootID)
}

// maxRebootConditions and maxPolicyConditions are how many conditions the schema takes.
const (
	maxRebootConditions = 64
	maxPolicyConditions = 32
)

// fitting are the conditions for which there is room next to the conditions of others. The schema leaves room for all of them; objects that
// are older than that rule may have less.
func fitting(current []metav1.Condition, wants []want, limit int) []want {
	for i := range current {
		if model.HookCondition(current[i].Type) {
			limit--
		}
	}
	return wants[:max(0, min(len(wants), limit))]
}

// conditions are the current ones, changed to what is wanted; the very same slice if nothing changes.
func (p *planning) conditions(current []metav1.Condition, wants []want, generation int64) []metav1.Condition {
	if conditionsAre(current, wants, generation) {
		return current
	}
	next := slices.DeleteFunc(slices.Clone(current), func(c metav1.Condition) bool {
		return !model.HookCondition(c.Type) && !slices.ContainsFunc(wants, func(w want) bool { return w.conditionType == c.Type })
	})
	for _, w := range wants {
		meta.SetStatusCondition(&next, metav1.Condition{
			Type: w.conditionType, Status: w.status, Reason: w.reason, Message: w.message,
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(p.Now),
		})
	}
	return next
}

func conditionsAre(current []metav1.Condition, wants []want, generation int64) bool {
	own := 0
	for i := range current {
		if !model.HookCondition(current[i].Type) {
			own++
		}
	}
	if own != len(wants) {
		return false
	}
	for _, w := range wants {
		c := meta.FindStatusCondition(current, w.conditionType)
		if c == nil || c.Status != w.status || c.Reason != w.reason || c.ObservedGeneration != generation ||
			!model.SameMessage(c.Message, w.message) {
			return false
		}
	}
	return true
}
