package helper

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Two helpers may be alive on one node: a rollout starts the new pod before the old one has ended, a pod that was deleted by force lives
// on, or two machines have the name of one node. Each run of a helper has a term, which it writes into every report. A run that sees a
// report of a higher term is superseded: it writes nothing anymore, stops its drains, and is not ready, until the pod of the other run is
// gone. Terms begin with the time, so that the later of two runs that never saw each other's reports continues. They are higher than all
// terms that were seen, so that a clock that goes back does no harm. Safety depends on neither: whatever the terms are, each order to
// reboot is recorded by one write on the version of the object in which it was seen, and a drain by two runs does no harm.

// maxTerm is the highest term that the API takes.
const maxTerm = 1<<53 - 1

// newInstance is this run of the helper, which has no term before it has seen the node's reports.
func newInstance(podName string) v1alpha1.HelperInstance {
	//nolint:forbidigo // A random ID is all that tells two runs of one container apart.
	return v1alpha1.HelperInstance{ID: rand.Text(), PodName: podName}
}

// nextTerm is the term of a run that begins now and has seen these NodeReboots.
func nextTerm(now time.Time, reboots []*v1alpha1.NodeReboot) int64 {
	term := max(1, now.UnixMilli())
	for _, reboot := range reboots {
		if report := reboot.Status.Report; report != nil {
			term = max(term, report.Instance.Term+1)
		}
	}
	return min(term, maxTerm)
}

// outranks reports whether one run continues and the other does not. If two runs have the same term, the one with the greater ID continues:
// any rule works as long as both agree.
func outranks(one, other v1alpha1.HelperInstance) bool {
	if one.Term != other.Term {
		return one.Term > other.Term
	}
	return one.ID > other.ID
}

// successor is the run that takes the place of this one; nil while there is none.
func (f facts) successor() *v1alpha1.HelperInstance {
	var found *v1alpha1.HelperInstance
	for _, reboot := range f.reboots {
		report := reboot.Status.Report
		if report == nil || report.Instance.ID == f.self.ID || !outranks(report.Instance, f.self) {
			continue
		}
		if found == nil || outranks(report.Instance, *found) {
			found = &report.Instance
		}
	}
	return found
}

// supersede stops everything.
func (a *agent) supersede(by *v1alpha1.HelperInstance) {
	for uid, r := range a.jobs {
		r.cancel()
		delete(a.jobs, uid)
	}
	if a.superseded.Load() != nil {
		return
	}
	why := fmt.Sprintf("another helper of node %s, in pod %s, has taken over (term %d, this one has %d): this one reports nothing and "+
		"carries out no order, until that pod is gone", a.NodeName, by.PodName, by.Term, a.self.Term)
	a.superseded.Store(&why)
	a.successor, a.lookedAt = *by, a.Clock.Now()
	a.Log.Error(nil, "Superseded: "+why, "pod", by.PodName, "id", by.ID)
}

// succeed lets a superseded run continue if the pod of the run that replaced it is gone from the node, because no one else would. It asks
// at the pace at which the sentinel is read. It cannot decide this for a run in its own pod.
func (a *agent) succeed(ctx context.Context) error {
	now := a.Clock.Now()
	if a.successor.PodName == "" || a.successor.PodName == a.self.PodName || now.Before(a.lookedAt.Add(a.PollInterval)) {
		return nil
	}
	a.lookedAt = now
	exists, err := a.neighbors.PodExists(ctx, a.successor.PodName)
	if err != nil {
		return fmt.Errorf("look for the pod of the helper that took over: %w", err)
	}
	if exists {
		return nil
	}
	a.Log.Info("The helper that took over is gone, continuing", "pod", a.successor.PodName, "id", a.successor.ID)
	a.self, a.successor = newInstance(a.self.PodName), v1alpha1.HelperInstance{}
	a.superseded.Store(nil)
	return nil
}
