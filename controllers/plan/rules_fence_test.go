package plan

import "github.com/reboot-operator/reboot-operator/api/v1alpha1"

// checkFence: a manager takes a node out of service only while the slots object holds the grant for it, however late it sees everything
// else. What it sets on a Node that is cordoned or marked for the NodeReboot already goes with that.
func (w *world) checkFence(before, after *Node) {
	for what, owner := range map[string][2]string{
		"cordoned": {before.CordonedFor, after.CordonedFor},
		"marked": {
			parseMarks(before.Annotations[v1alpha1.MarksAnnotation]).For, parseMarks(after.Annotations[v1alpha1.MarksAnnotation]).For,
		},
	} {
		if owner[1] != "" && owner[1] != owner[0] && w.slotOf(after.Name).UID != owner[1] {
			w.breaks("node %s is %s for %s, and the slot of the node is %+v", after.Name, what, owner[1], w.slotOf(after.Name))
		}
	}
	taken := after.Unschedulable && !before.Unschedulable ||
		hasTaint(after, v1alpha1.RebootingTaintKey) && !hasTaint(before, v1alpha1.RebootingTaintKey)
	slot := w.slotOf(after.Name).UID
	if taken && (slot == "" || after.CordonedFor != "" && after.CordonedFor != slot) { // the annotation may be refused
		w.breaks("node %s takes no more pods for %q, and the slot of the node is %+v", after.Name, after.CordonedFor, w.slotOf(after.Name))
	}
	if label := v1alpha1.ExcludeLabel; after.Labels[label] != "" && before.Labels[label] == "" && w.slotOf(after.Name).UID == "" {
		w.breaks("node %s is excluded from load balancers without a slot", after.Name)
	}
	if owner := after.CordonedFor; owner != "" && owner != before.CordonedFor {
		granted := w.slotOf(after.Name).Attempt
		for _, r := range w.reboots {
			if string(r.UID) == owner && r.Status.Attempt != nil && r.Status.Attempt.Number >= granted && openAttempt(r) == nil {
				w.breaks("node %s is cordoned for NodeReboot %s, whose attempt has ended", after.Name, r.Name)
			}
		}
	}
	if before.CordonedFor == "" || after.CordonedFor == before.CordonedFor {
		return
	}
	for _, r := range w.reboots {
		if a := openAttempt(r); string(r.UID) == before.CordonedFor && a != nil && a.RolledBackTime == nil && a.UncordonedTime == nil {
			w.breaks("node %s is uncordoned while the attempt of NodeReboot %s is under way", after.Name, r.Name)
		}
	}
}
