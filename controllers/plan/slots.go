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

// grantOf is the grant that a manager made for the next attempt of the NodeReboot before it ended: the slot was granted and the attempt not
// yet recorded. It may be old by now, so the attempt begins only if it could start now.
func (p *pass) grantOf(r *rebootView) (Slot, bool) {
	if r.node == nil || !r.node.held {
		return Slot{}, false
	}
	slot := p.slots[r.node.Name]
	if slot.UID != string(r.obj.UID) || r.lastAttempt() >= slot.Attempt {
		return Slot{}, false
	}
	return slot, true
}

// grant begins the next attempt in the slot that it was granted before, or else in a new one.
func (p *pass) grant(r *rebootView) {
	slot, granted := p.grantOf(r)
	r.granted = !granted
	p.begin(r, max(slot.Attempt, r.lastAttempt()+1))
}

// giveBackGrants gives back such grants where the attempt could not start, so that they take no place from others. One that waits for a
// fact or an answer is kept.
func (p *pass) giveBackGrants() {
	for _, name := range slices.Sorted(maps.Keys(p.slots)) {
		slot := p.slots[name]
		r := p.byUID[slot.UID]
		switch {
		case r == nil || r.lastAttempt() >= slot.Attempt || r.unsettled:
		case r.complete():
			p.endUnused(r, slot, r.next.OutcomeReason)
		case r.waiting() && r.node != nil && r.node.open == nil && !slices.Contains(passingReasons, r.wait.reason):
			p.endUnused(r, slot, r.wait.reason)
		}
	}
}

// passingReasons are for what is found out in a moment.
var passingReasons = []string{v1alpha1.ReasonStarting, v1alpha1.ReasonGatePending}

// endUnused records that an attempt for which a slot was granted will not begin. That alone frees no slot: another manager may have begun
// it, or have opened the NodeReboot again.
func (p *pass) endUnused(r *rebootView, slot Slot, reason string) {
	attempt := v1alpha1.Attempt{GrantedTime: *p.stamp(), EndedTime: p.stamp(), Result: reason}
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
