package plan

import (
	"fmt"
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// maxAttachedVolumes is how many volumes are recorded that were left.
const maxAttachedVolumes = 10

// volumesAttached waits until no volume is attached to the drained node any more. When its time is over the reboot goes on, and what was
// left is told and recorded. That ends the wait for good: it is not begun again for what is attached later.
func volumesAttached(p *pass, r *rebootView) verdict {
	limit, attempt := seconds(r.policy().spec.Drain.VolumeDetachSeconds), r.next.Attempt
	if limit == 0 || attempt.DetachedTime != nil || attempt.Drain == v1alpha1.DrainSkipped {
		return verdict{}
	}
	until, left := attempt.DrainedTime.Add(limit), slices.Sorted(slices.Values(r.node.Volumes))
	if len(left) > 0 && !p.passed(until) {
		return verdict{reason: v1alpha1.ReasonVolumesAttached, message: fmt.Sprintf(
			"Node %s %s; %d volumes may take until %s to be detached: %s.", r.node.Name, afterDrain(r), len(left), clockTime(until), listed(left))}
	}
	r.editAttempt(func(a *v1alpha1.Attempt) {
		a.DetachedTime, a.AttachedVolumes = p.stamp(), left[:min(len(left), maxAttachedVolumes)]
	})
	if len(left) > 0 {
		r.emit(Event{Warning: true, Reason: v1alpha1.ReasonVolumesAttached, OnNode: true, Message: fmt.Sprintf(
			"The reboot of node %s goes on although %d volumes were not detached by %s: %s.",
			r.node.Name, len(left), clockTime(until), listed(left))})
	}
	return verdict{}
}
