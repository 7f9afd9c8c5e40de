package plan

import (
	"maps"
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// keepGrants keeps the grants that still count. An entry is dropped only when the attempt that it names is recorded as ended, or its
// NodeReboot is gone. Neither is ever undone, so an entry that this manager does not understand, because what it sees is old, still counts.
func (p *planning) keepGrants() {
	for name, slot := range p.snapshot.Slots {
		r := p.byUID[slot.UID]
		if slot.Gone || r != nil && (r.ended(slot.Attempt) || r.LastAttempt() < slot.Attempt && p.begunInVain(name, slot)) {
			continue
		}
		p.slots[name] = slot
		if node := p.node(name); node != nil {
			node.slotHeld = true
		}
	}
}

// grantOf is the grant that a manager made for the next attempt of the NodeReboot before it ended: the slot was granted and the attempt not
// yet recorded. It may be old by now, so the attempt begins only if it could start now.
func (p *planning) grantOf(r *rebootView) (Slot, bool) {
	if r.node == nil || !r.node.slotHeld {
		return Slot{}, false
	}
	slot := p.slots[r.node.Name]
	if slot.UID != string(r.Object.UID) || r.LastAttempt() >= slot.Attempt {
		return Slot{}, false
	}
	return slot, true
}

// grant begins the next attempt in the slot that it was granted before, or else in a new one. A grant of before is renewed: the manager
// that made it may give it back at the same moment.
func (p *planning) grant(r *rebootView) {
	slot, granted := p.grantOf(r)
	r.granted = true
	if granted {
		r.renewed = slot.Renewed + 1
	}
	p.begin(r, max(slot.Attempt, r.LastAttempt()+1))
}

// Key tells the grant from others.
func (s Slot) Key() model.GrantKey {
	return model.GrantKey{UID: s.UID, Attempt: s.Attempt, Renewed: s.Renewed}
}

// giveBackGrants gives back such grants where the attempt could not start, so that they take no place from others. One that waits for a
// fact or an answer is kept.
func (p *planning) giveBackGrants() {
	for _, name := range slices.Sorted(maps.Keys(p.slots)) {
		slot := p.slots[name]
		r := p.byUID[slot.UID]
		switch {
		case r == nil || r.Object.SetAside() || r.LastAttempt() >= slot.Attempt || r.awaitsFact:
		case r.complete():
			p.endUnused(r, slot, r.Status.OutcomeReason)
		case r.waiting() && r.node != nil && r.node.open == nil && !slices.Contains(passingReasons, r.wait.Reason):
			p.endUnused(r, slot, r.wait.Reason)
		}
	}
}

// passingReasons are for what is found out in a moment.
var passingReasons = []string{v1alpha1.ReasonStarting, v1alpha1.ReasonGatePending}

// endUnused records that an attempt for which a slot was granted will not begin. That alone frees no slot: another manager may have begun
// it, or have opened the NodeReboot again.
func (p *planning) endUnused(r *rebootView, slot Slot, reason string) {
	attempt := v1alpha1.Attempt{GrantedTime: *p.Stamp(), EndedTime: p.Stamp(), Result: reason}
	if r.Status.Attempt != nil {
		attempt = *r.Status.Attempt
	}
	attempt.Number = slot.Attempt
	r.Edit().Attempt = &attempt
}

// ended: that attempt ended, or a later one began.
func (r *rebootView) ended(attempt int32) bool {
	last := r.Status.Attempt
	if r.Object.SetAside() {
		return r.done || last != nil && last.EndedTime != nil && last.Number >= attempt
	}
	if last == nil || last.Number < attempt {
		// An attempt that was never recorded ends with its NodeReboot.
		return r.deleted() && !r.open()
	}
	return last.Number > attempt || last.EndedTime != nil
}

// desiredSlots is what the slots object should hold: the grants that still count, and the new ones. It is only written when a grant is
// made, or when it holds something that ended.
func (p *planning) desiredSlots() (map[string]Slot, bool) {
	desired := maps.Clone(p.slots)
	for _, r := range p.reboots {
		if r.granted {
			desired[r.node.Name] = Slot{
				Reboot: r.Object.Name, UID: string(r.Object.UID), Attempt: r.Status.Attempt.Number, Renewed: r.renewed,
			}
		}
	}
	return desired, !maps.Equal(desired, p.snapshot.Slots) && !p.held(model.WriteSlots, v1alpha1.SlotsName)
}
