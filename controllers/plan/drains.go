package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/attempt"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// drainGate keeps a node from starting whose drain is refused by the policy, or is bound to fail: then nothing is cordoned or evicted in
// vain. It only sees pods of nodes that are about to start; for all others it passes.
func drainGate(p *round, r *rebootView) model.Verdict {
	drain := &r.policy().Spec.Drain
	if drain.Mode == v1alpha1.DrainModeSkip {
		return model.Verdict{}
	}
	v := p.firstUndrainable(r)
	if !v.OK() {
		p.undrainable[r.policy()]++
	}
	return v
}

// firstUndrainable says which pod of a node keeps it from being drained: the first by name.
func (p *round) firstUndrainable(r *rebootView) model.Verdict {
	pods, known := p.snapshot.Pods[r.node.Name]
	if !known {
		if before := p.knownUndrainable(r); before != nil {
			p.WakeAt(before.Until)
			return before.Verdict
		}
		return model.Verdict{}
	}
	first, name := model.Verdict{}, ""
	for i := range pods {
		pod := &pods[i]
		if !p.goes(r, pod) {
			continue
		}
		v := p.drainObstacle(r, pod)
		if own := pod.Namespace + "/" + pod.Name; !v.OK() && (first.OK() || own < name) {
			first, name = v, own
		}
	}
	if !first.OK() {
		p.foundUndrainable = append(p.foundUndrainable, Undrainable{
			Node: r.node.Name, Policy: r.policy().Name(), Generation: r.policy().Object.Generation, Verdict: first,
		})
	}
	return first
}

// knownUndrainable is what was found out before about the drain of a node whose pods are not known now; nil if that does not count anymore.
func (p *planning) knownUndrainable(r *rebootView) *Undrainable {
	before, is := p.snapshot.Undrainable[r.node.Name]
	policy := r.policy()
	if !is || before.Policy != policy.Name() || before.Generation != policy.Object.Generation || !p.Now.Before(before.Until) {
		return nil
	}
	return &before
}

func (p *planning) drainObstacle(r *rebootView, pod *model.Pod) model.Verdict {
	drain := &r.policy().Spec.Drain
	if why := refusal(drain, pod); why != "" {
		return model.Blocked(v1alpha1.ReasonDrainRefused, "Pod %s/%s on node %s %s of RebootPolicy %s is Refuse.",
			pod.Namespace, pod.Name, r.node.Name, why, r.policy().Name())
	}
	if drain.OnTimeout == v1alpha1.DrainTimeoutForce {
		return model.Verdict{} // what cannot be evicted goes down with the host
	}
	if v := p.impossibleEviction(r, pod); !v.OK() {
		return p.withPods(r, v)
	}
	return p.withPods(r, p.tooFewDisruptions(r, pod))
}

// tooFewDisruptions finds budgets that let fewer pods go than they cover on the only node of the cluster. Nothing that is evicted from it
// becomes healthy before the reboot, so no further one is allowed. While not all of them are healthy that may change.
func (p *planning) tooFewDisruptions(r *rebootView, pod *model.Pod) model.Verdict {
	if len(p.snapshot.Nodes) > 1 || !pod.Ready {
		return model.Verdict{}
	}
	for _, key := range pod.Workloads {
		budget, exists := p.snapshot.Workloads[key]
		if key.Kind != v1alpha1.WorkloadPodDisruptionBudget || !exists || budget.Stale || budget.Ready < budget.Expected {
			continue
		}
		if covered := p.coveredOn(r, key); covered > budget.DisruptionsAllowed {
			return model.Blocked(v1alpha1.ReasonDrainImpossible, "PodDisruptionBudget %s/%s allows %s, and %s to leave node %s, the only node of "+
				"the cluster.", key.Namespace, key.Name, model.Count(budget.DisruptionsAllowed, "disruption"),
				model.Counted(int(covered), "of its pods has", "of its pods have"), r.node.Name)
		}
	}
	return model.Verdict{}
}

// coveredOn counts the pods of a budget that have to leave a node and are healthy.
func (p *planning) coveredOn(r *rebootView, budget model.WorkloadKey) int32 {
	covered := int32(0)
	for i := range p.snapshot.Pods[r.node.Name] {
		if pod := &p.snapshot.Pods[r.node.Name][i]; p.goes(r, pod) && pod.Ready && slices.Contains(pod.Workloads, budget) {
			covered++
		}
	}
	return covered
}

// goes says that a drain of the node has the pod evicted. One of the manager stays if it cannot move.
func (p *planning) goes(r *rebootView, pod *model.Pod) bool {
	return !pod.Finished && !pod.Terminating && !pod.Stays() && r.policy().Drained.Matches(pod.Labels, pod.Annotations) &&
		(!p.ofManager(pod) || p.managerNeeds(r.node) == attempt.ManagerElsewhere)
}

// impossibleEviction finds budgets that refuse the eviction of a pod whatever is waited for. The API server evicts no pod that two budgets
// cover, and a budget that allows no disruption while all of its pods are healthy never will
// (kubernetes/pkg/registry/core/pod/storage/eviction.go).
func (p *planning) impossibleEviction(r *rebootView, pod *model.Pod) model.Verdict {
	var budgets []string
	for _, key := range pod.Workloads {
		if key.Kind == v1alpha1.WorkloadPodDisruptionBudget {
			budgets = append(budgets, key.Name)
		}
	}
	if len(budgets) == 0 || !pod.Ready {
		return model.Verdict{}
	}
	if len(budgets) > 1 {
		slices.Sort(budgets)
		return model.Blocked(v1alpha1.ReasonDrainImpossible, "Pod %s/%s on node %s is covered by %d PodDisruptionBudgets (%s), so the API "+
			"server refuses to evict it: let one budget cover it.", pod.Namespace, pod.Name, r.node.Name, len(budgets), strings.Join(budgets, ", "))
	}
	budget, exists := p.snapshot.Workloads[model.WorkloadKey{
		Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: pod.Namespace, Name: budgets[0],
	}]
	if !exists || budget.Stale || budget.DisruptionsAllowed > 0 || budget.Expected == 0 || budget.Ready < budget.Expected {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonDrainImpossible, "PodDisruptionBudget %s/%s allows no disruption although %s "+
		"healthy, so pod %s on node %s can never be evicted: let the budget allow one, or add replicas.", pod.Namespace, budgets[0],
		model.Form(budget.Expected, "its only pod is", fmt.Sprintf("all of its %d pods are", budget.Expected)), pod.Name, r.node.Name)
}

// refusal says why a pod must not be evicted, as kubectl drain does without --force and --delete-emptydir-data.
func refusal(drain *v1alpha1.DrainSpec, pod *model.Pod) string {
	switch {
	case drain.Unmanaged == v1alpha1.UnmanagedRefuse && !pod.Controlled:
		return "has no controller, and drain.unmanaged"
	case drain.EmptyDir == v1alpha1.EmptyDirRefuse && pod.EmptyDir:
		return "has an emptyDir volume, and drain.emptyDir"
	}
	return ""
}
