package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// A policy halts for one of two causes. Nodes that did not come back halt it until they do. Drains and hooks that fail on several nodes in
// a row halt it like a circuit breaker: after a back-off one node is tried again, and one that comes back from its reboot ends the halt.

// halt is what keeps a policy from starting anything.
type halt struct {
	// notBack are its reboots whose node did not come back as it should.
	notBack []*rebootView
	// failing are its reboots whose last attempt failed without a reboot, since a node last came back from one.
	failing []*rebootView
	// attempts is how often those failed, and last when the last of them did.
	attempts int32
	last     time.Time
	// verdict is what halted says, once it was asked.
	verdict *model.Verdict
	// nodesNotBack and drainsFailing say that there are as many of them as the policy allows.
	nodesNotBack, drainsFailing bool
}

// countHalts finds out which policies are halted.
func (p *planning) countHalts() {
	for _, policy := range p.policies {
		policy.halt = halt{}
	}
	for _, r := range slices.Concat(p.reboots, p.tried()) {
		if policy := r.policy(); policy != nil && r.notBack() && !r.node.succeededSince(r) {
			policy.halt.notBack = append(policy.halt.notBack, r)
		}
	}
	gone := p.goneBack()
	for _, policy := range p.policies {
		policy.halt.verdict = nil
		policy.halt.countFailing(policy, policy.lastBack(gone[policy.Name()]))
		policy.halt.nodesNotBack = reaches(len(policy.halt.notBack), policy.maxFailures)
		row := policy.maxConsecutiveFailures
		policy.halt.drainsFailing = row > 0 && reaches(len(policy.halt.failing), row)
	}
}

func reaches(count, limit int) bool { return count > 0 && count >= limit }

// lastBack is when a node of the policy last came back from its reboot, also one whose Node is deleted by now.
func (policy *policyView) lastBack(last time.Time) time.Time {
	for _, n := range policy.nodes {
		last = model.Latest(last, n.lastBack)
	}
	return last
}

// goneBack is when a node whose Node is deleted by now last came back, by the name of the policy that granted that.
func (p *planning) goneBack() map[string]time.Time {
	last := map[string]time.Time{}
	for _, r := range p.orphans {
		if a := r.Status.Attempt; a != nil && a.BackTime != nil {
			last[r.grantedBy()] = model.Latest(last[r.grantedBy()], a.BackTime.Time)
		}
	}
	return last
}

func (h *halt) countFailing(policy *policyView, lastBack time.Time) {
	for _, n := range policy.nodes {
		if i := slices.IndexFunc(n.reboots, func(r *rebootView) bool { return r.failedWithoutReboot(lastBack) }); i >= 0 {
			failures := n.reboots[i].Status.Failures
			h.failing = append(h.failing, n.reboots[i])
			h.attempts += failures.Count
			h.last = model.Latest(h.last, failures.LastTime.Time)
		}
	}
}

// failedWithoutReboot says that an attempt to drain the node, or to have its hooks done, failed after a time.
func (r *rebootView) failedWithoutReboot(since time.Time) bool {
	if r.complete() || r.deleted() || r.untried {
		return false
	}
	failures := r.Status.Failures
	if failures == nil || !failures.LastTime.After(since) {
		return false
	}
	switch failures.LastReason {
	case v1alpha1.ReasonSentinelStillPresent, v1alpha1.ReasonConditionStillPresent, v1alpha1.ReasonUncordoned:
		return false
	}
	return true
}

// halted says why nothing starts; nothing if the policy is not halted.
func (policy *policyView) halted() model.Verdict {
	if policy.halt.verdict == nil {
		v := policy.whetherHalted()
		policy.halt.verdict = &v
	}
	return *policy.halt.verdict
}

func (policy *policyView) whetherHalted() model.Verdict {
	switch h := &policy.halt; {
	case h.nodesNotBack:
		return model.Blocked(v1alpha1.ReasonHalted, "RebootPolicy %s is halted: %s. Nothing starts until %s.",
			policy.Name(), haltedBy(h.notBack), succeedOrDeleted(len(h.notBack)))
	case h.drainsFailing:
		return model.Blocked(v1alpha1.ReasonHalted, "RebootPolicy %s is halted: %s", policy.Name(), policy.drainsFail()).Ending(policy.tryAgain())
	}
	return model.Verdict{}
}

// whyHalted is the reason and message of a halted policy.
func (policy *policyView) whyHalted() (reason, message string) {
	if h := &policy.halt; h.nodesNotBack {
		return v1alpha1.ReasonNodesNotBack, haltedBy(h.notBack) + ": nothing more starts until " + succeedOrDeleted(len(h.notBack)) + "."
	}
	return v1alpha1.ReasonDrainsFailing, capitalized(policy.drainsFail())
}

// drainsFail says what failed, and how the policy continues.
func (policy *policyView) drainsFail() string {
	h := &policy.halt
	failed := fmt.Sprintf("the attempts of %d nodes in a row", len(h.failing))
	if len(h.failing) == 1 {
		failed = "the last attempt"
	}
	return fmt.Sprintf("%s failed without a reboot: %s. From %s on, one node at a time is tried again, and a node "+
		"that comes back ends the halt. To continue at once, fix the cause and delete %s; NodeReboots of a sentinel are created again.",
		failed, haltedBy(h.failing), policy.Clock.Until(policy.tryAgain()), model.Form(len(h.failing), "this NodeReboot", "these NodeReboots"))
}

