package plan

import (
	"math"
	"time"

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
	p.keepClaims()
	for _, r := range p.reboots {
		order := r.Object.Status.Order
		if !r.open() || order == nil || order.Action != v1alpha1.ActionDrain || order.Drain == nil {
			continue
		}
		p.drainShares[r.Object.UID] = drainShare{hold: p.hold(order.Drain.Hold), retry: p.retry(r.Object)}
	}
}

// evictionsOf returns the share of one drain. One that may begin now, maybe with its attempt, gets what those under way have left.
func (p *planning) evictionsOf(r *rebootView) (retry []v1alpha1.PodReference, hold []v1alpha1.HeldPod) {
	if own, underWay := p.drainShares[r.Object.UID]; underWay {
		return own.retry, own.hold
	}
	if r.node.gone || r.open() && r.Status.Attempt.DrainOrderedTime != nil {
		return nil, nil
	}
	p.offers = true
	defer func() { p.offers = false }()
	return nil, p.hold(covered(p.snapshot.Pods[r.node.Name]))
}

// settleOffers lets a drain that began take what it was offered. If it did not begin, others get its offer.
func (p *planning) settleOffers(begins bool) {
	for _, claim := range p.offered {
		if begins {
			p.claims(claim)
		} else {
			p.evictions[claim.key()]++
		}
	}
	p.offered = nil
}

// covered are the pods that one budget covers and that count for it. Those that are not Ready may go whatever it allows.
func covered(pods []model.Pod) []v1alpha1.HeldPod {
	var all []v1alpha1.HeldPod
	for i := range pods {
		if budget, covered := soleBudget(&pods[i]); covered {
			all = append(all, v1alpha1.HeldPod{Namespace: pods[i].Namespace, Name: pods[i].Name, Budget: budget.Name})
		}
	}
	return all
}

// soleBudget is the only budget that covers a pod that counts for it; false if there is none.
func soleBudget(pod *model.Pod) (budget model.WorkloadKey, covered bool) {
	budgets := 0
	for _, key := range pod.Workloads {
		if key.Kind == v1alpha1.WorkloadPodDisruptionBudget {
			budget = key
			budgets++
		}
	}
	return budget, budgets == 1 && pod.IsReady() && !pod.Stays()
}

// hold returns the pods that their budgets do not let go.
func (p *planning) hold(pods []v1alpha1.HeldPod) []v1alpha1.HeldPod {
	var held []v1alpha1.HeldPod
	for _, pod := range pods {
		key := model.WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: pod.Namespace, Name: pod.Budget}
		if !p.takeEviction(key, pod.Name) && len(held) < maxHeld {
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
		if p.takeEviction(key, pod.Name) {
			pods = append(pods, v1alpha1.PodReference{Namespace: pod.Namespace, Name: pod.Name})
		}
	}
	return pods
}

// claimTime is for how long a pod that is let go counts as one whose eviction is about to be asked for. Until the budget shows it, or this
// time is over, nobody else gets that eviction.
const claimTime = 3 * time.Second

// takeEviction takes one of the evictions that a budget allows, if it has any left, for a pod.
func (p *planning) takeEviction(key model.WorkloadKey, pod string) bool {
	budget := EvictionClaim{Namespace: key.Namespace, Budget: key.Name, Allows: allowed(p.snapshot.Workloads, key)}
	claim := budget
	claim.Pod = pod
	left, known := p.evictions[key]
	if !known {
		left = max(0, budget.Allows-p.claimsOf(budget))
		p.evictions[key] = left
	}
	switch _, made := p.snapshot.LetGo[claim]; {
	case made && p.claims(claim):
		return true
	case left == 0:
		p.awaitClaims(budget)
		return false
	}
	p.evictions[key] = left - 1
	if p.offers {
		p.offered = append(p.offered, claim)
	} else {
		p.claims(claim)
	}
	return true
}

// key of the budget.
func (c EvictionClaim) key() model.WorkloadKey {
	return model.WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: c.Namespace, Name: c.Budget}
}

// keepClaims keeps those of earlier plans on budgets that allow as many as they did then.
func (p *planning) keepClaims() {
	for claim := range p.snapshot.LetGo {
		if allowed(p.snapshot.Workloads, claim.key()) == claim.Allows {
			p.claims(claim)
		}
	}
}

// claims says that a claim lasts, which is new or of an earlier plan, and leaves it to the next one.
func (p *planning) claims(claim EvictionClaim) bool {
	since, made := p.snapshot.LetGo[claim]
	if !made || since.After(p.Now) { // the clock may have been set back
		since = p.Now
	}
	if !p.Now.Before(since.Add(claimTime)) {
		return false
	}
	if p.claimed == nil {
		p.claimed = map[EvictionClaim]time.Time{}
	}
	p.claimed[claim] = since
	return true
}

// claimsOf is how many claims on a budget last.
func (p *planning) claimsOf(budget EvictionClaim) int32 {
	count := int32(0)
	for claim := range p.claimed {
		if claim.Pod = ""; claim == budget {
			count++
		}
	}
	return count
}

// awaitClaims looks again when a claim on a budget is over.
func (p *planning) awaitClaims(budget EvictionClaim) {
	for claim, since := range p.claimed {
		if claim.Pod = ""; claim == budget {
			p.WakeAt(since.Add(claimTime))
		}
	}
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
