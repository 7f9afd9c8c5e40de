package helper

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	// overdueAfter is how long after the end of its grace period a pod is named.
	overdueAfter = 10 * time.Second
	// finalizerPatience is how long a pod that only finalizers keep is not named. Many are removed as soon as the pod has ended, and naming
	// each for a moment would be a write each.
	finalizerPatience = 3 * time.Second
	// stuckAfter is how long a drain may continue without a pod that goes before it is stuck.
	stuckAfter = time.Minute
	// lastCall is how long before the deadline everything that is left is named, for those who end the drain at the deadline.
	lastCall = 5 * time.Second
	// maxHolder is the most characters that what holds a pod takes.
	maxHolder = 256
)

// heldBy says what keeps a pod that should go. The helper knows no time zone: the manager writes times for people.
func heldBy(pod *corev1.Pod, now time.Time) string {
	var parts []string
	switch end := pod.DeletionTimestamp; {
	case end == nil && len(pod.Spec.EvictionResponders) > 0:
		return truncate("its eviction responders, "+strings.Join(responders(pod), ", "), maxHolder)
	case end == nil:
		return "its eviction was accepted, but nothing deletes it"
	case now.Before(end.Time):
		parts = append(parts, "its grace period until "+end.UTC().Format(time.RFC3339))
	case runs(pod):
		parts = append(parts, "its containers are still running")
	case len(pod.Finalizers) == 0:
		parts = append(parts, "the kubelet has not confirmed that it ended")
	}
	switch len(pod.Finalizers) {
	case 0:
	case 1:
		parts = append(parts, "finalizer "+pod.Finalizers[0])
	default:
		parts = append(parts, "finalizers "+strings.Join(pod.Finalizers, ", "))
	}
	return truncate(strings.Join(parts, ", and "), maxHolder)
}

// runs reports whether a container of the pod runs.
func runs(pod *corev1.Pod) bool {
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range statuses {
			if statuses[i].State.Running != nil {
				return true
			}
		}
	}
	return false
}

// noteFinalizers notes since when only finalizers keep a pod that ends. The API server moves the deletion timestamp into the past when the
// kubelet confirms that the pod has ended, so it does not tell.
func (p *leavingPod) noteFinalizers(now time.Time) {
	if p.finalizedSince.IsZero() && !now.Before(p.DeletionTimestamp.Time) && len(p.Finalizers) > 0 && !runs(p.Pod) {
		p.finalizedSince = now
	}
}

// namedFrom is when a pod that does not end is named; false if it is not ending.
func (p *leavingPod) namedFrom() (time.Time, bool) {
	switch {
	case p.DeletionTimestamp == nil:
		return p.acceptedTime.Add(overdueAfter), p.accepted || p.asked
	case !p.finalizedSince.IsZero():
		return p.finalizedSince.Add(finalizerPatience), true
	}
	return p.DeletionTimestamp.Add(overdueAfter), true
}

// holder says what keeps a pod that does not end; empty if there is nothing to report.
func (d *drain) holder(p *leavingPod, now time.Time) string {
	from, ending := p.namedFrom()
	if !ending || now.Before(from) && !d.stuckAt(now) && now.Before(d.deadline.Add(-lastCall)) {
		return ""
	}
	return heldBy(p.Pod, now)
}

// stuckAt reports whether pods are left and none has gone for a while.
func (d *drain) stuckAt(now time.Time) bool {
	return (len(d.leaving) > 0 || !d.complete) && !now.Before(d.moved.Add(stuckAfter))
}
