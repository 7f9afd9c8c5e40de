package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/obstacle"
)

// helperGrace is how long a helper may be away before that is reported: pods are replaced and hosts reboot.
const helperGrace = 5 * time.Minute

// reportGrace is how long a helper may take to say something about a NodeReboot that is new.
const reportGrace = 10 * time.Second

// hostGate keeps a node from being drained for no purpose: its host has to be able to reboot, and its sentinel has to be readable, because
// otherwise the reboot could not be proved. The helper's report comes before its readiness, because it is closer to the cause.
func hostGate(_ *planning, r *rebootView) model.Verdict {
	report := r.report()
	if report == nil {
		return model.Verdict{}
	}
	if v := obstacle.ToReboot(r.node.Name, r.policy().Object, report); !v.OK() {
		return v
	}
	if v := obstacle.ToDrain(r.node.Name, r.policy().Object, report); !v.OK() {
		return v
	}
	if !model.KnownSentinel(report.Sentinel) {
		return model.Blocked(v1alpha1.ReasonSentinelCheckFails,
			"The helper of node %s reports %q for the sentinel, which this manager does not know, so a reboot could not be proved: the manager is "+
				"older than the helper.", r.node.Name, report.Sentinel)
	}
	if report.Sentinel == v1alpha1.SentinelUnknown {
		return model.Verdict{Reason: v1alpha1.ReasonSentinelCheckFails, Message: strings.TrimSpace(fmt.Sprintf(
			"The helper of node %s cannot tell whether a reboot is required, so a reboot could not be proved. %s", r.node.Name, report.Message))}
	}
	return model.Verdict{}
}

// helperGate requires a helper that could carry out orders, and that has said what hostGate asks for. It has a moment for that, in which
// the NodeReboot may wait for its turn regardless; see start.
func helperGate(p *planning, r *rebootView) model.Verdict {
	if !r.node.HelperReady {
		return model.Blocked(v1alpha1.ReasonHelperNotReady,
			"No helper pod on node %s is Ready, so it cannot be drained or rebooted: %s.", r.node.Name, r.node.WhyHelperNotReady())
	}
	if !r.hostKnown() && p.Reached(r.Object.CreationTimestamp.Add(reportGrace)) {
		return model.Blocked(v1alpha1.ReasonHelperNotReady,
			"The helper of node %s has not reported since the node's boot whether the host can reboot.", r.node.Name)
	}
	return model.Verdict{}
}

// hostKnown: the helper has said whether the host can reboot. An older version of it does not.
func (r *rebootView) hostKnown() bool {
	report := r.report()
	return report != nil && len(report.Methods) > 0
}

// lostHelpers are the nodes of the policy that are Ready and not under way, and whose helper pod has not been Ready for long: no need for a
// reboot is seen there.
func (p *planning) lostHelpers(policy *policyView) []*nodeView {
	var lost []*nodeView
	for _, n := range policy.nodes {
		if n.HelperReady || n.HelperNotMeant || n.HelperSince.IsZero() || !n.Ready || n.underWay() {
			continue
		}
		if p.Reached(n.HelperSince.Add(helperGrace)) {
			lost = append(lost, n)
		}
	}
	return lost
}

// tellLost names the node that has been without its helper for the longest time.
func tellLost(clock model.Clock, lost []*nodeView) string {
	first := slices.MinFunc(lost, func(a, b *nodeView) int {
		return cmp.Or(a.HelperSince.Compare(b.HelperSince), cmp.Compare(a.Name, b.Name))
	})
	message := fmt.Sprintf("The helper of node %s has not been Ready since %s, so reboots there are neither detected nor carried out: %s.",
		first.Name, clock.At(first.HelperSince), first.WhyHelperNotReady())
	if more := len(lost) - 1; more > 0 {
		message += fmt.Sprintf(" The same is true for %d more.", more)
	}
	return message
}

// withoutDetector are the nodes of the policy whose hosts make none of the files that their helpers look for.
func (policy *policyView) withoutDetector() []*nodeView {
	var blind []*nodeView
	for _, n := range policy.nodes {
		if n.NoDetector != "" && !n.Deleting {
			blind = append(blind, n)
		}
	}
	return blind
}

// tellNoDetector names the first node, and what to install for its kind of host.
func tellNoDetector(blind []*nodeView) string {
	first := blind[0]
	message := fmt.Sprintf("Nothing would detect that the host of node %s needs a reboot: the default installation looks for "+
		"/run/reboot-required and /run/reboot-needed, and no program of this system is known to create them. %s. See docs/hosts.md.",
		first.Name, first.NoDetector)
	if more := len(blind) - 1; more > 0 {
		message += fmt.Sprintf(" The same is true for %s.", model.Counted(more, "other node", "other nodes"))
	}
	return message
}
