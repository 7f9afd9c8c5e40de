package attempt

import (
	"fmt"
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// maxAttachedVolumes is how many volumes are recorded that were left.
const maxAttachedVolumes = 10

// volumesAttached waits until no volume is attached to the drained node anymore. When its time is over the reboot continues, and what was
// left is reported and recorded. That ends the wait permanently: it is not begun again for what is attached later.
func (a *attempt) volumesAttached() model.Verdict {
	limit, attempt := model.Seconds(a.Policy.Spec.Drain.VolumeDetachSeconds), a.Status.Attempt
	if limit == 0 || attempt.DetachedTime != nil || attempt.Drain == v1alpha1.DrainSkipped {
		return model.Verdict{}
	}
	until, left := attempt.DrainedTime.Add(limit), slices.Sorted(slices.Values(a.Node.Volumes))
	if len(left) > 0 && !a.Reached(until) {
		return model.Blocked(v1alpha1.ReasonVolumesAttached,
			"Node %s %s; %s may take until %s to be detached: %s.",
			a.Node.Name, a.afterDrain(), model.Count(len(left), "volume"), a.times().Until(until), listed(left)).Ending(until)
	}
	a.EditAttempt(func(at *v1alpha1.Attempt) {
		at.DetachedTime, at.AttachedVolumes = a.Stamp(), left[:min(len(left), maxAttachedVolumes)]
	})
	if len(left) > 0 {
		a.Emit(model.Event{Warning: true, Reason: v1alpha1.ReasonVolumesAttached, OnNode: true, Message: fmt.Sprintf(
			"Node %s reboots although %s not detached by %s: %s.",
			a.Node.Name, model.Counted(len(left), "volume was", "volumes were"), a.times().At(until), listed(left))})
	}
	return model.Verdict{}
}
