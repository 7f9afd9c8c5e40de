package plan

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// What people and other programs do to nodes and NodeReboots.

func (w *world) relabel(h *host, change func(map[string]string)) {
	w.updateNode(h.name, func(n *Node) {
		n.Labels = maps.Clone(n.Labels)
		change(n.Labels)
	})
}

// slotsObjectIsDeleted: what is under way is still known from the NodeReboots, though not to a manager that sees them late.
func (w *world) slotsObjectIsDeleted() {
	for _, h := range w.slotsHeld() {
		w.rules.lost[h.uid] = h.attempt
	}
	w.slots, w.slotsVersion = map[string]Slot{}, w.changed()
}

// slotOf is what the slots object holds for a node, or held before someone deleted it.
func (w *world) slotOf(name string) Slot {
	slot, is := w.slots[name]
	if h := w.rules.held[name]; !is && w.lostSlot(name) {
		return Slot{Reboot: h.reboot, UID: string(h.uid), Attempt: h.attempt}
	}
	return slot
}

// lostSlot: someone took the slot of the node's attempt out of the slots object.
func (w *world) lostSlot(name string) bool {
	h := w.rules.held[name]
	return h != nil && w.rules.lost[h.uid] == h.attempt
}

func (w *world) skipsNoMore(h *host) {
	w.relabel(h, func(labels map[string]string) { delete(labels, v1alpha1.SkipLabel) })
}

// personApproves approves every NodeReboot of a host. Approvals that expired are withdrawn, and given again a minute later.
func (w *world) personApproves(h *host) {
	expired := func(r *v1alpha1.NodeReboot) bool { return h != nil && r.Spec.NodeName == h.name && approvalExpired(r) }
	if !slices.ContainsFunc(slices.Collect(maps.Values(w.reboots)), expired) {
		w.approve(h, v1alpha1.ApprovalGiven)
		return
	}
	w.approve(h, v1alpha1.ApprovalNotGiven)
	w.after(time.Minute, func() { w.approve(h, v1alpha1.ApprovalGiven) })
}

func approvalExpired(r *v1alpha1.NodeReboot) bool {
	return r.Status.Reason == v1alpha1.ReasonAwaitingApproval && r.Spec.Approval == v1alpha1.ApprovalGiven &&
		r.Status.ObservedGeneration == r.Generation
}

func (w *world) personWithdraws(h *host) { w.approve(h, v1alpha1.ApprovalNotGiven) }

func (w *world) approve(h *host, approval v1alpha1.Approval) {
	for _, name := range slices.Sorted(maps.Keys(w.reboots)) {
		if r := w.reboots[name]; h != nil && r.Spec.NodeName == h.name && r.Spec.Approval != approval && r.Status.CompletionTime == nil {
			w.tell("NodeReboot %s: approval %s", name, approval)
			w.updateReboot(name, func(r *v1alpha1.NodeReboot) {
				approve(r, approval)
				r.Generation++
			})
		}
	}
}

// hookKey names a hook of a NodeReboot.
type hookKey struct {
	uid           types.UID
	conditionType string
}

// doHooks is a program that does what NodeReboots wait for, most of the time.
func (w *world) doHooks() {
	if w.random == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(w.reboots)) {
		uid := w.reboots[name].UID
		for _, pending := range w.reboots[name].Status.PendingHooks {
			key := hookKey{uid, pending}
			if w.hooking[key] {
				continue
			}
			w.hooking[key] = true
			longest := 2 * time.Minute
			if w.healed {
				longest = 20 * time.Second
			}
			w.after(w.between(time.Second, longest), func() {
				delete(w.hooking, key)
				if r := w.reboots[name]; r != nil && r.UID == uid && slices.Contains(r.Status.PendingHooks, pending) {
					w.doHook(name, pending)
				}
			})
		}
	}
}

func (w *world) doHook(name, conditionType string) {
	if !w.healed && w.random.IntN(4) == 0 {
		return
	}
	w.tell("NodeReboot %s: %s is done", name, conditionType)
	w.rules.hooks[hookKey{w.reboots[name].UID, conditionType}] = w.now
	w.updateReboot(name, func(r *v1alpha1.NodeReboot) {
		r.Status.Conditions = slices.Clone(r.Status.Conditions)
		meta.RemoveStatusCondition(&r.Status.Conditions, conditionType)
		meta.SetStatusCondition(&r.Status.Conditions, metav1.Condition{
			Type: conditionType, Status: metav1.ConditionTrue, Reason: "Done", LastTransitionTime: metav1.NewTime(w.now),
		})
	})
}

// deadlock is what a problem detector on the node says.
func (w *world) deadlock(h *host, status corev1.ConditionStatus) {
	w.updateNode(h.name, func(n *Node) {
		setCondition(n, model.NodeCondition{Type: deadlockCondition, Status: status, Since: w.clock()})
	})
}

// anotherMaintains is another tool that has a Lease for a while, or a NodeMaintenance, which has no end, until it is deleted.
func (w *world) anotherMaintains(h *host) {
	until := w.now.Add(w.between(time.Minute, 10*time.Minute))
	if w.random.IntN(2) == 0 {
		w.updateNode(h.name, func(n *Node) { n.OtherMaintenance = []OtherMaintenance{{Object: "a Lease is held", Until: until}} })
		return
	}
	w.updateNode(h.name, func(n *Node) { n.OtherMaintenance = []OtherMaintenance{{Object: "NodeMaintenance m"}} })
	w.after(w.lasting(), func() { w.updateNode(h.name, func(n *Node) { n.OtherMaintenance = nil }) })
}
