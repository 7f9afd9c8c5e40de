package plan

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// nodeNotFoundGrace is how long a NodeReboot may name a Node that is not there. Node and NodeReboot come from two watches, so a NodeReboot
// may be seen a moment before the Node that its helper runs on.
const nodeNotFoundGrace = 30 * time.Second

// updateNeeds records what each NodeReboot is about, and ends those that are no longer needed.
func (p *planning) updateNeeds() {
	for _, r := range p.reboots {
		p.reopenIfRequiredAgain(r)
		if !r.complete() {
			p.recordFacts(r)
			p.recordApproval(r)
		}
		if r.waiting() {
			p.endIfNotNeeded(r)
		}
	}
	p.endSurplus()
	for _, r := range p.reboots {
		p.recordTaint(r)
	}
}

func (p *planning) recordFacts(r *rebootView) {
	if !r.identified {
		p.identify(r)
	}
	if r.modelNode() == nil || r.open() {
		return // it belongs to the policy and zone that granted the attempt
	}
	policy, zone := "", ""
	if r.node.policy != nil {
		policy, zone = r.node.policy.Object.Name, r.node.zone
	}
	if r.Status.PolicyName != policy || r.Status.Zone != zone {
		next := r.Edit()
		next.PolicyName, next.Zone = policy, zone
	}
}

// identify records which node and boot the NodeReboot is about, and since when it is required.
func (p *planning) identify(r *rebootView) {
	if r.Status.RequiredSince == nil {
		since := metav1.NewMicroTime(r.Object.CreationTimestamp.Time)
		if since.After(p.Now) {
			since = *p.Stamp() // another machine made the creation timestamp
		}
		r.requireSince(&since)
	}
	if r.modelNode() == nil {
		return
	}
	if r.Status.NodeUID == "" {
		r.Edit().NodeUID = r.node.UID
	}
	if r.Status.Before == nil && r.node.BootID != "" {
		r.Edit().Before = r.node.Boot()
	}
}

// requireSince records since when the reboot has been required.
func (r *rebootView) requireSince(since *metav1.MicroTime) {
	r.Edit().RequiredSince, r.required = since, since.Time
}

// reopenIfRequiredAgain opens a NodeReboot again whose need was withdrawn and came back within the same boot: the helper makes no other one
// for that boot. The same is true for one whose Node was found to be gone and is there: the helper's report says that it is the same boot
// of the same host, which was registered again, or whose Node was seen late.
func (p *planning) reopenIfRequiredAgain(r *rebootView) {
	if !r.complete() || !slices.Contains(reopenedReasons, r.Status.OutcomeReason) || r.deleted() || !p.requiredAgain(r) {
		return
	}
	if r.staleApproval() {
		p.staleApprovals = append(p.staleApprovals, r.Object.Name)
		return
	}
	next := r.Edit()
	next.Outcome, next.OutcomeReason, next.OutcomeMessage = "", "", ""
	next.CompletionTime, next.TaintedTime, next.TaintLeadSeconds = nil, nil, nil
	next.NodeUID = r.node.UID
	r.requireSince(p.Stamp())
	r.sync()
}

// staleApproval: someone approved the need that was withdrawn. That says nothing about the current need, so the NodeReboot is deleted, and
// another one without approval is created.
func (r *rebootView) staleApproval() bool {
	policy := r.policy()
	return r.Status.OutcomeReason == v1alpha1.ReasonNeedWithdrawn && policy != nil && policy.NeedsApproval() &&
		r.Object.Spec.Approval == v1alpha1.ApprovalGiven
}

// reopenedReasons are those for which a NodeReboot ended that may turn out to be needed.
var reopenedReasons = []string{v1alpha1.ReasonNeedWithdrawn, v1alpha1.ReasonNodeGone, v1alpha1.ReasonNodeNotFound}

// endIfNotNeeded ends a waiting NodeReboot whose node is gone, was rebooted by something else, or no longer asks.
func (p *planning) endIfNotNeeded(r *rebootView) {
	switch {
	case r.current && !r.needGone():
	case r.modelNode() == nil && r.Status.NodeUID == "":
		p.endIfNodeNotFound(r)
	case r.nodeGone():
		p.complete(r, v1alpha1.OutcomeCancelled, v1alpha1.ReasonNodeGone, fmt.Sprintf("Node %s was deleted.", r.Object.Spec.NodeName))
	case r.rebootedSince():
		p.endIfRebootedMeanwhile(r)
	case r.Object.Spec.Trigger == v1alpha1.TriggerSentinel && r.needGone():
		p.complete(r, v1alpha1.OutcomeCancelled, v1alpha1.ReasonNeedWithdrawn, "The host no longer asks for a reboot.")
	case r.needGone():
		p.complete(r, v1alpha1.OutcomeCancelled, v1alpha1.ReasonNeedWithdrawn, fmt.Sprintf(
			"Condition %s of node %s no longer asks for a reboot.", r.Object.Spec.ConditionType, r.node.Name))
	}
}

