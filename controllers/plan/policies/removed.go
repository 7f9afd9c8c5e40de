package policies

import (
	"fmt"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// removed names a field that policies no longer have and this one has, and what it is now; empty if there is none. The API server refuses
// such a policy, but one that was stored before the kind was upgraded stays as it is. To go on without the field would evict other pods, or
// reboot more nodes, than the policy says.
func removed(s *v1alpha1.RebootPolicySpec) string {
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
			return fmt.Sprintf("%s is now %s: write that instead", field.old, field.now)
		}
	}
	return ""
}

func hasRemovedStage(stages []v1alpha1.DrainStage) bool {
	for i := range stages {
		if stages[i].RemovedPodSelector != "" {
			return true
		}
	}
	return false
}
