package plan

import (
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// budgetNeeds are how many pods are to be evicted under each PodDisruptionBudget.
type budgetNeeds map[model.WorkloadKey]int32

func (n budgetNeeds) add(others budgetNeeds) {
	for key, pods := range others {
		n[key] += pods
	}
}

// needsOf the drain of a NodeReboot's node, as far as its pods are known. Pods that are not Ready may go whatever their budget allows, and
// one that two budgets cover is never evicted.
func (p *planning) needsOf(r *rebootView) budgetNeeds {
	needs := budgetNeeds{}
	pods := p.snapshot.Pods[r.node.Name]
	for i := range pods {
		if budget, covered := soleBudget(&pods[i]); covered && displaces(r, &pods[i]) {
			needs[budget]++
		}
	}
	return needs
}

// budgetsInUse are what the drains need that are under way, or begin in this plan. It is what was there when they began: what has left
// since then is missing, so it counts once.
func (p *planning) budgetsInUse() budgetNeeds {
	used := budgetNeeds{}
	for _, n := range p.limits.holders {
		if !n.drains() {
			continue
		}
		for i := range n.open.Status.Workloads {
			if w := &n.open.Status.Workloads[i]; w.Kind == v1alpha1.WorkloadPodDisruptionBudget {
				used[model.KeyOf(*w)] += w.Pods
			}
		}
	}
	return used
}

// drains says that an attempt is under way on the node that evicts pods, and is not done with that.
func (n *nodeView) drains() bool {
	if n.active() == nil || n.open.policy() == nil || n.open.policy().Spec.Drain.Mode == v1alpha1.DrainModeSkip {
		return false
	}
	current := n.open.Status.Attempt
	return current.DrainedTime == nil && current.BackTime == nil
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
		missing := max(0, budget.Expected-budget.Ready)
		left := max(0, min(allowed(p.snapshot.Workloads, key), budget.DisruptionsAtRest-max(used[key], missing)))
		refused += max(0, min(pods, budget.DisruptionsAtRest)-min(pods, left))
	}
	return refused
}
