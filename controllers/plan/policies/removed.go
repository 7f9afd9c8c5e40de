package policies

import (
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// findRemoved finds fields that policies no longer have. The API server refuses such a policy, but one that was stored before the kind was
// upgraded stays as it is. Continuing without the field would evict other pods, or reboot more nodes, than the policy says.
func (p *Policy) findRemoved() {
	s := p.Spec
	for _, field := range []struct {
		set      bool
		old, now string
	}{
		{s.RemovedExclusion != nil, "excludeFromLoadBalancers", "drain.excludeFromLoadBalancers"},
		{s.Rollout.RemovedGroupLabel != "", "rollout.groupLabel", "rollout.group"},
		{s.Drain.RemovedPodSelector != "", "drain.podSelector", "drain.selector"},
		{s.Drain.WaitForPods.RemovedPodSelector != "", "drain.waitForPods.podSelector", "drain.waitForPods.selector"},
		{hasRemovedStage(s.Drain.Stages), "drain.stages[].podSelector", "drain.stages[].selector"},
		{s.Drain.RemovedAdaptiveDelay != nil, "drain.adaptiveDelay", "rollout.adaptiveDelay"},
		{s.Failure.RemovedMaxDeferralSeconds != nil, "failure.maxDeferralSeconds", "schedule.maxDeferralSeconds"},
	} {
		if field.set {
			p.found(field.old, "it is now %s: write that instead", field.now)
		}
	}
}

func hasRemovedStage(stages []v1alpha1.DrainStage) bool {
	for i := range stages {
		if stages[i].RemovedPodSelector != "" {
			return true
		}
	}
	return false
}
