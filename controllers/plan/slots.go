package plan

import (
	"maps"
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// resumeGrants keeps the grants that still count, and uses those that a manager made before it ended: the slot was granted and the attempt
// not yet recorded. An entry is dropped only when the attempt that it names has ended, or its NodeReboot is gone; so an entry that this
// manager does not understand, because what it sees is old, still counts.
func (p *pass) resumeGrants() {
	byUID := map[string]*rebootView{}
	for _, r := range p.reboots {
		byUID[string(r.obj.UID)] = r
	}
	for _, name := range slices.Sorted(maps.Keys(p.snapshot.Slots)) {
		slot := p.snapshot.Slots[name]
		r := byUID[slot.UID]
		if slot.Gone || r != nil && (r.complete() || r.ended(slot.Attempt)) {
			continue
		}
		p.slots[name] = slot
		if node := p.nodes[name]; node != nil {
			node.held = true
		}
		if r != nil && r.waiting() && r.node != nil && !r.nodeGone() && r.lastAttempt() < slot.Attempt && r.node.open == nil {
			p.resume(r, slot)
		}
	}
}

// ended: that attempt ended, or a later one began.
func (r *rebootView) ended(attempt int32) bool {
	last := r.next.Attempt
	if last == nil || last.Number < attempt {
		// An attempt that was never recorded ends with its NodeReboot.
		return r.deleted() && !r.open()
	}
	return last.Number > attempt || last.EndedTime != nil
}

func (p *pass) resume(r *rebootView, slot Slot) {
	if _, known := p.snapshot.Pods[r.node.Name]; !known {
		p.asks = append(p.asks, r.node.Name)
		r.wait = verdict{reason: v1alpha1.ReasonStarting, message: "A slot was granted; the pods of the node are being read."}
		return
	}
	p.begin(r, slot.Attempt)
}

// desiredSlots is what the slots object should hold: the grants that still count, and the new ones. It is only written when a grant is
// made, or when it holds something that ended.
func (p *pass) desiredSlots() (map[string]Slot, bool) {
	desired := maps.Clone(p.slots)
	for _, r := range p.reboots {
		if r.granted {
			desired[r.node.Name] = Slot{Reboot: r.obj.Name, UID: string(r.obj.UID), Attempt: r.next.Attempt.Number}
		}
	}
	return desired, !maps.Equal(desired, p.snapshot.Slots)
}
