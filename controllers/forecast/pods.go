package forecast

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// drain is one that is under way.
type drain struct {
	reboot, node string
	// inForce returns the NodeReboot while its order is; nil after that.
	inForce func() *v1alpha1.NodeReboot
	// takes is how long pods take to be gone once they may go. Those that could go when the forecast began are gone by earliest.
	takes    time.Duration
	earliest time.Time
	// begun says that pods were let go; going is how many of them are not gone yet, and left how many budgets hold.
	begun       bool
	going, left int
	ended       bool
}

// advanceDrain lets go what may go, and ends the drain when nothing is left. It says whether the drain ended.
func (r *run) advanceDrain(d *drain) bool {
	if d.ended {
		return false
	}
	reboot := d.inForce()
	if reboot == nil {
		d.ended = true
		return false
	}
	if !d.begun || d.left > 0 {
		r.evict(d, reboot)
	}
	if d.left > 0 || d.going > 0 || r.now.Before(d.earliest) {
		return false
	}
	d.ended = true
	r.updateNode(d.node, func(n *model.Node) { n.Volumes = nil })
	r.report(reboot, func(report *v1alpha1.HelperReport) {
		report.State, report.Drain = v1alpha1.OrderDone, &v1alpha1.DrainProgress{}
	})
	return true
}

// evict has the pods go that budgets let go. They count as unavailable from now on, as for the API server.
func (r *run) evict(d *drain, reboot *v1alpha1.NodeReboot) {
	policy, first := r.fleet.parsed[reboot.Status.Attempt.PolicyName], !d.begun
	d.begun, d.left = true, 0
	var now, later []model.Pod
	pods := slices.Clone(r.snapshot.Pods[d.node])
	for i := range pods {
		pod := &pods[i]
		switch {
		case pod.Stays(), pod.Finished, isLeft(reboot.Status.Order.Drain, pod),
			policy != nil && !policy.Drained.Matches(pod.Labels, pod.Annotations):
		case pod.Terminating && !first: // it is going
		case !pod.Terminating && !r.letsGo(pod):
			d.left++
		default:
			r.count(pod, -1)
			if first && !r.fleet.held[v1alpha1.PodReference{Namespace: pod.Namespace, Name: pod.Name}] {
				now = append(now, *pod)
			} else {
				later = append(later, *pod)
			}
			pod.Terminating = true
		}
	}
	if len(now)+len(later) == 0 {
		return
	}
	r.snapshot.Pods[d.node] = pods
	recovery := r.durations(reboot).Recovery
	r.goneAt(d, now, d.earliest, recovery)
	r.goneAt(d, later, r.rounded(r.now.Add(d.takes)), recovery)
}

// heldPods are those that budgets have kept from going until now, of all drains under way.
func heldPods(reboots []*v1alpha1.NodeReboot) map[v1alpha1.PodReference]bool {
	held := map[v1alpha1.PodReference]bool{}
	for _, reboot := range reboots {
		order, report := reboot.Status.Order, reboot.Status.Report
		if !model.OpenAttempt(&reboot.Status) || order == nil || order.Drain == nil {
			continue
		}
		for _, pod := range order.Drain.Hold {
			held[v1alpha1.PodReference{Namespace: pod.Namespace, Name: pod.Name}] = true
		}
		if report == nil || report.Drain == nil || report.Sequence != order.Sequence {
			continue
		}
		for _, pod := range report.Drain.Refused {
			held[v1alpha1.PodReference{Namespace: pod.Namespace, Name: pod.Name}] = true
		}
	}
	return held
}

// goneAt has pods be gone from the node of a drain, and those in their place be ready elsewhere.
func (r *run) goneAt(d *drain, leave []model.Pod, at time.Time, recovery time.Duration) {
	if len(leave) == 0 {
		return
	}
	d.going += len(leave)
	r.plan(at, func() bool {
		d.going -= len(leave)
		r.snapshot.Pods[d.node] = slices.DeleteFunc(slices.Clone(r.snapshot.Pods[d.node]), func(pod model.Pod) bool {
			return pod.Terminating && slices.ContainsFunc(leave, func(gone model.Pod) bool {
				return gone.Namespace == pod.Namespace && gone.Name == pod.Name
			})
		})
		placed := r.replace(leave)
		r.at(r.now.Add(recovery), func() bool { return r.ready(placed) })
		return r.advanceDrain(d)
	})
}

