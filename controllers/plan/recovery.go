package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// maxWorkloads bounds the workloads that one NodeReboot remembers; the API has the same limit.
const maxWorkloads = 512

// clockGrain is how much earlier than the boot a pod's readiness may seem to be: both come from the host's clock, boot times are computed
// to the second and conditions are cut to it. Readiness of before the boot is older than that, for a host takes longer to go down.
const clockGrain = 2 * time.Second

// recover takes an attempt from another boot ID to the end of its slot: first the node itself is proved and uncordoned, then its
// workloads have to be as ready as before.
func (p *pass) recover(r *rebootView) {
	p.asks = append(p.asks, r.node.Name)
	wait := p.nodeProof(r)
	if wait.passed() && r.next.Attempt.UncordonedTime == nil {
		r.editAttempt(func(a *v1alpha1.Attempt) { a.UncordonedTime = p.stamp() })
	}
	if wait.passed() {
		wait = p.recoveryProof(r)
	}
	present := false
	if wait.passed() {
		wait, present = p.conditionProof(r)
	}
	switch {
	case wait.passed():
		p.conclude(r, present)
	case r.deleted() && (r.next.Attempt.UncordonedTime != nil || r.policy() == nil || p.recoveryTimedOut(r)):
		p.endAttempt(r, v1alpha1.ReasonDeleted, "The NodeReboot was deleted.")
	default:
		p.awaitRecovery(r, wait)
	}
}

// conclude ends an attempt after which everything has recovered: was the reboot of use? present says that the condition that it was for is
// still there.
func (p *pass) conclude(r *rebootView, present bool) {
	switch {
	case r.sentinel() == v1alpha1.SentinelRequired:
		p.failAfterBoot(r, v1alpha1.ReasonSentinelStillPresent, fmt.Sprintf("Node %s was rebooted and still asks for a reboot.", r.node.Name))
	case present:
		p.failAfterBoot(r, v1alpha1.ReasonConditionStillPresent, fmt.Sprintf(
			"Node %s was rebooted, and its condition %s did not go away.", r.node.Name, r.obj.Spec.ConditionType))
	default:
		p.succeed(r)
	}
}

// recoveryProof says what has not recovered yet once the node itself is proved: its workloads, then objects of the cluster. When they have,
// it is the turn of what others do after a reboot.
func (p *pass) recoveryProof(r *rebootView) verdict {
	if v := p.workloadProof(r); !v.passed() {
		return v
	}
	if v := p.objectProof(r); !v.passed() {
		return v
	}
	if r.next.Attempt.RecoveredTime == nil {
		r.editAttempt(func(a *v1alpha1.Attempt) { a.RecoveredTime = p.stamp() })
	}
	return p.hookVerdict(r, r.policy().hooks().AfterReboot, r.next.Attempt.RecoveredTime.Time)
}

// failAfterBoot ends an attempt that rebooted the host in vain, once everything has recovered all the same. The next one has to end the
// boot that runs now.
func (p *pass) failAfterBoot(r *rebootView, reason, message string) {
	p.fail(r, reason, message)
	if !r.complete() {
		next := r.edit()
		next.Before, next.After = r.node.boot(), nil
	}
}

func (p *pass) succeed(r *rebootView) {
	message := fmt.Sprintf("Node %s runs another boot, is Ready and does not ask for a reboot any more", r.node.Name)
	if n := len(r.next.Workloads); n > 0 {
		message += fmt.Sprintf("; the %d workloads that had pods on it are as ready as before", n)
	}
	r.tellLateHooks()
	p.endAttempt(r, v1alpha1.ReasonProved, message+".")
	p.complete(r, v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, message+".")
}

// awaitRecovery waits on, and stalls when it takes too long.
func (p *pass) awaitRecovery(r *rebootView, wait verdict) {
	r.wait = wait
	switch {
	case wait.reason == v1alpha1.ReasonHookTimedOut:
		p.stall(r, wait.reason, wait.message+" The node recovered, and its slot is held until somebody does; "+
			"delete this NodeReboot to do without.")
	case p.recoveryTimedOut(r):
		p.stall(r, v1alpha1.ReasonRecoveryTimedOut, fmt.Sprintf("Node %s came back and did not recover in time: %s It is still watched; "+
			"delete this NodeReboot to give it up.", r.node.Name, wait.message))
	}
}

// recoveryTimedOut: the recovery ran out of time once. Without a policy there is no limit.
func (p *pass) recoveryTimedOut(r *rebootView) bool {
	attempt, policy := r.next.Attempt, r.policy()
	if attempt.StalledTime != nil || policy == nil {
		return attempt.StalledTime != nil
	}
	return p.passed(attempt.BackTime.Add(seconds(policy.spec.Recovery.TimeoutSeconds)))
}

