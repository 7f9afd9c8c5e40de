package plan

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// nodeNotFoundGrace is how long a NodeReboot may name a Node that is not there. Node and NodeReboot come from two watches, so a NodeReboot
// may be seen a moment before the Node that its helper runs on.
const nodeNotFoundGrace = 30 * time.Second

// maxKernelVersion is how much of a kernel's version the API takes.
const maxKernelVersion = 256

// updateFacts records what each NodeReboot is about, and ends those that are not needed any more.
func (p *pass) updateFacts() {
	for _, r := range p.reboots {
		p.reopenIfRequiredAgain(r)
		if !r.complete() {
			p.recordFacts(r)
			p.recordApproval(r)
		}
		if r.waiting() {
			p.endIfNotNeeded(r)
		}
		p.recordTaint(r)
	}
}

func (p *pass) recordFacts(r *rebootView) {
	if r.next.RequiredSince == nil {
		since := metav1.NewMicroTime(r.obj.CreationTimestamp.Time)
		r.edit().RequiredSince = &since
	}
	if r.node == nil {
		return
	}
	if r.next.NodeUID == "" {
		r.edit().NodeUID = r.node.UID
	}
	if r.next.Before == nil && r.node.BootID != "" {
		r.edit().Before = r.node.boot()
	}
	policy, zone := "", ""
	if r.node.policy != nil {
		policy, zone = r.node.policy.obj.Name, r.node.zone
	}
	if r.next.PolicyName != policy || r.next.Zone != zone {
		next := r.edit()
		next.PolicyName, next.Zone = policy, zone
	}
}

func (n *nodeView) boot() *v1alpha1.BootInfo {
	return &v1alpha1.BootInfo{BootID: n.BootID, KernelVersion: n.KernelVersion[:min(len(n.KernelVersion), maxKernelVersion)]}
}

// reopenIfRequiredAgain opens a NodeReboot again whose need was withdrawn and came back within the same boot: the helper names it after
// the boot, so it cannot make another one. The same goes for one whose Node was found to be gone and is there: the helper's report says
// that it is the same boot of the same host, which was registered again, or whose Node was seen late.
func (p *pass) reopenIfRequiredAgain(r *rebootView) {
	if !r.complete() || !slices.Contains(reopenedReasons, r.next.OutcomeReason) || r.deleted() || !p.requiredAgain(r) {
		return
	}
	if r.approvedBefore() {
		p.outlived = append(p.outlived, r.obj.Name)
		return
	}
	next := r.edit()
	next.Outcome, next.OutcomeReason, next.OutcomeMessage = "", "", ""
	next.CompletionTime, next.TaintedTime, next.TaintLeadSeconds = nil, nil, nil
	next.RequiredSince, next.NodeUID = p.stamp(), r.node.UID
	r.done = false
}

// approvedBefore: somebody approved the need that was withdrawn. That says nothing about the one that there is now, so the NodeReboot is
// deleted, for another one to be made that is not approved.
func (r *rebootView) approvedBefore() bool {
	policy := r.policy()
	return r.next.OutcomeReason == v1alpha1.ReasonNeedWithdrawn && policy != nil && policy.spec.Approval == v1alpha1.ApprovalRequired &&
		r.obj.Spec.Approval == v1alpha1.ApprovalGiven
}

// reopenedReasons are those for which a NodeReboot ended that may turn out to be needed.
var reopenedReasons = []string{v1alpha1.ReasonNeedWithdrawn, v1alpha1.ReasonNodeGone, v1alpha1.ReasonNodeNotFound}

// sentinel is what the helper said since the node's current boot.
func (r *rebootView) sentinel() v1alpha1.SentinelState {
	if report := r.currentReport(); report != nil {
		return report.Sentinel
	}
	return v1alpha1.SentinelUnknown
}