// replace pods by others, which are not ready yet.
func (r *run) replace(gone []model.Pod) []place {
	var placed []place
	for _, pod := range gone {
		if pod.Terminating || !pod.Controlled && !r.isMade(&pod) { // the pod in the place of one that is being deleted is made already
			continue
		}
		pod.Ready, pod.Containers = false, nil
		placed = append(placed, place{pod: pod, node: r.placeFor(&pod)})
		if to := placed[len(placed)-1].node; to != "" {
			r.snapshot.Pods[to] = append(slices.Clip(r.snapshot.Pods[to]), pod)
		}
	}
	return placed
}

// place is where a pod went; no node is one that is not in the model.
type place struct {
	pod  model.Pod
	node string
}

// isMade: some workload makes another pod in the place of this one.
func (r *run) isMade(pod *model.Pod) bool {
	return slices.ContainsFunc(pod.Workloads, func(key model.WorkloadKey) bool { return key.Kind != v1alpha1.WorkloadPodDisruptionBudget })
}

// isLeft says that the drain leaves the pod, which is one of the manager's, on the node.
func isLeft(order *v1alpha1.DrainOrder, pod *model.Pod) bool {
	return order != nil && order.Leave.Namespace != "" && pod.Namespace == order.Leave.Namespace &&
		pod.Labels[v1alpha1.ComponentLabel] == v1alpha1.ManagerComponent
}

// letsGo says whether the budgets of a pod let it go now. The API server evicts no pod that two of them cover.
func (r *run) letsGo(pod *model.Pod) bool {
	budgets := 0
	for _, key := range pod.Workloads {
		if key.Kind != v1alpha1.WorkloadPodDisruptionBudget || !pod.Ready {
			continue
		}
		if budget, exists := r.snapshot.Workloads[key]; exists && (budget.Stale || budget.DisruptionsAllowed < 1) {
			return false
		}
		budgets++
	}
	return budgets < 2
}

// count a pod that becomes ready, or no longer is.
func (r *run) count(pod *model.Pod, by int32) {
	if by < 0 && !pod.IsReady() {
		return
	}
	for _, key := range pod.Workloads {
		workload, exists := r.snapshot.Workloads[key]
		if !exists || key.Kind == v1alpha1.WorkloadDaemonSet {
			continue
		}
		workload.Ready = max(0, workload.Ready+by)
		if key.Kind == v1alpha1.WorkloadPodDisruptionBudget {
			workload.DisruptionsAllowed = max(0, workload.DisruptionsAllowed+by)
		}
		r.snapshot.Workloads[key] = workload
	}
}

// ready has pods be ready where they were placed, or wherever they are by now.
func (r *run) ready(placed []place) bool {
	for i := range placed {
		r.count(&placed[i].pod, +1)
		pods := r.snapshot.Pods[placed[i].node]
		at := slices.IndexFunc(pods, func(p model.Pod) bool {
			return p.Namespace == placed[i].pod.Namespace && p.Name == placed[i].pod.Name && !p.Ready
		})
		if at >= 0 {
			pods = slices.Clone(pods)
			pods[at].Ready = true
			r.snapshot.Pods[placed[i].node] = pods
		}
	}
	return r.freed()
}

// freed notes that budgets may allow more than before. It says whether a plan may depend on that. Held pods may go when it was made: the
// manager sees that workloads are ready before helpers evict more of their pods.
func (r *run) freed() bool {
	r.drains = slices.DeleteFunc(r.drains, func(d *drain) bool { return d.ended })
	r.frees = slices.ContainsFunc(r.drains, func(d *drain) bool { return d.left > 0 })
	return r.frees || r.recovering()
}

// goOn lets drains continue that budgets held up.
func (r *run) goOn() {
	if !r.frees {
		return
	}
	r.frees = false
	for _, d := range r.drains {
		r.advanceDrain(d)
	}
}

// recovering: an attempt may wait for its workloads.
func (r *run) recovering() bool {
	for node := range r.snapshot.Slots {
		for _, reboot := range r.rebootsOf(node) {
			if a := reboot.Status.Attempt; model.OpenAttempt(&reboot.Status) && (a.BackTime != nil || a.RolledBackTime != nil) {
				return true
			}
		}
	}
	return false
}