// nodeProof says what is missing until the node itself counts as rebooted and healthy.
func (p *pass) nodeProof(r *rebootView) verdict {
	if !r.node.Ready {
		return verdict{reason: v1alpha1.ReasonNodeNotReady, message: fmt.Sprintf("Node %s runs another boot and is not Ready yet.", r.node.Name)}
	}
	if r.sentinel() == v1alpha1.SentinelUnknown || r.next.Report.BootTime == nil {
		return verdict{reason: v1alpha1.ReasonSentinelUnknown, message: fmt.Sprintf(
			"The helper of node %s has not said since the boot whether the sentinel is gone.", r.node.Name)}
	}
	pods, known := p.snapshot.Pods[r.node.Name]
	if !known {
		return verdict{reason: v1alpha1.ReasonPodStatusStale, message: fmt.Sprintf("The pods of node %s were not read yet.", r.node.Name)}
	}
	return podProof(r, pods)
}

// podProof looks at the pods that stayed on the node. For some seconds after a boot their statuses are those of before, so only
// readiness that is newer than the boot counts; this needs no NotReady to have been seen.
func podProof(r *rebootView, pods []Pod) verdict {
	booted := r.next.Report.BootTime.Add(-clockGrain)
	here, ready := map[WorkloadKey]bool{}, map[WorkloadKey]bool{}
	for i := range pods {
		pod := &pods[i]
		if pod.isReady() && pod.ReadySince.Before(booted) && pod.StartedSince.Before(booted) {
			return verdict{reason: v1alpha1.ReasonPodStatusStale, message: fmt.Sprintf(
				"Pod %s/%s on node %s still shows its status of before the boot.", pod.Namespace, pod.Name, r.node.Name)}
		}
		for _, key := range pod.Workloads {
			here[key], ready[key] = true, ready[key] || pod.isReady()
		}
	}
	for _, w := range r.next.Workloads {
		// A DaemonSet that has no pod on the node any more was deleted, or does not select the node any longer.
		if key := keyOf(w); w.Kind == v1alpha1.WorkloadDaemonSet && here[key] && !ready[key] {
			return verdict{reason: v1alpha1.ReasonDaemonSetsNotReady, message: fmt.Sprintf(
				"The pod of DaemonSet %s/%s on node %s is not Ready since the boot.", w.Namespace, w.Name, r.node.Name)}
		}
	}
	return verdict{}
}

// isReady: the pod is Ready and stays.
func (pod *Pod) isReady() bool { return pod.Ready && !pod.Finished && !pod.Terminating }

// workloadProof says what is missing until the slot may be freed, once the node itself is proved.
func (p *pass) workloadProof(r *rebootView) verdict {
	policy := r.policy()
	if policy == nil {
		return verdict{}
	}
	recovery := policy.spec.Recovery
	settled := p.inServiceSince(r).Add(seconds(recovery.SettleSeconds))
	if !p.passed(settled) {
		return verdict{reason: v1alpha1.ReasonSettling, message: fmt.Sprintf("Node %s settles until %s.", r.node.Name, clockTime(settled))}
	}
	if recovery.Workloads == v1alpha1.WorkloadsIgnore {
		return verdict{}
	}
	var missing []string
	for _, w := range r.next.Workloads {
		if lack := p.notAsReadyAsBefore(w); lack != "" {
			missing = append(missing, lack)
		}
	}
	if len(missing) == 0 {
		return verdict{}
	}
	message := missing[0]
	if len(missing) > 1 {
		message += fmt.Sprintf(" (and %d more)", len(missing)-1)
	}
	return verdict{reason: v1alpha1.ReasonWorkloadsNotReady, message: message + "."}
}

// inServiceSince is since when the node has been uncordoned and Ready. A time that is still to come says that the clock of its kubelet is
// wrong, and nothing else.
func (p *pass) inServiceSince(r *rebootView) time.Time {
	since := r.next.Attempt.UncordonedTime.Time
	ready := r.node.condition(string(corev1.NodeReady))
	if ready == nil || ready.LastTransitionTime.After(p.now) {
		return since
	}
	return latest(since, ready.LastTransitionTime.Time)
}

// notAsReadyAsBefore describes a workload that has fewer ready pods than before the drain, and fewer than it wants to have now.
func (p *pass) notAsReadyAsBefore(w v1alpha1.WorkloadRef) string {
	now, exists := p.snapshot.Workloads[keyOf(w)]
	if w.Kind == v1alpha1.WorkloadDaemonSet || !exists {
		return ""
	}
	need := min(w.Ready, now.Desired)
	if w.Ready == 0 || !now.Stale && now.Ready >= need {
		return ""
	}
	return fmt.Sprintf("%s %s/%s is not as ready as before the drain, when it had %d ready pods", w.Kind, w.Namespace, w.Name, w.Ready)
}

func keyOf(w v1alpha1.WorkloadRef) WorkloadKey {
	return WorkloadKey{Kind: w.Kind, Namespace: w.Namespace, Name: w.Name}
}

// captureWorkloads remembers how ready the workloads of a node's pods are, to compare with after the reboot. Of DaemonSets only those
// count whose pod on the node is ready.
func (p *pass) captureWorkloads(pods []Pod) []v1alpha1.WorkloadRef {
	seen := map[WorkloadKey]int32{}
	for i := range pods {
		pod := &pods[i]
		if pod.Finished || pod.Terminating {
			continue
		}
		for _, key := range pod.Workloads {
			switch {
			case key.Kind != v1alpha1.WorkloadDaemonSet:
				seen[key] = p.snapshot.Workloads[key].Ready
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