// endIfNotNeeded ends a waiting NodeReboot whose node is gone, was rebooted by something else, or does not ask any more.
func (p *pass) endIfNotNeeded(r *rebootView) {
	switch {
	case r.node == nil && r.next.NodeUID == "":
		p.endIfNodeNotFound(r)
	case r.nodeGone():
		p.complete(r, v1alpha1.OutcomeCancelled, v1alpha1.ReasonNodeGone, fmt.Sprintf("Node %s was deleted.", r.obj.Spec.NodeName))
	case r.rebootedSince():
		p.endIfRebootedMeanwhile(r)
	case r.obj.Spec.Trigger == v1alpha1.TriggerSentinel && r.sentinel() == v1alpha1.SentinelNotRequired:
		p.complete(r, v1alpha1.OutcomeCancelled, v1alpha1.ReasonNeedWithdrawn, "The host does not ask for a reboot any more.")
	case r.obj.Spec.Trigger == v1alpha1.TriggerNodeCondition && r.policy() != nil && !r.conditionAsks():
		p.complete(r, v1alpha1.OutcomeCancelled, v1alpha1.ReasonNeedWithdrawn, fmt.Sprintf(
			"Condition %s of node %s does not ask for a reboot any more.", r.obj.Spec.ConditionType, r.node.Name))
	}
}

// nodeGone: the Node that the NodeReboot was about is not there any more, or another one took its name.
func (r *rebootView) nodeGone() bool {
	return r.next.NodeUID != "" && (r.node == nil || r.node.UID != r.next.NodeUID)
}

// rebootedSince: the node runs another boot than the one that has to end.
func (r *rebootView) rebootedSince() bool {
	return r.node != nil && r.next.Before != nil && r.node.BootID != "" && r.node.BootID != r.next.Before.BootID
}

func (p *pass) endIfNodeNotFound(r *rebootView) {
	r.unsettle(v1alpha1.ReasonNodeNotFound, "There is no Node %s: delete this NodeReboot and create one with the name of a Node.")
	if p.passed(r.obj.CreationTimestamp.Add(nodeNotFoundGrace)) {
		p.complete(r, v1alpha1.OutcomeFailed, r.wait.reason, r.wait.message)
	}
}

// unsettle makes the NodeReboot wait for a fact. The message has a place for the node's name.
func (r *rebootView) unsettle(reason, message string) {
	r.unsettled = true
	r.wait = verdict{reason: reason, message: fmt.Sprintf(message, r.obj.Spec.NodeName)}
}

// endIfRebootedMeanwhile settles a waiting NodeReboot whose node was rebooted by something else: it asked for another boot, and there is
// one. A host that asks again after that boot keeps its place in the queue.
func (p *pass) endIfRebootedMeanwhile(r *rebootView) {
	fromSentinel := r.obj.Spec.Trigger == v1alpha1.TriggerSentinel
	switch {
	case !r.node.Ready:
		r.unsettle(v1alpha1.ReasonNodeNotReady, "Node %s was rebooted and is not Ready yet.")
	case fromSentinel && r.sentinel() == v1alpha1.SentinelUnknown:
		r.unsettle(v1alpha1.ReasonSentinelUnknown, "Node %s was rebooted; its helper has not said since whether another reboot is required.")
	case fromSentinel && r.sentinel() == v1alpha1.SentinelRequired:
		r.edit().Before = r.node.boot()
	default:
		r.edit().After = r.node.boot()
		p.complete(r, v1alpha1.OutcomeSucceeded, v1alpha1.ReasonRebootedMeanwhile, fmt.Sprintf(
			"Node %s was rebooted by something else: its boot ID is another one and it is Ready.", r.node.Name))
	}
}

// complete ends the NodeReboot.
func (p *pass) complete(r *rebootView, outcome v1alpha1.Outcome, reason, message string) {
	next := r.edit()
	next.Outcome, next.OutcomeReason, next.OutcomeMessage = outcome, reason, bounded(message)
	next.CompletionTime, next.Order = p.stamp(), nil
	r.done, r.attempting = true, false
	r.wait = verdict{}
	r.emit(Event{Warning: outcome == v1alpha1.OutcomeFailed, Reason: reason, Message: message, OnNode: r.next.Attempt != nil})
}
