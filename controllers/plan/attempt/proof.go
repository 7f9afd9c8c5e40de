package attempt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// clockGrain is how much earlier than the boot a pod's readiness may seem to be: both come from the host's clock, boot times are computed
// to the second and conditions are cut to it. Readiness of before the boot is older than that, for a host takes longer to go down.
const clockGrain = 2 * time.Second

// nodeProof says what is missing until the node itself counts as rebooted and healthy.
func (a *attempt) nodeProof() model.Verdict {
	if !a.Node.Ready {
		return model.Blocked(v1alpha1.ReasonNodeNotReady, "Node %s runs another boot and is not Ready yet.", a.Node.Name)
	}
	if a.Sentinel(a.Node) == v1alpha1.SentinelUnknown || a.Status.Report.BootTime == nil {
		return model.Blocked(v1alpha1.ReasonSentinelUnknown,
			"The helper of node %s has not said since the boot whether the sentinel is gone.", a.Node.Name)
	}
	pods, known := a.Pods, a.PodsKnown
	if !known {
		return model.Blocked(v1alpha1.ReasonPodStatusStale, "The pods of node %s were not read yet.", a.Node.Name)
	}
	return a.podProof(pods)
}

// podProof looks at the pods that stayed on the node. For some seconds after a boot their statuses are those of before, so only
// readiness that is newer than the boot counts; this needs no NotReady to have been seen.
func (a *attempt) podProof(pods []model.Pod) model.Verdict {
	booted := a.Status.Report.BootTime.Add(-clockGrain)
	here, ready := map[model.WorkloadKey]bool{}, map[model.WorkloadKey]bool{}
	for i := range pods {
		pod := &pods[i]
		if pod.IsReady() && pod.ReadySince.Before(booted) && pod.StartedSince.Before(booted) {
			return model.Blocked(v1alpha1.ReasonPodStatusStale,
				"Pod %s/%s on node %s still shows its status of before the boot.", pod.Namespace, pod.Name, a.Node.Name)
		}
		for _, key := range pod.Workloads {
			here[key], ready[key] = true, ready[key] || pod.IsReady()
		}
	}
	for _, w := range a.Status.Workloads {
		// A DaemonSet that has no pod on the node any more was deleted, or does not select the node any longer.
		if key := model.KeyOf(w); w.Kind == v1alpha1.WorkloadDaemonSet && here[key] && !ready[key] {
			return model.Blocked(v1alpha1.ReasonDaemonSetsNotReady,
				"The pod of DaemonSet %s/%s on node %s is not Ready since the boot.", w.Namespace, w.Name, a.Node.Name)
		}
	}
	return model.Verdict{}
}

// workloadProof says what is missing until the slot may be freed, once the node itself is proved.
func (a *attempt) workloadProof() model.Verdict {
	policy := a.Policy
	if policy == nil {
		return model.Verdict{}
	}
	recovery := policy.Spec.Recovery
	settled := a.inServiceSince().Add(model.Seconds(recovery.SettleSeconds))
	if !a.Reached(settled) {
		return model.Blocked(v1alpha1.ReasonSettling, "Node %s settles until %s.", a.Node.Name, model.ClockTime(settled))
	}
	if recovery.Workloads == v1alpha1.WorkloadsIgnore {
		return model.Verdict{}
	}
	var missing []string
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

// inServiceSince is since when the node has been uncordoned and Ready. A time that is still to come says that the clock of its kubelet is
// wrong, and nothing else.
func (a *attempt) inServiceSince() time.Time {
	since := a.Status.Attempt.UncordonedTime.Time
	ready := a.Node.Condition(string(corev1.NodeReady))
	if ready == nil || ready.Since.After(a.Now) {
		return since
	}
	return model.Latest(since, ready.Since)
}

// notAsReadyAsBefore describes a workload that has fewer ready pods than before the drain, and fewer than it wants to have now.
func (a *attempt) notAsReadyAsBefore(w v1alpha1.WorkloadRef) string {
	now, exists := a.Workloads[model.KeyOf(w)]
	if w.Kind == v1alpha1.WorkloadDaemonSet || !exists {
		return ""
	}
	need := min(w.Ready, now.Desired)
	if w.Ready == 0 || !now.Stale && now.Ready >= need {
		return ""
	}
	return fmt.Sprintf("%s %s/%s is not as ready as before the drain, when it had %d ready pods", w.Kind, w.Namespace, w.Name, w.Ready)
}

// maxWorkloads bounds the workloads that one NodeReboot remembers; the API has the same limit.
const maxWorkloads = 512

// captureWorkloads remembers how ready the workloads of a node's pods are, to compare with after the reboot. Of DaemonSets only those
// count whose pod on the node is ready.
func (a *attempt) captureWorkloads(pods []model.Pod) []v1alpha1.WorkloadRef {
	seen := map[model.WorkloadKey]int32{}
	for i := range pods {
		pod := &pods[i]
		if pod.Finished || pod.Terminating {
			continue
		}
		for _, key := range pod.Workloads {
			switch {
			case key.Kind != v1alpha1.WorkloadDaemonSet:
				seen[key] = a.Workloads[key].Ready
			case pod.Ready:
				seen[key] = 1
			}
		}
	}
	refs := make([]v1alpha1.WorkloadRef, 0, len(seen))
	for key, ready := range seen {
		refs = append(refs, v1alpha1.WorkloadRef{Kind: key.Kind, Namespace: key.Namespace, Name: key.Name, Ready: ready})
	}
	slices.SortFunc(refs, func(a, b v1alpha1.WorkloadRef) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return refs[:min(len(refs), maxWorkloads)]
}
