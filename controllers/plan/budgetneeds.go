package plan

import (
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// budgetNeeds are how many pods are to be evicted under each PodDisruptionBudget.
type budgetNeeds map[model.WorkloadKey]int32

func (n budgetNeeds) add(pod *model.Pod) {
	for _, key := range pod.Workloads {
		if key.Kind == v1alpha1.WorkloadPodDisruptionBudget {
			n[key]++
		}
	}
}

func (n budgetNeeds) addAll(others budgetNeeds) {
	for key, pods := range others {
		n[key] += pods
	}
}

// budgetsInUse are what the drains that are under way, or begin in this plan, still have to evict.
func (p *planning) budgetsInUse() budgetNeeds {
	used := budgetNeeds{}
	for _, n := range p.limits.holders {
		if !n.drains() {
			continue
		}
		pods := p.snapshot.Pods[n.Name]
		for i := range pods {
			if displaces(n.open, &pods[i]) {
				used.add(&pods[i])
			}
		}
	}
	return used
}

// drains says that an attempt is under way on the node, and its drain is not over.
func (n *nodeView) drains() bool {
	return n.active() != nil && n.open.policy() != nil && n.open.Status.Attempt.Drain == ""
}

// refusedNow is how many of these evictions their budgets refuse while others are made, and would allow if no pod was missing. A budget
// under which no pod can leave, or of which nothing is known, refuses none in this sense: it is as much in the way at any other time.
func (p *planning) refusedNow(needs, used budgetNeeds) int32 {
	refused := int32(0)
	for key, pods := range needs {
		budget, known := p.snapshot.Workloads[key]
		if !known {
			continue
		}
		now := max(0, budget.DisruptionsAllowed-used[key])
		atRest := budget.DisruptionsAllowed + max(0, budget.Expected-budget.Ready)
		refused += max(0, min(pods, atRest)-min(pods, now))
	}
	return refused
}
