package helper

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// maxNamed is how many pods each list in status.report.drain, and a message, names.
const maxNamed = 10

// pace is how often the progress of a drain is reported.
type pace struct {
	// first is how long after its beginning a drain is first reported on, and every how often after that at most.
	first, every time.Duration
	// urgent is how soon a report may follow another one if something newly is in the way.
	urgent time.Duration
}

// reportPace lets a drain of a few seconds be reported on at its end only: each report is a write, and is handed to every watch.
var reportPace = pace{first: 15 * time.Second, every: 15 * time.Second, urgent: time.Second}

// publication is what was published last, and when.
type publication struct {
	progress *v1alpha1.DrainProgress
	message  string
	time     time.Time
}

// sorted returns the pods by namespace and name.
func sorted(groups ...map[types.UID]*leavingPod) []*leavingPod {
	var pods []*leavingPod
	for _, group := range groups {
		for _, pod := range group {
			pods = append(pods, pod)
		}
	}
	slices.SortFunc(pods, func(x, y *leavingPod) int {
		if c := strings.Compare(x.Namespace, y.Namespace); c != 0 {
			return c
		}
		return strings.Compare(x.Name, y.Name)
	})
	return pods
}

// progress is the progress of the drain. It is complete at any time, because the end of the drain may not wait for a last report.
func (d *drain) progress(now time.Time) v1alpha1.DrainProgress {
	progress := v1alpha1.DrainProgress{
		Total: d.gone + int32(len(d.seen)), Remaining: int32(len(d.leaving)), Returned: d.returned(), Activity: v1alpha1.DrainProgressing,
	}
	if d.stuckAt(now) {
		progress.Activity = v1alpha1.DrainStuck
	}
	if d.complete && len(d.leaving) == 0 {
		progress.BudgetWaitMilliseconds = d.wait.total().Milliseconds()
	}
	for _, pod := range sorted(d.leaving) {
		if pod.refused != nil && len(progress.Refused) < maxNamed {
			progress.Refused = append(progress.Refused, *pod.refused)
		}
		if holder := d.holder(pod, now); holder != "" && len(progress.Terminating) < maxNamed {
			progress.Terminating = append(progress.Terminating, v1alpha1.TerminatingPod{
				Namespace: pod.Namespace, Name: pod.Name, HeldBy: holder,
			})
		}
	}
	return progress
}

// changed reports whether there is something to publish.
func (d *drain) changed(progress *v1alpha1.DrainProgress) bool {
	if d.last.progress == nil {
		return d.complete || d.message != ""
	}
	return d.message != d.last.message || !equality.Semantic.DeepEqual(d.last.progress, progress)
}

// publishChanges publishes what has changed, unless something was published just before. It returns when to try again; zero if there is
// no need.
func (d *drain) publishChanges(now time.Time) time.Time {
	progress := d.progress(now)
	if !d.changed(&progress) {
		return time.Time{}
	}
	if next := d.nextReport(&progress); now.Before(next) {
		return next
	}
	d.last = publication{progress: &progress, message: d.message, time: now}
	d.publish(progress, d.message)
	return time.Time{}
}

// nextReport is when changed progress may be published. New obstacles are reported at once; the number and names of the pods that are left
// may wait. The end of the drain at its deadline finds its final state.
func (d *drain) nextReport(progress *v1alpha1.DrainProgress) time.Time {
	last := d.last.progress
	if last == nil {
		last = &v1alpha1.DrainProgress{Activity: v1alpha1.DrainProgressing}
	}
	switch {
	case last.Activity != progress.Activity, d.last.message != d.message, newlyRefused(last, progress):
		return d.last.time.Add(d.pace.urgent)
	case d.last.progress == nil:
		return d.soonest(d.began.Add(d.pace.first))
	}
	return d.soonest(d.last.time.Add(d.pace.every))
}

func newlyRefused(before, after *v1alpha1.DrainProgress) bool {
	return slices.ContainsFunc(after.Refused, func(pod v1alpha1.RefusedPod) bool {
		return !slices.ContainsFunc(before.Refused, func(known v1alpha1.RefusedPod) bool {
			return known.Namespace == pod.Namespace && known.Name == pod.Name && known.By == pod.By
		})
	})
}

// soonest is a time, or the last moment at which a report is of use, if that is sooner.
func (d *drain) soonest(t time.Time) time.Time {
	if last := d.deadline.Add(-lastCall); last.Before(t) && last.After(d.last.time) {
		return last
	}
	return t
}

// overdue says which pods are left, and why.
func (d *drain) overdue(now time.Time) error {
	var parts []string
	if d.message != "" {
		parts = append(parts, d.message)
	}
	for i, pod := range sorted(d.leaving) {
		if i == maxNamed {
			parts = append(parts, fmt.Sprintf("and %d more", len(d.leaving)-maxNamed))
			break
		}
		parts = append(parts, pod.describe(now))
	}
	pods := "pods"
	if len(d.leaving) == 1 {
		pods = "pod"
	}
	left := fmt.Sprintf("%s, %d %s left: %s", d.deadline.UTC().Format(time.RFC3339), len(d.leaving), pods, strings.Join(parts, ", "))
	if !d.complete {
		return fmt.Errorf("%v %s", errOverdue, left) //nolint:errorlint // pods that were never seen did not run out of time
	}
	return fmt.Errorf("%w %s", errOverdue, left)
}

// describe names the pod and says why it is still there.
func (p *leavingPod) describe(now time.Time) string {
	name := p.Namespace + "/" + p.Name
	switch {
	case p.refused != nil && p.refused.By == byServer:
		return fmt.Sprintf("%s (%s)", name, p.refused.Message)
	case p.refused != nil:
		return fmt.Sprintf("%s (%s)", name, p.refused.By)
	case p.DeletionTimestamp != nil || p.accepted || p.asked:
		return fmt.Sprintf("%s (%s)", name, heldBy(p.Pod, now))
	case p.returns:
		return fmt.Sprintf("%s (%s puts it back)", name, p.owner.key)
	default:
		return name
	}
}
