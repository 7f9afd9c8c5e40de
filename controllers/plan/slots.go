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

// holdsSlot says that the slots object holds the grant of the last attempt.
func (p *planning) holdsSlot(r *rebootView) bool {
	slot, is := p.slots[r.node.Name]
	return is && slot.UID == string(r.Object.UID) && slot.Attempt == r.LastAttempt()
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

// grant begins the next attempt in the slot that it was granted before, otherwise in a new one. An earlier grant is renewed, because the
// manager that made it may give it back at the same moment. A grant that was begun in vain and whose entry is still there is renewed, too:
// the same entry would not be written again, and would still count as begun in vain.
func (p *planning) grant(r *rebootView) {
	slot, granted := p.grantOf(r)
	r.granted = true
	if before := p.snapshot.Slots[r.node.Name]; granted {
		r.renewed = slot.Renewed + 1
	} else if before.UID == string(r.Object.UID) && before.Attempt == r.LastAttempt()+1 {
		r.renewed = before.Renewed + 1
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

// slotLost says that the attempt is recorded, its Node lacks what shows it, and the slots object holds no grant for it now. So the node
// cannot be cordoned for it, and it is rolled back. Once the host is ordered to reboot, or the attempt is rolled back, nothing depends on
// that. While the rollback could not be recorded, the slots object is not read for it.
func (p *planning) slotLost(r *rebootView) bool {
	if !r.open() || r.granted || told(r) || r.Status.Attempt.RolledBackTime != nil || !r.node.lacks(r) || p.holdsSlot(r) {
		return false
	}
	if p.snapshot.SlotsLive {
		return true
	}
	p.needSlots = p.needSlots || !p.held(model.WriteStatus, r.Object.Name)
	return false
}

// shows says that the Node shows the attempt: by the cordon or, where a person had cordoned it before, by the marks.
func (n *nodeView) shows(r *rebootView) bool {
	owner := string(r.Object.UID)
	foreign := r.Status.Attempt != nil && r.Status.Attempt.Cordon == v1alpha1.CordonForeign
	return n.gone || n.CordonedFor == owner || foreign && n.markedFor() == owner
}

// lacks says that the Node does not show the attempt, and would if what is missing were set: the cordon, or the marks. A cordon of others
// is left as it is, and marks that are refused are missing permanently: neither keeps an attempt from going on.
func (n *nodeView) lacks(r *rebootView) bool {
	if n.shows(r) {
		return false
	}
	owner, others := string(r.Object.UID), n.Unschedulable && n.CordonedFor == ""
	cordon := !others && r.Status.Attempt.Cordon != v1alpha1.CordonForeign
	marks := n.markedFor() != owner
	return cordon || marks && !n.refuses(model.WriteLabels) && !n.refuses(model.WriteExclude)
}

// noteUnseen notes of a Node that it shows an attempt which another manager may have begun, and whose drain it may have ordered: the slots
// object holds the grant for it, and it is not recorded as far as this manager sees. So the Node stays as it is.
func (p *planning) noteUnseen(n *nodeView) {
	if n.gone || n.active() != nil {
		return
	}
	n.begunUnseen = p.isUnseen(n, n.CordonedFor) || p.isUnseen(n, n.markedFor())
}

// isUnseen says that the attempt which a Node shows, by the UID of its NodeReboot, may be one that another manager has begun. Where this
// plan ends it, that is written before the Node, and fails if the NodeReboot is not what was read. Anything else is known from the slots
// object as it is now.
func (p *planning) isUnseen(n *nodeView, uid string) bool {
	if uid == "" {
		return false
	}
	slot, last := p.slots[n.Name], int32(0)
	for _, r := range n.reboots {
		if string(r.Object.UID) != uid {
			continue
		}
		if r.endsHere(slot) {
			return false
		}
		last = r.LastAttempt()
	}
	if slot.UID == uid && last < slot.Attempt {
		return true
	}
	if !p.snapshot.SlotsLive {
		p.needSlots = true
	}
	return !p.snapshot.SlotsLive
}

// endsHere says that this plan uncordons the node, or ends its attempt, or records that the grant for it is not used.
func (r *rebootView) endsHere(slot Slot) bool {
	read := &r.Object.Status
	if model.OpenAttempt(read) && read.Attempt.RolledBackTime == nil && read.Attempt.UncordonedTime == nil {
		return true
	}
	return slot.UID == string(r.Object.UID) && slot.Attempt == r.LastAttempt() && (read.Attempt == nil || read.Attempt.Number < slot.Attempt)
}

// fence makes what is set on a Node for an attempt that was recorded before depend on the slot. An attempt is recorded after its node was
// cordoned and marked. So a Node that does not show it lost that, or is seen late; or it is the NodeReboot that is seen late: another
// manager has ended the attempt, put the Node back as it was, and may free the slot. To cordon or mark the Node again, the grant is
// renewed: that write fails if the slot is freed in the meantime. A Node that shows the attempt needs no such fence, since its patches fail
// if it changes. The attempt may have ended and still be in the slots object, or another manager may have begun and ended the very attempt
// that is granted here, so the NodeReboot must not have changed either. Missing marks next to a cordon renew the grant, too, if there is
// one: the attempt may have ended, and the cordon still be there.
func (p *planning) fence(work *NodeWork, n *nodeView) {
	r := n.active()
	switch {
	case r == nil || work.Patch == nil:
		return
	case r.granted:
		work.Takes = r.Object
		return
	case !n.isTakenBy(work.Patch, r):
		return
	}
	if p.holdsSlot(r) && !p.held(model.WriteSlots, v1alpha1.SlotsName) {
		r.granted, r.renewed = true, p.slots[n.Name].Renewed+1
		work.Granted, work.Takes = true, r.Object
		return
	}
	if n.shows(r) {
		return
	}
	work.Patch = work.Patch.Need()
	if n.lacks(r) {
		work.Reboots = slices.DeleteFunc(work.Reboots, func(change RebootChange) bool { return change.Orders() }) // none without the cordon
	}
}

// isTakenBy says that a patch cordons or marks the Node for a NodeReboot that it does not show yet.
func (n *nodeView) isTakenBy(patch *NodePatch, r *rebootView) bool {
	owner := string(r.Object.UID)
	return patch.Cordons() && n.CordonedFor != owner ||
		patch.Annotations[v1alpha1.MarksAnnotation] != nil && n.markedFor() != owner
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

// slotsKey tells the write of the slots object from others that wait.
const slotsKey = "slots"

// desiredSlots is what the slots object should hold: the grants that still count, and the new ones. It is only written when a grant is
// made, or when it holds something that ended. An attempt that has ended no longer counts, so its entry is removed with the next grant, if
// that comes soon.
func (p *planning) desiredSlots() (map[string]Slot, bool) {
	desired := maps.Clone(p.slots)
	for _, r := range p.reboots {
		if r.granted {
			desired[r.node.Name] = Slot{
				Reboot: r.Object.Name, UID: string(r.Object.UID), Attempt: r.Status.Attempt.Number, Renewed: r.renewed,
			}
		}
	}
	if maps.Equal(desired, p.snapshot.Slots) || p.held(model.WriteSlots, v1alpha1.SlotsName) {
		return desired, false
	}
	for name, slot := range desired {
		if before, is := p.snapshot.Slots[name]; !is || before != slot {
			return desired, true
		}
	}
	return desired, !p.defers(slotsKey, freeDelay)
}
