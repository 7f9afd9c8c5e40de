package helper

import "time"

// budgetWait measures how much earlier a drain would have ended if no PodDisruptionBudget had delayed an eviction. A pod would have been
// gone earlier by the time for which its budget refused it, or the order held it. A stage would have ended with the last of its pods, so
// the wait for one pod costs nothing while another one takes longer to end.
type budgetWait struct {
	stage int
	// ended is when the last pod of the stage was gone, and undelayed when the last one would have been.
	ended, undelayed time.Time
	// before is the wait in the stages before this one.
	before time.Duration
}

// gone notes that a pod is gone.
func (w *budgetWait) gone(pod *leavingPod, now time.Time) {
	pod.letGo(now)
	w.ended = now
	if undelayed := now.Add(-pod.held); undelayed.After(w.undelayed) {
		w.undelayed = undelayed
	}
}

// at notes the stage that has pods left. Of one that is interrupted by an earlier stage, what is over does not count.
func (w *budgetWait) at(stage int) {
	if stage == w.stage {
		return
	}
	if stage > w.stage {
		w.before = w.total()
	}
	w.stage, w.ended, w.undelayed = stage, time.Time{}, time.Time{}
}

func (w *budgetWait) total() time.Duration { return w.before + w.ended.Sub(w.undelayed) }

// hold notes that a budget keeps the pod from going.
func (p *leavingPod) hold(now time.Time) {
	if p.heldSince.IsZero() {
		p.heldSince = now
	}
}

// letGo notes that no budget keeps the pod from going anymore.
func (p *leavingPod) letGo(now time.Time) {
	if !p.heldSince.IsZero() {
		p.held += now.Sub(p.heldSince)
		p.heldSince = time.Time{}
	}
}

// noteHeld notes which pods of the present stage the order holds.
func (d *drain) noteHeld(now time.Time) {
	if len(d.order.Hold) == 0 {
		return
	}
	for _, pod := range d.leaving {
		asksLater := !pod.inFlight && !pod.accepted && !pod.asked && pod.DeletionTimestamp == nil
		if asksLater && d.order.Holds(pod.Namespace, pod.Name) && d.filter.stage(pod.Pod) == d.stage {
			pod.hold(now)
		}
	}
}
