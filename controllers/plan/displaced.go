package plan

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/attempt"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// Attempts under way on several nodes displace pods of one workload, and nothing says which new pod replaces which. If pods of a workload
// are missing, then attempts under way always account for them: attempts that have displaced at least as many pods, and wait for them.

// share is what one open attempt has to do with one workload.
type share struct {
	reboot *rebootView
	// ready is how many pods of the workload it waits for, pods how many of them were on its node.
	ready, pods int32
	// displaced is how many of those have left the node, once that was found out.
	displaced int32
	found     bool
}

// neighborsOf an attempt are the other open ones.
type neighborsOf struct {
	*planning
	reboot *rebootView
}

// Account implements attempt.Neighbors. An attempt that ends in this plan no longer answers for anything, so of two that miss the same pod
// only one ends.
func (n neighborsOf) Account(workload model.WorkloadKey, missing, ready int32) bool {
	for _, s := range n.sharesOf(workload) {
		if s.ready >= ready && n.waits(s) {
			missing -= n.displacedBy(workload, s)
		}
		if missing <= 0 {
			return true
		}
	}
	if n.unaccounted == nil {
		n.unaccounted = map[*rebootView]bool{}
	}
	n.unaccounted[n.reboot] = true
	return false
}

// Before implements attempt.Neighbors: an attempt that begins while pods are missing that others displaced waits for them as well.
func (n neighborsOf) Before(workload model.WorkloadKey, ready int32) int32 {
	before, displaced := ready, int32(0)
	for _, s := range n.sharesOf(workload) {
		if s.ready <= ready || !n.waits(s) {
			continue
		}
		if took := n.displacedBy(workload, s); took > 0 {
			before, displaced = max(before, s.ready), displaced+took
		}
	}
	return min(before, ready+displaced)
}

// waits: the attempt of the share is another one, has not ended, and its policy waits for workloads.
func (n neighborsOf) waits(s *share) bool {
	policy := s.reboot.policy()
	return s.reboot != n.reboot && s.reboot.open() && (policy == nil || policy.Spec.Recovery.Workloads != v1alpha1.Ignore)
}

// sharesOf a workload, in the order of nodes.
func (p *planning) sharesOf(workload model.WorkloadKey) []*share {
	if p.shares == nil {
		p.shares = map[model.WorkloadKey][]*share{}
		for _, r := range p.reboots {
			if r.open() {
				p.addShares(r)
			}
		}
	}
	return p.shares[workload]
}

func (p *planning) addShares(r *rebootView) {
	for i := range r.Status.Workloads {
		if w := &r.Status.Workloads[i]; w.Pods > 0 {
			key := model.KeyOf(*w)
			p.shares[key] = append(p.shares[key], &share{reboot: r, ready: w.Ready, pods: w.Pods})
		}
	}
}

// displacedBy is how many pods of a workload have left the node of a share for certain. A pod that ends is still there: its workload may
// count it as ready.
func (p *planning) displacedBy(workload model.WorkloadKey, s *share) int32 {
	if s.found {
		return s.displaced
	}
	s.found = true
	switch current := s.reboot.Status.Attempt; {
	case current.Drain == v1alpha1.DrainComplete, current.BackTime != nil:
		s.displaced = s.pods
	case current.DrainOrderedTime != nil:
		s.displaced = s.pods - p.stillThere(workload, s)
	}
	return s.displaced
}

// stillThere counts the pods of a workload on the node of a share that were there when its attempt began: all of them while the pods of the
// node are not known.
func (p *planning) stillThere(workload model.WorkloadKey, s *share) int32 {
	node := s.reboot.Object.Spec.NodeName
	p.needPods = append(p.needPods, node)
	pods, known := p.snapshot.Pods[node]
	if !known {
		return s.pods
	}
	containers, count := s.reboot.Status.Attempt.Containers, int32(0)
	before, all := sets.New(containers...), len(containers) < attempt.MaxContainers
	for i := range pods {
		pod := &pods[i]
		other := all && len(pod.Containers) > 0 && !before.HasAny(pod.Containers...)
		if slices.Contains(pod.Workloads, workload) && !other {
			count++
		}
	}
	return min(count, s.pods)
}
