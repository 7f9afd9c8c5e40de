package attempt

import (
	"fmt"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/obstacle"
)

// inTheWay is what keeps the node from being drained, or its host from rebooting, by what the helper says now.
func (a *attempt) inTheWay() model.Verdict {
	if v := a.hostObstacle(); !v.OK() {
		return v
	}
	return obstacle.ToDrain(a.Node.Name, a.Policy.Object, a.Report(a.Node))
}

func (a *attempt) hostObstacle() model.Verdict {
	return obstacle.ToReboot(a.Node.Name, a.Policy.Object, a.Report(a.Node))
}

// hostBlocked waits while something is in the way of the reboot of a node that is drained: an inhibitor lock may have come in the meantime.
// All such waits of an attempt together may take as long as the reboot, so that what comes and goes does not hold a drained node for ever.
func (a *attempt) hostBlocked() model.Verdict {
	v := a.hostObstacle()
	if v.OK() {
		return v
	}
	if a.Status.Attempt.RebootBlockedTime == nil {
		a.EditAttempt(func(at *v1alpha1.Attempt) { at.RebootBlockedTime = a.Stamp() })
	}
	since := a.Status.Attempt.RebootBlockedTime.Time
	until := since.Add(model.Seconds(a.Policy.Spec.Reboot.TimeoutSeconds))
	if a.Reached(until) {
		a.blockedTooLong = true
		v.Message = fmt.Sprintf("The reboot of node %s has been blocked since %s. %s", a.Node.Name, a.times().At(since), v.Message)
		return v
	}
	v.Message = fmt.Sprintf("Node %s %s, and waits until %s. %s",
		a.Node.Name, strings.TrimSuffix(a.afterDrain(), ","), a.times().Until(until), v.Message)
	return v.Ending(until)
}

// refusedByLock says that the host did not take the order to reboot because of an inhibitor lock, and will not reboot for it.
func (a *attempt) refusedByLock(answer *v1alpha1.HelperReport) bool {
	return answer != nil && answer.State == v1alpha1.OrderFailed && a.Policy != nil &&
		a.hostObstacle().Reason == v1alpha1.ReasonRebootInhibited
}

// withdraw takes an order to reboot back that the host did not take. The attempt is then as before the order.
func (a *attempt) withdraw() {
	a.Edit().Order = nil
	a.notOrdered()
	a.prepare()
}

// notOrdered has the attempt say nothing of an order to reboot that came to nothing.
func (a *attempt) notOrdered() {
	a.EditAttempt(func(at *v1alpha1.Attempt) { at.RebootOrderedTime, at.RebootMethod, at.RebootVia = nil, "", "" })
}

// noteVia records the path by which the host rebooted, as its helper reported for the last order. It is only called where the attempt
// changes anyway, so that it costs no extra write.
func (a *attempt) noteVia() {
	report := a.Status.Report
	if a.Status.Attempt.RebootOrderedTime == nil || report == nil || report.Sequence != a.Status.LastSequence || report.Via == "" {
		return
	}
	a.EditAttempt(func(at *v1alpha1.Attempt) { at.RebootVia = report.Via })
}
