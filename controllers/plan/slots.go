package plan

import (
	"maps"
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// keepGrants keeps the grants that still count. An entry is dropped only when the attempt that it names is recorded as ended, or its
// NodeReboot is gone. Neither is ever undone, so an entry that this manager does not understand, because what it sees is old, still counts.
func (p *pass) keepGrants() {
	for name, slot := range p.snapshot.Slots {
		r := p.byUID[slot.UID]
		if slot.Gone || r != nil && r.ended(slot.Attempt) {
			continue
		}
		p.slots[name] = slot
		if node := p.nodes[name]; node != nil {
			node.held = true
		}
	}
}

// resumeGrants uses the grants that a manager made before it ended: the slot was granted and the attempt not yet recorded.
func (p *pass) resumeGrants() {
	for _, name := range slices.Sorted(maps.Keys(p.slots)) {
		slot := p.slots[name]
		r := p.byUID[slot.UID]
		switch {
		case r == nil || r.lastAttempt() >= slot.Attempt:
		case r.complete():
			p.endUnused(r, slot)
		case r.waiting() && !r.unsettled && r.node != nil && !r.nodeGone() && r.node.open == nil:
			p.resume(r, slot)
		}
	}
}

// endUnused records that an attempt for which a slot was granted will never begin, for its NodeReboot is complete. That alone frees no
// slot: another manager may have opened the NodeReboot again.
func (p *pass) endUnused(r *rebootView, slot Slot) {
	attempt := v1alpha1.Attempt{GrantedTime: *p.stamp(), EndedTime: p.stamp(), Result: r.next.OutcomeReason}
	if r.next.Attempt != nil {
		attempt = *r.next.Attempt
	}
	attempt.Number = slot.Attempt
	r.edit().Attempt = &attempt
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
	_, known := p.snapshot.Pods[r.node.Name]
	switch {
	case r.node.BootID == "":
		r.unsettle(v1alpha1.ReasonNodeNotReady, "A slot was granted; node %s reports no boot ID, so a reboot of it could not be proved.")
	case !known:
		p.asks = append(p.asks, r.node.Name)
		r.unsettle(v1alpha1.ReasonStarting, "A slot was granted; the pods of node %s are being read.")
	default:
		p.begin(r, slot.Attempt)
	}
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
