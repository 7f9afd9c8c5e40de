package attempt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// nodeProof says what is missing until the node itself counts as rebooted and healthy.
func (a *attempt) nodeProof() model.Verdict {
	if !a.Node.Ready {
		return model.Blocked(v1alpha1.ReasonNodeNotReady, "Node %s runs another boot and is not Ready yet.", a.Node.Name)
	}
	if a.Sentinel(a.Node) == v1alpha1.SentinelUnknown {
		return model.Blocked(v1alpha1.ReasonSentinelUnknown,
			"The helper of node %s has not reported since the boot whether the sentinel is gone.", a.Node.Name)
	}
	if !a.PodsKnown {
		return model.Blocked(v1alpha1.ReasonPodStatusStale, "The pods of node %s have not been read yet.", a.Node.Name)
	}
	return a.podProof()
}

// staleLimit is how long after a boot a pod's status may still be from before it. A Ready kubelet writes the statuses of its pods within
// seconds; the limit is for containers that were recorded after a boot that had not been seen yet.
const staleLimit = 5 * time.Minute

// podProof looks at the pods that stayed on the node. For some seconds after a boot their statuses are those of before, with the containers
// of before: no container outlives a boot. This compares no clocks, and works even if NotReady was never seen.
func (a *attempt) podProof() model.Verdict {
	before := sets.New(a.Status.Attempt.Containers...)
	here, ready := map[model.WorkloadKey]bool{}, map[model.WorkloadKey]bool{}
	for i := range a.Pods {
		pod := &a.Pods[i]
		stale := len(pod.Containers) == 0 || before.HasAny(pod.Containers...)
		if pod.IsReady() && stale && !a.Reached(a.bootSeen().Add(staleLimit)) {
			return model.Blocked(v1alpha1.ReasonPodStatusStale,
				"Pod %s/%s on node %s still shows its status from before the boot.", pod.Namespace, pod.Name, a.Node.Name)
		}
		for _, key := range pod.KeysOnNode() {
			here[key], ready[key] = true, ready[key] || pod.IsReady()
		}
	}
	return a.podsOnNode(here, ready)
}

// podsOnNode says which pods that were ready on the node before are not, given those that are here, and those that are ready.
func (a *attempt) podsOnNode(here, ready map[model.WorkloadKey]bool) model.Verdict {
	for _, w := range a.Status.Workloads {
		switch key := model.KeyOf(w); {
		case ready[key]:
		case w.Kind == v1alpha1.WorkloadStaticPod:
			return model.Blocked(v1alpha1.ReasonStaticPodsNotReady,
				"Static pod %s/%s on node %s has not been Ready since the boot.", w.Namespace, w.Name, a.Node.Name)
		case w.Kind == v1alpha1.WorkloadDaemonSet && (here[key] || a.makesDaemonsAgain()):
			// A DaemonSet that has no pod on the node anymore was deleted, or no longer selects the node.
			return model.Blocked(v1alpha1.ReasonDaemonSetsNotReady,
				"The pod of DaemonSet %s/%s on node %s has not been Ready since the boot.", w.Namespace, w.Name, a.Node.Name)
		}
	}
	return model.Verdict{}
}

// bootSeen is when the boot that runs was first seen.
func (a *attempt) bootSeen() time.Time {
	if after := a.Status.After; after != nil && after.SeenTime != nil {
		return after.SeenTime.Time
	}
	return a.Status.Attempt.BackTime.Time
}

// MaxContainers bounds the containers that one attempt remembers; the API has the same limit.
const MaxContainers = 512