// rebootedSince: the node runs a different boot from the one that has to end.
func (r *rebootView) rebootedSince() bool {
	return r.node != nil && r.Status.Before != nil && r.node.BootID != "" && r.node.BootID != r.Status.Before.BootID
}

// rebootedFor says what the node was rebooted for, if the boot that runs is that of another NodeReboot's attempt.
func (r *rebootView) rebootedFor() string {
	for _, other := range r.node.rebooters() {
		if other != r {
			return "for NodeReboot " + other.Object.Name
		}
	}
	return "for another reason"
}

// rebooters are the first NodeReboots, two at most, whose attempts may have led to the boot that runs. Needs are brought up to date before
// any attempt, so it is enough to look for them once.
func (n *nodeView) rebooters() []*rebootView {
	if n.bootedFor != nil {
		return n.bootedFor
	}
	n.bootedFor = make([]*rebootView, 0, 2)
	for _, r := range n.everyReboot() {
		attempt, after := r.Status.Attempt, r.Status.After
		if attempt == nil || attempt.RebootOrderedTime == nil || len(n.bootedFor) == cap(n.bootedFor) {
			continue
		}
		if after != nil && after.BootID == n.BootID || r.open() && after == nil { // its boot is recorded in this plan
			n.bootedFor = append(n.bootedFor, r)
		}
	}
	return n.bootedFor
}

func (p *planning) endIfNodeNotFound(r *rebootView) {
	r.awaitFact(v1alpha1.ReasonNodeNotFound, "There is no Node %s: delete this NodeReboot and create one with the name of a Node.")
	if p.Reached(r.Object.CreationTimestamp.Add(nodeNotFoundGrace)) {
		p.complete(r, v1alpha1.OutcomeFailed, r.wait.Reason, r.wait.Message)
	}
}

// awaitFact makes the NodeReboot wait for a fact. The message has a place for the node's name.
func (r *rebootView) awaitFact(reason, message string) {
	r.awaitsFact = true
	r.wait = model.Blocked(reason, message, r.Object.Spec.NodeName)
}

// endIfRebootedMeanwhile settles a waiting NodeReboot whose node was rebooted by something else: it asked for another boot, and there is
// one. A host that asks again after that boot keeps its place in the queue.
func (p *planning) endIfRebootedMeanwhile(r *rebootView) {
	fromSentinel := r.Object.Spec.Trigger == v1alpha1.TriggerSentinel
	switch {
	case !r.node.Ready:
		r.awaitFact(v1alpha1.ReasonNodeNotReady, "Node %s was rebooted and is not Ready yet.")
	case fromSentinel && r.sentinel() == v1alpha1.SentinelUnknown:
		r.awaitFact(v1alpha1.ReasonSentinelUnknown, "Node %s was rebooted; its helper has not reported since then whether another reboot is "+
			"required.")
	case fromSentinel && r.sentinel() == v1alpha1.SentinelRequired:
		r.Edit().Before = r.node.Boot()
	default:
		r.Edit().After = r.node.Boot()
		p.complete(r, v1alpha1.OutcomeSucceeded, v1alpha1.ReasonRebootedMeanwhile, fmt.Sprintf(
			"Node %s was rebooted %s: it reports another boot ID and is Ready.", r.node.Name, r.rebootedFor()))
	}
}

// recordTaint stamps when the node of a NodeReboot was tainted, before anything starts: the lead of the taint is counted from here.
func (p *planning) recordTaint(r *rebootView) {
	if r.node != nil && r.node.optedOut() || r.taintRefused() {
		if r.Status.TaintedTime != nil && !r.complete() {
			r.Edit().TaintedTime = nil
		}
		return
	}
	if r.Status.TaintedTime != nil || r.policy() == nil || !r.needsReboot() {
		return
	}
	if effect := r.policy().Spec.Taint.Effect; effect != v1alpha1.TaintNone && effect != "" {
		r.Edit().TaintedTime = p.Stamp()
	}
}
