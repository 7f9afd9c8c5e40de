package model

import (
	"slices"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// RefusingBudgets are the budgets that refused the evictions of a drain under way, one for each refused pod that its report names, in that
// order. One without a name is no budget.
func RefusingBudgets(reboot *v1alpha1.NodeReboot) []WorkloadKey {
	order, report := reboot.Status.Order, reboot.Status.Report
	if order == nil || order.Action != v1alpha1.ActionDrain || report == nil || report.Sequence != order.Sequence || report.Drain == nil {
		return nil
	}
	keys := make([]WorkloadKey, len(report.Drain.Refused))
	for i := range report.Drain.Refused {
		pod := &report.Drain.Refused[i]
		if name, is := strings.CutPrefix(pod.By, v1alpha1.RefusedByBudget); is {
			keys[i] = WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: pod.Namespace, Name: name}
		}
	}
	return keys
}

// BudgetsOfDrain are all that matter to a drain under way.
func BudgetsOfDrain(reboot *v1alpha1.NodeReboot) []WorkloadKey {
	keys := slices.DeleteFunc(RefusingBudgets(reboot), func(key WorkloadKey) bool { return key.Name == "" })
	if order := reboot.Status.Order; order != nil && order.Drain != nil {
		for _, pod := range order.Drain.Hold {
			keys = append(keys, WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: pod.Namespace, Name: pod.Budget})
		}
	}
	return keys
}