// containersOf pods that run.
func containersOf(pods []model.Pod) []string {
	var ids []string
	for i := range pods {
		ids = append(ids, pods[i].Containers...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids[:min(len(ids), MaxContainers)]
}

// noteContainers adds what runs on the node now. It is only called when the host cannot have booted yet: of pods and nodes there are two
// watches, and once the host was ordered to reboot, pods of the next boot may be seen before the Node that reports it.
func (a *attempt) noteContainers() {
	a.needPods = true
	known := sets.New(a.Status.Attempt.Containers...)
	if ids := containersOf(a.Pods); a.PodsKnown && !known.HasAll(ids...) {
		ids = sets.List(known.Insert(ids...))
		a.EditAttempt(func(at *v1alpha1.Attempt) { at.Containers = ids[:min(len(ids), MaxContainers)] })
	}
}

// noteInService records since when the node has been uncordoned and Ready without interruption, as this manager sees it.
func (a *attempt) noteInService(proved bool) {
	current := a.Status.Attempt
	transition := a.readyTransition()
	switch {
	case !a.Node.Ready && current.SettlingSince != nil:
		a.EditAttempt(func(at *v1alpha1.Attempt) { at.SettlingSince, at.ReadyTransitionTime = nil, nil })
	case !proved:
	case current.SettlingSince == nil || !transition.Equal(current.ReadyTransitionTime):
		a.EditAttempt(func(at *v1alpha1.Attempt) {
			at.SettlingSince, at.ReadyTransitionTime = a.Stamp(), transition
			if at.UncordonedTime == nil {
				at.UncordonedTime = a.Stamp()
			}
		})
		a.noteVia()
	}
}

// readyTransition is when the node became Ready, by the clock of its source; nil if it is not known.
func (a *attempt) readyTransition() *metav1.Time {
	ready := a.Node.Condition(string(corev1.NodeReady))
	if ready == nil || ready.Transition.IsZero() {
		return nil
	}
	return &ready.Transition
}

// workloadProof says what is missing until the slot may be freed, once the node itself is proved.
func (a *attempt) workloadProof() model.Verdict {
	if a.Policy != nil {
		settled := a.Status.Attempt.SettlingSince.Add(model.Seconds(a.Policy.Spec.Recovery.SettleSeconds))
		if !a.Reached(settled) {
			return model.Blocked(v1alpha1.ReasonSettling, "Node %s settles until %s.", a.Node.Name, a.times().Until(settled)).Ending(settled)
		}
	}
	return a.workloadsBack()
}

// ignoresWorkloads says that the policy does not wait for workloads. Without a policy they are waited for.
func (a *attempt) ignoresWorkloads() bool {
	return a.Policy != nil && a.Policy.Spec.Recovery.Workloads == v1alpha1.Ignore
}

// workloadsBack says which workloads that had pods on the node are not as ready as before.
func (a *attempt) workloadsBack() model.Verdict {
	if a.ignoresWorkloads() {
		return model.Verdict{}
	}
	var missing []string
	a.elsewhere = 0
	for _, w := range a.Status.Workloads {
		if lack := a.notAsReadyAsBefore(w); lack != "" {
			missing = append(missing, lack)
		}
	}
	if len(missing) == 0 {
		return model.Verdict{}
	}
	message := missing[0]
	if len(missing) > 1 {
		message += fmt.Sprintf(" (and %d more)", len(missing)-1)
	}
	return model.Verdict{Reason: v1alpha1.ReasonWorkloadsNotReady, Message: message + "."}
}

// notAsReadyAsBefore describes a workload that has fewer ready pods than before the drain, and fewer than it should have now; unless other
// attempts have displaced as many as are missing, and wait for them.
func (a *attempt) notAsReadyAsBefore(w v1alpha1.WorkloadRef) string {
	switch w.Kind {
	case v1alpha1.WorkloadDaemonSet, v1alpha1.WorkloadStaticPod:
		return ""
	case v1alpha1.WorkloadDeployment, v1alpha1.WorkloadStatefulSet, v1alpha1.WorkloadPodDisruptionBudget:
	default:
		return fmt.Sprintf("%s %s/%s is of a kind that this manager does not know: it is older than the one that recorded it",
			w.Kind, w.Namespace, w.Name)
	}
	now, exists := a.Workloads[model.KeyOf(w)]
	if !exists {
		return ""
	}
	need := min(w.Ready, now.Desired)
	switch {
	case w.Ready == 0, !now.Stale && now.Ready >= need:
		return ""
	case !now.Stale && a.neighbors.Account(model.KeyOf(w), need-now.Ready, need):
		a.elsewhere++
		return ""
	}
	return fmt.Sprintf("%s %s/%s is not as ready as before the drain, when it had %s",
		w.Kind, w.Namespace, w.Name, model.Count(w.Ready, "ready pod"))
}

// maxName is how long a name of a workload may be. A pod may name an owner that there cannot be.
const maxName = 253

// maxWorkloads bounds the workloads that one NodeReboot remembers; the API has the same limit.
const maxWorkloads = 512

// captureWorkloads remembers how ready the workloads of a node's pods are, to compare with after the reboot, and how many of their pods a
// drain has to evict. Only DaemonSets and static pods that are ready on the node count.
func (a *attempt) captureWorkloads(pods []model.Pod) []v1alpha1.WorkloadRef {
	seen := map[model.WorkloadKey]v1alpha1.WorkloadRef{}
	for i := range pods {
		pod := &pods[i]
		if pod.Finished || pod.Terminating {
			continue
		}
		for _, key := range pod.Workloads {
			if key.Kind != v1alpha1.WorkloadDaemonSet {
				a.capture(seen, key, pod)
			}
		}
		for _, key := range pod.KeysOnNode() {
			if pod.Ready {
				seen[key] = v1alpha1.WorkloadRef{Ready: 1}
			}
		}
	}
	refs := make([]v1alpha1.WorkloadRef, 0, len(seen))
	for key, ref := range seen {
		if key.Name == "" || len(key.Name) > maxName {
			continue
		}
		ref.Kind, ref.Namespace, ref.Name = key.Kind, key.Namespace, key.Name
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b v1alpha1.WorkloadRef) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return refs[:min(len(refs), maxWorkloads)]
}

// capture adds a pod to what is known of one of its workloads.
func (a *attempt) capture(seen map[model.WorkloadKey]v1alpha1.WorkloadRef, key model.WorkloadKey, pod *model.Pod) {
	ref, known := seen[key]
	if !known {
		ref.Ready = a.neighbors.Before(key, a.Workloads[key].Ready)
	}
	if pod.Ready && a.mayEvict(pod) {
		ref.Pods++
	}
	seen[key] = ref
}

// mayEvict says that a drain evicts the pod in any case. Pods of the manager may stay.
func (a *attempt) mayEvict(pod *model.Pod) bool {
	return !pod.Stays() && a.Policy.Drained.Matches(pod.Labels, pod.Annotations) &&
		pod.Labels[v1alpha1.ComponentLabel] != v1alpha1.ManagerComponent
}