// returnAfter has the pods be ready again after a while that an attempt evicted before the forecast began. Pods that it evicts later return
// on their own, so only pods that are missing now count, and only once, however many attempts are under way.
func (r *run) returnAfter(reboot *v1alpha1.NodeReboot, after time.Duration) {
	before := map[model.WorkloadKey]int32{}
	for _, key := range model.BudgetsOfDrain(reboot) { // also those of pods that came later
		before[key] = r.snapshot.Workloads[key].Expected
	}
	for _, w := range reboot.Status.Workloads {
		before[model.KeyOf(w)] = w.Ready
	}
	lacks := map[model.WorkloadKey]int32{}
	ending := r.ending(reboot.Spec.NodeName)
	for key, ready := range before {
		now, exists := r.snapshot.Workloads[key]
		lack := max(min(ready, fullOf(key, &now))-now.Ready, ending[key]) - r.returning[key]
		if exists && lack > 0 {
			lacks[key] = lack
			r.returning[key] += lack
		}
	}
	r.at(r.now.Add(after), func() bool {
		for key, lack := range lacks {
			now := r.snapshot.Workloads[key]
			full := fullOf(key, &now)
			now.Ready = max(now.Ready, min(now.Ready+lack, full))
			if key.Kind == v1alpha1.WorkloadPodDisruptionBudget {
				now.DisruptionsAllowed = max(now.DisruptionsAllowed, min(now.DisruptionsAllowed+lack, full))
			}
			r.snapshot.Workloads[key] = now
		}
		return r.freed()
	})
}

// ending are the pods on a node that are ending, by their budget: for a moment it counts them as healthy, and lets none go in their place.
func (r *run) ending(node string) map[model.WorkloadKey]int32 {
	ending := map[model.WorkloadKey]int32{}
	for i := range r.snapshot.Pods[node] {
		pod := &r.snapshot.Pods[node][i]
		if !pod.Terminating || pod.Finished {
			continue
		}
		for _, key := range pod.Workloads {
			if key.Kind == v1alpha1.WorkloadPodDisruptionBudget {
				ending[key]++
			}
		}
	}
	return ending
}

// fullOf is how many ready pods a workload has if it lacks none. A PodDisruptionBudget desires fewer pods than it covers.
func fullOf(key model.WorkloadKey, w *model.Workload) int32 {
	if key.Kind == v1alpha1.WorkloadPodDisruptionBudget {
		return max(w.Expected, w.Desired)
	}
	return w.Desired
}

// placeFor is the node with the fewest pods among those that take the pod, those first that need no reboot. If the model leaves out nodes
// that need none, it is one of those.
func (r *run) placeFor(pod *model.Pod) string {
	if r.fleet.reduced || pod.Namespace == unknown {
		return ""
	}
	best, fewest := "", 0
	for _, n := range r.snapshot.Nodes {
		if !n.TakesPods() {
			continue
		}
		count := len(r.snapshot.Pods[n.Name])
		if slices.ContainsFunc(n.Taints, func(t corev1.Taint) bool { return t.Effect == corev1.TaintEffectPreferNoSchedule }) {
			count += avoided
		}
		for i := range r.snapshot.Pods[n.Name] {
			if other := &r.snapshot.Pods[n.Name][i]; slices.Equal(other.Workloads, pod.Workloads) {
				count += spread
			}
		}
		if best == "" || count < fewest {
			best, fewest = n.Name, count
		}
	}
	return best
}

// How many pods a node seems to have more that the scheduler prefers not to take, and one that runs a pod of the same workload.
const (
	avoided = 1000
	spread  = 10
)

// unknownPods stands for the pods of a node that are not known: one, of a workload of its own, which takes as long as was measured to be
// ready elsewhere.
func unknownPods(node string) ([]model.Pod, model.WorkloadKey, model.Workload) {
	key := model.WorkloadKey{Kind: v1alpha1.WorkloadDeployment, Namespace: unknown, Name: node}
	pods := []model.Pod{{
		Namespace: unknown, Name: node, Workloads: []model.WorkloadKey{key}, Controlled: true, Ready: true, Containers: []string{unknown},
	}}
	return pods, key, model.Workload{Ready: 1, Desired: 1}
}

// unknown is the namespace of what stands for something else. No namespace has such a name.
const unknown = "(unknown)"
