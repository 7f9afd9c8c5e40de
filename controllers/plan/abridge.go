package plan

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/intern"
)

// Abridge returns what a plan reads of a NodeReboot that is finished, in memory of its own. One that is not finished, or about which
// something is left to write, is returned whole. A large cluster has tens of thousands of finished ones, and they are most of what a
// manager keeps in memory.
//
// A plan that changes an abridged NodeReboot was made from a part of it, so it must not be carried out: read the whole of what Partial
// names, and make the plan again.
func Abridge(obj *v1alpha1.NodeReboot) *v1alpha1.NodeReboot {
	s := &obj.Status
	unfinished := s.CompletionTime == nil || s.ObservedGeneration != obj.Generation || s.Summary == "" ||
		string(s.Phase) != string(s.Outcome) || !obj.DeletionTimestamp.IsZero() || slices.Contains(obj.Finalizers, v1alpha1.Finalizer)
	if unfinished || len(obj.Unreadable) > 0 || obj.Abridged {
		return obj
	}
	short := &v1alpha1.NodeReboot{Abridged: true}
	short.ObjectMeta = metav1.ObjectMeta{
		Name: obj.Name, UID: obj.UID, ResourceVersion: obj.ResourceVersion, Generation: obj.Generation,
		CreationTimestamp: obj.CreationTimestamp, Labels: obj.Labels, Annotations: obj.Annotations, Finalizers: obj.Finalizers,
	}
	short.Spec = v1alpha1.NodeRebootSpec{
		NodeName: intern.Text(obj.Spec.NodeName), Trigger: intern.Text(obj.Spec.Trigger), ConditionType: intern.Text(obj.Spec.ConditionType),
		BootID: obj.Spec.BootID, Urgency: intern.Text(obj.Spec.Urgency), Approval: intern.Text(obj.Spec.Approval),
	}
	short.Status = v1alpha1.NodeRebootStatus{
		ObservedGeneration: s.ObservedGeneration, Phase: intern.Text(s.Phase), Reason: intern.Text(s.Reason), Summary: intern.Text(s.Summary),
		PolicyName: intern.Text(s.PolicyName), Zone: intern.Text(s.Zone), NodeUID: intern.Text(s.NodeUID),
		Before: abridgedBoot(s.Before), After: abridgedBoot(s.After), Attempt: abridgedAttempt(s), Failures: s.Failures,
		Outcome: intern.Text(s.Outcome), OutcomeReason: intern.Text(s.OutcomeReason), CompletionTime: s.CompletionTime,
	}
	if short.Status.Before != nil && short.Status.Before.BootID == short.Spec.BootID {
		short.Spec.BootID = short.Status.Before.BootID
	}
	if atRest(obj) {
		keepHooks(&short.Status, s)
	} else {
		keepDerived(&short.Status, s)
	}
	keepBudgetWait(&short.Status, s)
	return short
}

// keepBudgetWait keeps how long budgets delayed the drain. Forecasts subtract it from the time that the drain took.
func keepBudgetWait(short, s *v1alpha1.NodeRebootStatus) {
	if s.Outcome != v1alpha1.OutcomeSucceeded || s.Report == nil || s.Report.Drain == nil || s.Report.Drain.BudgetWaitMilliseconds == 0 {
		return
	}
	if short.Report == nil {
		short.Report = &v1alpha1.HelperReport{}
	}
	short.Report.Drain = &v1alpha1.DrainProgress{BudgetWaitMilliseconds: s.Report.Drain.BudgetWaitMilliseconds}
}

// keepHooks keeps which conditions of others there are: that may decide whether a write is refused.
func keepHooks(short, s *v1alpha1.NodeRebootStatus) {
	for i := range s.Conditions {
		if model.HookCondition(s.Conditions[i].Type) {
			short.Conditions = append(short.Conditions, metav1.Condition{Type: intern.Text(s.Conditions[i].Type)})
		}
	}
}

// keepDerived keeps what a plan derives again of a NodeReboot that is not at rest, to find out whether it changed; each text once.
func keepDerived(short, s *v1alpha1.NodeRebootStatus) {
	short.Message, short.OutcomeMessage = s.Message, same(s.OutcomeMessage, s.Message)
	short.UntilTime, short.Until, short.PendingHooks = s.UntilTime, s.Until, s.PendingHooks
	short.RequiredSince, short.TaintedTime = s.RequiredSince, s.TaintedTime
	if s.Report != nil {
		short.Report = &v1alpha1.HelperReport{BootID: s.Report.BootID, Sentinel: intern.Text(s.Report.Sentinel)}
	}
	short.Conditions = make([]metav1.Condition, len(s.Conditions))
	for i, c := range s.Conditions {
		c.Type, c.Status, c.Reason, c.Message = intern.Text(c.Type), intern.Text(c.Status), intern.Text(c.Reason), same(c.Message, s.Message)
		short.Conditions[i] = c
	}
}

func abridgedBoot(boot *v1alpha1.BootInfo) *v1alpha1.BootInfo {
	if boot == nil {
		return nil
	}
	return &v1alpha1.BootInfo{BootID: boot.BootID}
}

// abridgedAttempt keeps what finished attempts say about budgets, zones, canaries and paces, and of those that succeeded how long each step
// took: forecasts are made of that.
func abridgedAttempt(s *v1alpha1.NodeRebootStatus) *v1alpha1.Attempt {
	a := s.Attempt
	if a == nil {
		return nil
	}
	ended := a.EndedTime
	if ended.Equal(s.CompletionTime) {
		ended = s.CompletionTime
	}
	short := &v1alpha1.Attempt{
		Number: a.Number, PolicyName: intern.Text(a.PolicyName), Zone: intern.Text(a.Zone), Role: intern.Text(a.Role),
		NodeRole: intern.Text(a.NodeRole), GrantedTime: a.GrantedTime, RebootOrderedTime: a.RebootOrderedTime, BackTime: a.BackTime,
		RolledBackTime: a.RolledBackTime, StalledTime: a.StalledTime, InterruptedTime: a.InterruptedTime, EndedTime: ended,
		Result: intern.Text(a.Result),
	}
	if s.Outcome == v1alpha1.OutcomeSucceeded {
		short.DrainOrderedTime, short.DrainedTime, short.UncordonedTime = a.DrainOrderedTime, a.DrainedTime, a.UncordonedTime
		short.SettlingSince, short.RecoveredTime = a.SettlingSince, a.RecoveredTime
	}
	return short
}

// same is the other text if both say the same.
func same(text, other string) string {
	if text == other {
		return other
	}
	return text
}

// Partial are the abridged NodeReboots that a plan changes.
func (p *Plan) Partial() []*v1alpha1.NodeReboot {
	var partial []*v1alpha1.NodeReboot
	for i := range p.Work {
		for j := range p.Work[i].Reboots {
			if object := p.Work[i].Reboots[j].Object; object.Abridged {
				partial = append(partial, object)
			}
		}
	}
	return partial
}
