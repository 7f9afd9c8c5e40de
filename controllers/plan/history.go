package plan

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const (
	// defaultHistory is what is kept of each kind for nodes that no policy owns, and defaultCancelled of those that were cancelled.
	defaultHistory   = 1
	defaultCancelled = 1
	// minGoneNodeHistory is how long the NodeReboots of a node that is gone are kept at least.
	minGoneNodeHistory = 24 * time.Hour
	// minCancelledHistory is how long a cancelled NodeReboot of a sentinel is kept at least. Its name is not free in the meantime, so a helper
	// that makes NodeReboots needlessly makes no more than 16 in that time.
	minCancelledHistory = 10 * time.Minute
)

// prune names the finished NodeReboots that are not kept.
func (p *planning) prune() []string {
	names := slices.Clone(p.staleApprovals)
	for _, n := range p.nodeOrder {
		if n.keepsAll() {
			continue
		}
		var history v1alpha1.HistorySpec
		if n.policy != nil {
			history = n.policy.Spec.History
		}
		names = append(names, p.pruned(n, v1alpha1.OutcomeSucceeded, ptr.Deref(history.Succeeded, defaultHistory))...)
		names = append(names, p.pruned(n, v1alpha1.OutcomeFailed, ptr.Deref(history.Failed, defaultHistory))...)
		names = append(names, p.pruned(n, v1alpha1.OutcomeCancelled, ptr.Deref(history.Cancelled, defaultCancelled))...)
	}
	for _, r := range p.orphans {
		if r.finished() && p.Reached(r.Status.CompletionTime.Add(p.goneNodeHistory(r))) {
			names = append(names, r.Object.Name)
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return p.held(model.WriteDelete, name) })
}

// keepsAll says that the node has no more NodeReboots of any outcome than its policy keeps, including those that are being deleted or that
// this plan ends. Then there is nothing to prune.
func (n *nodeView) keepsAll() bool {
	var history v1alpha1.HistorySpec
	if n.policy != nil {
		history = n.policy.Spec.History
	}
	succeeded, failed, cancelled := n.past.succeeded, n.past.failed, n.past.cancelled
	for _, r := range n.reboots {
		if !r.complete() {
			continue
		}
		switch r.Status.Outcome {
		case v1alpha1.OutcomeSucceeded:
			succeeded++
		case v1alpha1.OutcomeFailed:
			failed++
		case v1alpha1.OutcomeCancelled:
			cancelled++
		}
	}
	return succeeded <= int(ptr.Deref(history.Succeeded, defaultHistory)) && failed <= int(ptr.Deref(history.Failed, defaultHistory)) &&
		cancelled <= int(ptr.Deref(history.Cancelled, defaultCancelled))
}

// goneNodeHistory is how long the NodeReboot of a node that is gone is kept: for as long as its zone, or what it was a canary for, soaks.
func (p *planning) goneNodeHistory(r *rebootView) time.Duration {
	keep := minGoneNodeHistory
	policy := p.byName[r.grantedBy()]
	if policy == nil {
		return keep
	}
	keep = max(keep, model.Seconds(policy.Spec.Rollout.Zones.SoakSeconds))
	if canary := policy.Spec.Rollout.Canary; canary != nil {
		keep = max(keep, model.Seconds(canary.SoakSeconds))
	}
	return keep
}

// finished: complete, as it was read and not only in this plan, and not being deleted.
func (r *rebootView) finished() bool {
	return r.Object.Status.CompletionTime != nil && r.complete() && !r.deleted()
}

// pruned are the oldest of a node's finished NodeReboots of an outcome beyond keep, but for those that still matter.
func (p *planning) pruned(n *nodeView, outcome v1alpha1.Outcome, keep int32) []string {
	var finished []*rebootView
	for _, r := range n.everyReboot() {
		if r.finished() && r.Status.Outcome == outcome {
			finished = append(finished, r)
		}
	}
	if len(finished) <= int(keep) {
		return nil
	}
	slices.SortFunc(finished, func(a, b *rebootView) int {
		return cmp.Or(b.Status.CompletionTime.Compare(a.Status.CompletionTime.Time), cmp.Compare(a.Object.Name, b.Object.Name))
	})
	var names []string
	for _, r := range finished[keep:] {
		if !r.remembered(n.BootID) && !p.cancelledLately(r) {
			names = append(names, r.Object.Name)
		}
	}
	return names
}

// remembered: the NodeReboot is about the boot that runs now, and keeps the helper from asking again for a need that was given up, or may
// be opened again.
func (r *rebootView) remembered(bootID string) bool {
	if r.cancelledSentinel() {
		return r.Object.Spec.BootID == bootID && r.Status.OutcomeReason != v1alpha1.ReasonSuperseded
	}
	return r.aboutBoot(bootID)
}

func (p *planning) cancelledLately(r *rebootView) bool {
	return r.cancelledSentinel() && !p.Reached(r.Status.CompletionTime.Add(minCancelledHistory))
}

func (r *rebootView) cancelledSentinel() bool {
	return r.Object.Spec.Trigger == v1alpha1.TriggerSentinel && r.Status.Outcome == v1alpha1.OutcomeCancelled
}

func (r *rebootView) aboutBoot(bootID string) bool {
	before, after := r.Status.Before, r.Status.After
	return before != nil && before.BootID == bootID || after != nil && after.BootID == bootID
}
