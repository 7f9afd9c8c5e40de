package plan

import (
	"math"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// maxHeld is how many pods an order names that are not to be evicted yet; the API has the same limit.
const maxHeld = 32

// drainShare is what an order to drain says about pods with budgets.
type drainShare struct {
	retry []v1alpha1.PodReference
	hold  []v1alpha1.HeldPod
}

// shareEvictions shares what budgets allow among the drains under way. Helpers cannot see budgets, so the orders say which evictions are to
// be asked for. A budget that allows one eviction has it asked for by one drain: the API server would refuse every other.
func (p *planning) shareEvictions() {
	for _, r := range p.reboots {
		order := r.Object.Status.Order
		if !r.open() || order == nil || order.Action != v1alpha1.ActionDrain || order.Drain == nil {
			continue
		}
		p.drainShares[r.Object.UID] = drainShare{hold: p.hold(order.Drain.Hold), retry: p.retry(r.Object)}
	}
}

// evictionsOf returns the share of one drain. One that may begin now gets what those under way have left.
func (p *planning) evictionsOf(r *rebootView) (retry []v1alpha1.PodReference, hold []v1alpha1.HeldPod) {
	if own, underWay := p.drainShares[r.Object.UID]; underWay {
		return own.retry, own.hold
	}
	if !r.open() || r.node.gone || r.Status.Attempt.DrainOrderedTime != nil {
		return nil, nil
	}
	return nil, p.hold(covered(p.snapshot.Pods[r.node.Name]))
}

// covered are the pods that one budget covers and that count for it. Those that are not Ready may go whatever it allows.
func covered(pods []model.Pod) []v1alpha1.HeldPod {
	var all []v1alpha1.HeldPod
	for i := range pods {
		pod, budget := &pods[i], ""
		budgets := 0
		for _, key := range pod.Workloads {
			if key.Kind == v1alpha1.WorkloadPodDisruptionBudget {
				budget = key.Name
				budgets++
			}
		}
		if budgets == 1 && pod.IsReady() && !pod.Stays() {
			all = append(all, v1alpha1.HeldPod{Namespace: pod.Namespace, Name: pod.Name, Budget: budget})
		}
	}
	return all
}

// hold returns the pods that their budgets do not let go.
func (p *planning) hold(pods []v1alpha1.HeldPod) []v1alpha1.HeldPod {
	var held []v1alpha1.HeldPod
	for _, pod := range pods {
		key := model.WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: pod.Namespace, Name: pod.Budget}
		if !p.takeEviction(key) && len(held) < maxHeld {
			held = append(held, pod)
		}
	}
	return held
}

// retry returns the pods of a drain under way whose eviction a budget refused, and allows now. Those that are held are tried when they no
// longer are.
func (p *planning) retry(reboot *v1alpha1.NodeReboot) []v1alpha1.PodReference {
	var pods []v1alpha1.PodReference
	for i, key := range model.RefusingBudgets(reboot) {
		pod := &reboot.Status.Report.Drain.Refused[i]
		if key.Name == "" || reboot.Status.Order.Drain.Holds(pod.Namespace, pod.Name) {
			continue
		}
		if p.takeEviction(key) {
			pods = append(pods, v1alpha1.PodReference{Namespace: pod.Namespace, Name: pod.Name})
		}
	}
	return pods
}

// takeEviction takes one of the evictions that a budget allows, if it has any left.
func (p *planning) takeEviction(key model.WorkloadKey) bool {
	left, known := p.evictions[key]
	if !known {
		left = allowed(p.snapshot.Workloads, key)
	}
	p.evictions[key] = max(0, left-1)
	return left > 0
}

// allowed is how many evictions a budget allows: none while its controller has not seen its latest spec, and any if it is gone.
func allowed(workloads map[model.WorkloadKey]model.Workload, key model.WorkloadKey) int32 {
	budget, exists := workloads[key]
	switch {
	case !exists:
		return math.MaxInt32
	case budget.Stale:
		return 0
	}
	return budget.DisruptionsAllowed
}
