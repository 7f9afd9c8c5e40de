package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// maxRecoveries bounds how many recoveries an adaptive delay follows.
const maxRecoveries = 20

// recoveredAttempt is an attempt whose node came back, and after it its workloads.
type recoveredAttempt struct {
	end      time.Time
	recovery time.Duration
}

// pace is the current value of an adaptive delay.
type pace struct {
	delay, recovery time.Duration
	reboots         int
	// lastEnd is when a node last recovered.
	lastEnd time.Time
}

// setPaces measures the recoveries of those policies that have an adaptive delay, as they are recorded in the NodeReboots of their nodes.
func (p *planning) setPaces() {
	adaptive := func(policy *policyView) bool { return policy.Spec.Rollout.AdaptiveDelay.MaxSeconds > 0 }
	if !slices.ContainsFunc(p.policies, adaptive) {
		return
	}
	recovered := p.recovered()
	for _, policy := range p.policies {
		if adaptive(policy) {
			policy.pace = paceOf(&policy.Spec.Rollout.AdaptiveDelay, recovered[policy])
		}
	}
}

// recovered are the attempts that each policy granted, or whose nodes it owns now, that ended with a node that had recovered, whether it
// asked for another reboot or not.
func (p *planning) recovered() map[*policyView][]recoveredAttempt {
	all := map[*policyView][]recoveredAttempt{}
	add := func(n *nodeView, granted *policyView, recovered recoveredAttempt) {
		for _, policy := range n.concerned(granted) {
			all[policy] = append(all[policy], recovered)
		}
	}
	for _, n := range p.nodeOrder {
		for i := range n.past.attempts {
			if a := &n.past.attempts[i]; a.recovers {
				add(n, p.policyNamed(a.policy, n.policy), recoveredAttempt{end: a.ended, recovery: a.recovery})
			}
		}
		for _, r := range n.reboots {
			if r.Status.Attempt == nil || p.held(model.WriteStatus, r.Object.Name) {
				continue // an end that cannot be written has another time in each plan
			}
			if recovery, recovers := recoveryTime(r.Status.Attempt); recovers {
				add(n, p.policyNamed(r.grantedBy(), n.policy), recoveredAttempt{end: r.Status.Attempt.EndedTime.Time, recovery: recovery})
			}
		}
	}
	return all
}

// concerned are the policies that own a node, that select it, and that granted an attempt on it; each once.
func (n *nodeView) concerned(granted *policyView) []*policyView {
	policies := make([]*policyView, 0, 3)
	for _, policy := range []*policyView{n.policy, n.selectedBy, granted} {
		if policy != nil && !slices.Contains(policies, policy) {
			policies = append(policies, policy)
		}
	}
	return policies
}

// recoveryTime is how long an attempt took from the boot to its end, if it ended with a node that had recovered.
func recoveryTime(a *v1alpha1.Attempt) (recovery time.Duration, recovers bool) {
	if a.BackTime == nil || a.EndedTime == nil || a.Result != v1alpha1.ReasonProved && a.Result != v1alpha1.ReasonSentinelStillPresent {
		return 0, false
	}
	return max(0, a.EndedTime.Sub(a.BackTime.Time)), true
}

// paceOf takes the last recoveries, the slowest of them without the slowest twentieth, and keeps it within bounds. With none there is
// nothing to wait after.
func paceOf(bounds *v1alpha1.AdaptiveDelay, recovered []recoveredAttempt) pace {
	if len(recovered) == 0 {
		return pace{}
	}
	slices.SortFunc(recovered, func(a, b recoveredAttempt) int {
		return cmp.Or(b.end.Compare(a.end), cmp.Compare(b.recovery, a.recovery))
	})
	lastEnd := recovered[0].end
	recovered = recovered[:min(len(recovered), maxRecoveries)]
	slices.SortFunc(recovered, func(a, b recoveredAttempt) int { return cmp.Compare(a.recovery, b.recovery) })
	slowest := recovered[(len(recovered)*95+99)/100-1].recovery // the nearest rank
	return pace{
		delay:    min(max(slowest, model.Seconds(bounds.MinSeconds)), model.Seconds(&bounds.MaxSeconds)),
		recovery: slowest, reboots: len(recovered), lastEnd: lastEnd,
	}
}

// adaptiveDelayGate lets the cluster come to rest after the last node that recovered.
func adaptiveDelayGate(p *round, r *rebootView) model.Verdict {
	pace := &r.policy().pace
	if pace.reboots == 0 {
		return model.Verdict{}
	}
	until, clock := pace.lastEnd.Add(pace.delay), r.policy().Clock
	if p.Reached(until) {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonAdaptiveDelay,
		"The last node recovered at %s; the next one starts %s later, at %s: recovery took up to %s in the last %s.",
		clock.At(pace.lastEnd), model.Count(wholeSeconds(pace.delay), "second"), clock.Until(until),
		model.Count(wholeSeconds(pace.recovery), "second"), lastReboots(pace.reboots)).Ending(until)
}

func lastReboots(count int) string {
	if count == 1 {
		return "reboot"
	}
	return fmt.Sprintf("%d reboots", count)
}

func (policy *policyView) paceStatus() *v1alpha1.AdaptiveDelayStatus {
	if policy.pace.reboots == 0 {
		return nil
	}
	return ptr.To(v1alpha1.AdaptiveDelayStatus{
		DelaySeconds: wholeSeconds(policy.pace.delay), RecoverySeconds: wholeSeconds(policy.pace.recovery), Reboots: int32(policy.pace.reboots),
	})
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) int32 { return int32((d + time.Second - 1) / time.Second) }
