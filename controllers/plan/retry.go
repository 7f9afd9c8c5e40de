package plan

import (
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// retry returns the pods of a drain under way whose eviction a budget refused, and allows now. A budget that allows one eviction has it
// tried by one drain: each other try would be refused. Helpers cannot see budgets; this is how they learn of it.
func (p *planning) retry(reboot *v1alpha1.NodeReboot) []v1alpha1.PodReference {
	var pods []v1alpha1.PodReference
	for i, key := range model.RefusingBudgets(reboot) {
		if key.Name == "" {
			continue
		}
		if _, known := p.evictions[key]; !known {
			p.evictions[key] = allowed(p.snapshot.Workloads, key)
		}
		if p.evictions[key] == 0 {
			continue
		}
		p.evictions[key]--
		pod := &reboot.Status.Report.Drain.Refused[i]
		pods = append(pods, v1alpha1.PodReference{Namespace: pod.Namespace, Name: pod.Name})
	}
	return pods
}

// allowed is how many evictions a budget allows; none while its controller has not seen its latest spec.
func allowed(workloads map[model.WorkloadKey]model.Workload, key model.WorkloadKey) int32 {
	budget, exists := workloads[key]
	if !exists || budget.Stale {
		return 0
	}
	return max(0, budget.DisruptionsAllowed)
}
