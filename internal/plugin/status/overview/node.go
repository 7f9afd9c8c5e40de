package overview

import (
	"cmp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// kind is how a NodeReboot is shown.
type kind int

const (
	waiting kind = iota
	underWay
	succeeded
	failed
	cancelled
)

// kindOf a NodeReboot. A phase that is not known counts as one that waits: it has not ended.
func kindOf(r *v1alpha1.NodeReboot) kind {
	switch {
	case r.Status.CompletionTime == nil && holdsSlot(r):
		return underWay
	case r.Status.CompletionTime == nil && r.Status.Outcome == "":
		return waiting
	case r.Status.Outcome == v1alpha1.OutcomeSucceeded:
		return succeeded
	case r.Status.Outcome == v1alpha1.OutcomeCancelled:
		return cancelled
	}
	return failed
}

// Over says that a NodeReboot has ended.
func Over(r *v1alpha1.NodeReboot) bool { k := kindOf(r); return k != waiting && k != underWay }

// UnderWay says that a NodeReboot holds a slot.
func UnderWay(r *v1alpha1.NodeReboot) bool { return kindOf(r) == underWay }

func holdsSlot(r *v1alpha1.NodeReboot) bool {
	return r.Status.Attempt != nil && r.Status.Attempt.EndedTime == nil
}

// NodeOf is what is shown of a NodeReboot.
func NodeOf(r *v1alpha1.NodeReboot) Node {
	s := &r.Status
	n := Node{
		Name: r.Spec.NodeName, Reboot: r.Name, Phase: s.Phase, Reason: s.Reason, Message: s.Message, Until: micro(s.UntilTime),
		immediate: r.Spec.Urgency == v1alpha1.UrgencyImmediate, required: requiredSince(r),
	}
	if n.Phase == "" {
		n.Phase = v1alpha1.PhasePending
	}
	if a := s.Attempt; a != nil {
		n.Attempt, n.Canary = int(a.Number), a.Role == v1alpha1.RoleCanary
	}
	switch kindOf(r) {
	case waiting:
		n.Since = timeOf(n.required)
	case underWay:
		n.Started, n.Since = timeOf(s.Attempt.GrantedTime.Time), timeOf(phaseSince(s.Attempt))
		n.addPods(s)
	default:
		n.Ended, n.Until = micro(s.CompletionTime), nil
		if s.Attempt != nil {
			n.Started = timeOf(s.Attempt.GrantedTime.Time)
		}
	}
	return n
}

// addPods adds how far the drain is, as the helper reports it. It says nothing before the helper does.
func (n *Node) addPods(s *v1alpha1.NodeRebootStatus) {
	if s.Phase != v1alpha1.PhaseDraining || s.Report == nil || s.Report.Drain == nil || s.Attempt.DrainOrderedTime == nil ||
		s.Attempt.DrainedTime != nil || !aboutThisAttempt(s) {
		return
	}
	n.PodsLeft, n.PodsTotal = ptr.To(int(s.Report.Drain.Remaining)), ptr.To(int(s.Report.Drain.Total))
	n.Stuck = s.Report.Drain.Activity == v1alpha1.DrainStuck
}

// aboutThisAttempt says that the report is about the order that is there. The report of an earlier attempt stays until the helper writes
// again.
func aboutThisAttempt(s *v1alpha1.NodeRebootStatus) bool {
	return s.Order == nil || s.Report.Sequence >= s.Order.Sequence
}

// phaseSince is when an attempt came to where it is.
func phaseSince(a *v1alpha1.Attempt) time.Time {
	for _, t := range []*metav1.MicroTime{a.StalledTime, a.RolledBackTime, a.BackTime, a.RebootOrderedTime} {
		if t != nil {
			return t.Time
		}
	}
	return a.GrantedTime.Time
}

func requiredSince(r *v1alpha1.NodeReboot) time.Time {
	if r.Status.RequiredSince != nil {
		return r.Status.RequiredSince.Time
	}
	return r.CreationTimestamp.Time
}

// turnReasons are the reasons of nodes that only wait for their turn. All other reasons are in the way of a single node.
var turnReasons = func() map[string]bool {
	reasons := map[string]bool{}
	for _, reason := range []string{
		v1alpha1.ReasonPaused, v1alpha1.ReasonObserving, v1alpha1.ReasonHalted, v1alpha1.ReasonWindowClosed, v1alpha1.ReasonFreeze,
		v1alpha1.ReasonWindowEnding, v1alpha1.ReasonCanaryFirst, v1alpha1.ReasonCanarySoaking, v1alpha1.ReasonCanaryFailed,
		v1alpha1.ReasonControlPlaneTurn, v1alpha1.ReasonZoneBusy, v1alpha1.ReasonFirstNodeAlone, v1alpha1.ReasonManagerNodeLast,
		v1alpha1.ReasonZoneSoaking, v1alpha1.ReasonGatePending, v1alpha1.ReasonZoneBudgetExhausted, v1alpha1.ReasonAdaptiveDelay,
		v1alpha1.ReasonBudgetExhausted, v1alpha1.ReasonClusterBudgetExhausted,
	} {
		reasons[reason] = true
	}
	return reasons
}()

// byTurn orders nodes that wait: by the forecast as far as it knows; then as the planner does by what a NodeReboot says about itself. Those
// that only wait for their turn come before those that something of their own is in the way of.
func byTurn(a, b *Node) int {
	return cmp.Or(
		compareTurns(a.Turn, b.Turn),
		compareBools(b.immediate, a.immediate),
		compareBools(turnReasons[b.Reason], turnReasons[a.Reason]),
		a.required.Compare(b.required),
		strings.Compare(a.Name, b.Name),
		strings.Compare(a.Reboot, b.Reboot),
	)
}

func compareTurns(a, b *Turn) int {
	const last = int(^uint(0) >> 1)
	position := func(t *Turn) int {
		if t == nil || t.Position == 0 {
			return last
		}
		return t.Position
	}
	return cmp.Compare(position(a), position(b))
}

// compareBools puts what is false first.
func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func sortNodes(nodes []Node, compare func(a, b *Node) int) {
	slices.SortFunc(nodes, func(a, b Node) int { return compare(&a, &b) })
}

// byStart orders nodes that are under way.
func byStart(a, b *Node) int {
	return cmp.Or(started(a).Compare(started(b)), strings.Compare(a.Name, b.Name))
}

// started is zero where the start cannot be read.
func started(n *Node) time.Time {
	if n.Started == nil {
		return time.Time{}
	}
	return n.Started.Time
}

// byEnd orders finished ones, the last first.
func byEnd(a, b *Node) int {
	return cmp.Or(ended(b).Compare(ended(a)), strings.Compare(a.Name, b.Name))
}

func ended(n *Node) time.Time {
	if n.Ended == nil {
		return time.Time{}
	}
	return n.Ended.Time
}