// tryAgain is when a policy that is halted by failing drains may try one node: after a back-off that doubles with every failure, or when a
// window opens.
func (policy *policyView) tryAgain() time.Time {
	h := &policy.halt
	beyond := h.attempts - int32(policy.maxConsecutiveFailures) + 1
	return policy.RetryTime(h.last, backoff(model.Seconds(policy.Spec.Failure.BackoffSeconds), beyond))
}

// haltGate stops what a halted policy owns, except for the one node at a time that is tried again.
func haltGate(p *planning, r *rebootView) model.Verdict {
	policy := r.policy()
	v := policy.halted()
	if v.OK() || policy.halt.nodesNotBack {
		return v
	}
	if p.limits.busy[policy] || !p.Reached(policy.tryAgain()) {
		return v
	}
	return model.Verdict{}
}

// trials are those of a halted policy that are tried first: the ones that have failed least, so that a node that can be rebooted has its
// turn soon, whatever its zone. The others are tried later, if none of these can start.
func (policy *policyView) trials(able []*rebootView) (first, later []*rebootView) {
	if !policy.halt.drainsFailing {
		return able, nil
	}
	least := slices.MinFunc(able, compareFailures)
	for _, r := range able {
		if compareFailures(r, least) == 0 {
			first = append(first, r)
			continue
		}
		r.wait = policy.halted()
		later = append(later, r)
	}
	return first, later
}

// haltOthers says to those of a halted policy that did not start that another one is tried.
func (policy *policyView) haltOthers(able []*rebootView) {
	if !policy.halt.drainsFailing {
		return
	}
	for _, r := range able {
		if !r.started {
			r.wait = policy.halted()
		}
	}
}

func compareFailures(a, b *rebootView) int { return int(a.failureCount()) - int(b.failureCount()) }

func (r *rebootView) failureCount() int32 {
	if r.Status.Failures == nil {
		return 0
	}
	return r.Status.Failures.Count
}

// stops says why an attempt whose host was not ordered to reboot is rolled back. An attempt that began after the last failure in the row is
// the trial, and continues.
func (policy *policyView) stops(r *rebootView) model.Verdict {
	h := &policy.halt
	tried := !h.nodesNotBack && r.Status.Attempt != nil && !r.Status.Attempt.GrantedTime.Time.Before(h.last)
	if tried {
		return model.Verdict{}
	}
	return policy.halted()
}

// notBack says that the node did not come back as it should: its host was ordered to reboot, and that was not proved. Evicted pods that are
// not back count, too.
func (r *rebootView) notBack() bool {
	if r.open() {
		return r.Status.Attempt.StalledTime != nil || r.isGivingUp()
	}
	if !r.complete() {
		return false
	}
	if r.Status.Outcome != v1alpha1.OutcomeFailed || r.deleted() || r.nodeGone() {
		return false
	}
	switch r.Status.OutcomeReason {
	case v1alpha1.ReasonRebootNotObserved:
		return true
	case v1alpha1.ReasonSentinelStillPresent, v1alpha1.ReasonConditionStillPresent:
		return !r.needGone()
	}
	return false
}

// needGone says that what called for the reboot is known to be gone.
func (r *rebootView) needGone() bool {
	switch r.Object.Spec.Trigger {
	case v1alpha1.TriggerSentinel:
		return r.sentinel() == v1alpha1.SentinelNotRequired
	case v1alpha1.TriggerNodeCondition:
		return r.policy() != nil && !r.policy().Unknown("triggers") && !r.conditionCalls()
	}
	return false
}

// isGivingUp says that the last attempt that may reach the host did so without success: the NodeReboot is given up as soon as the evicted
// pods are back.
func (r *rebootView) isGivingUp() bool {
	current, failures := r.Status.Attempt, r.Status.Failures
	return current.RolledBackTime != nil && current.Result == v1alpha1.ReasonRebootNotObserved && !r.deleted() &&
		failures != nil && failures.Reboots >= ptr.Deref(r.policy().Spec.Failure.MaxAttempts, 0)
}

func (n *nodeView) succeededSince(failed *rebootView) bool {
	return failed.complete() && n.lastSuccess().After(failed.Status.CompletionTime.Time)
}

// lastSuccess is when a NodeReboot of the node last succeeded; zero means never.
func (n *nodeView) lastSuccess() time.Time {
	if n.found.ended {
		return n.found.success
	}
	last := n.past.lastSuccess
	for _, r := range n.reboots {
		if r.Status.Outcome == v1alpha1.OutcomeSucceeded && r.Status.CompletionTime != nil {
			last = model.Latest(last, r.Status.CompletionTime.Time)
		}
	}
	n.found.ended, n.found.success = true, last
	return last
}

// succeedOrDeleted says what ends a halt by so many NodeReboots.
func succeedOrDeleted(count int) string {
	return model.Form(count, "it succeeds or is deleted", "they succeed or are deleted")
}

// haltedBy names some of the NodeReboots that halt a policy.
func haltedBy(reboots []*rebootView) string {
	const shown = 3
	var parts []string
	for i, r := range reboots {
		if i == shown {
			parts = append(parts, fmt.Sprintf("%d more", len(reboots)-shown))
			break
		}
		parts = append(parts, fmt.Sprintf("NodeReboot %s (%s)", r.Object.Name, r.whyHalts()))
	}
	return strings.Join(parts, ", ")
}

func (r *rebootView) whyHalts() string {
	switch {
	case r.complete():
		return r.Status.OutcomeReason
	case r.open() && r.Status.Attempt.RolledBackTime != nil && r.Status.Attempt.StalledTime != nil:
		return v1alpha1.ReasonRecoveryTimedOut
	case r.open() && r.Status.Attempt.StalledTime != nil:
		return r.Status.Attempt.Result
	}
	return r.Status.Failures.LastReason
}
