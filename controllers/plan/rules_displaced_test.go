package plan

import (
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// The rule about the pods that attempts displace: what is missing of an application is answered for by slots that are held.

// checkPodsAreBack: the pods that were evicted for the attempt are ready again, or the slots that other nodes hold answer for as many as
// are missing. Those wait for them from then on as if they had evicted them.
func (w *world) checkPodsAreBack(h *held, deleted bool) {
	if w.ignoresPods(h) {
		return
	}
	if !h.told.IsZero() && h.marked && w.nodes[h.node] == nil {
		return // docs/safety.md: the slot of a host that was marked for deletion and is gone is free at once
	}
	waited := w.now.Sub(h.lastEvicted) >= seconds(w.policies[h.policy].Spec.Recovery.TimeoutSeconds)
	if deleted && (waited || !h.told.IsZero()) {
		return
	}
	awaited := map[WorkloadKey]bool{}
	for pod := range h.away {
		awaited[pod.Workloads[0]] = true
	}
	for key := range h.answers {
		awaited[key] = true
	}
	for key := range awaited {
		app := w.apps[key]
		if app == nil {
			continue
		}
		ready := int32(w.readyReplicas(key.Name))
		if missing := min(h.ready[key], app.replicas) - ready; missing > 0 && !w.handOver(h, key, missing) {
			w.breaks("the slot of node %s is free (ordered to reboot: %v); %d pods of %s are ready, before it were %d of %d",
				h.node, !h.told.IsZero(), ready, key.Name, h.ready[key], app.replicas)
			return
		}
	}
}

// ignoresPods: the policy of a slot does not wait for pods, or did not once.
func (w *world) ignoresPods(h *held) bool {
	policy := w.policies[h.policy]
	return policy == nil || policy.Spec.Recovery.Workloads == v1alpha1.Ignore || w.rules.ignored[h.policy]
}

// handOver lets the other slots answer for pods that are missing, and says whether they have displaced as many.
func (w *world) handOver(h *held, key WorkloadKey, missing int32) bool {
	var others []*held
	displaced := int32(0)
	for _, other := range w.slotsHeld() {
		if own := other.displaced(key); other != h && own > 0 && !w.ignoresPods(other) {
			others, displaced = append(others, other), displaced+own
		}
	}
	if displaced < missing {
		return false
	}
	for _, other := range others {
		other.answers[key], other.ready[key] = true, max(other.ready[key], h.ready[key])
	}
	return true
}

// displaced counts the pods of an application that were ready on the node and are not what they were.
func (h *held) displaced(key WorkloadKey) int32 {
	count := int32(0)
	for pod, starts := range h.here {
		if len(pod.Workloads) > 0 && pod.Workloads[0] == key && (pod.node != h.node || pod.starts != starts) {
			count++
		}
	}
	return count
}
