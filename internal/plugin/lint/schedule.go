package lint

import (
	"fmt"
	"time"

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/window"
)

// durations of one attempt until its host is ordered to reboot, as the policy says.
type durations struct{ least, most time.Duration }

func (d durations) String() string {
	return fmt.Sprintf("at least %s, and at most %s if everything takes as long as it may", d.least, d.most)
}

// beforeReboot adds up what a node waits for, and what it may take.
func beforeReboot(spec *v1alpha1.RebootPolicySpec) durations {
	var d durations
	wait := func(seconds *int32) {
		d.least += time.Duration(ptr.Deref(seconds, 0)) * time.Second
		d.most += time.Duration(ptr.Deref(seconds, 0)) * time.Second
	}
	may := func(seconds *int32) { d.most += time.Duration(ptr.Deref(seconds, 0)) * time.Second }
	drain := &spec.Drain
	wait(drain.DelaySeconds)
	wait(spec.Reboot.DelaySeconds)
	if drain.ExcludeFromLoadBalancers != nil {
		wait(drain.ExcludeFromLoadBalancers.LeadSeconds)
	}
	may(drain.WaitForPods.TimeoutSeconds)
	if drain.Mode != v1alpha1.DrainModeSkip {
		may(drain.TimeoutSeconds)
		may(drain.VolumeDetachSeconds)
	}
	if spec.Hooks != nil {
		for i := range spec.Hooks.BeforeDrain {
			may(spec.Hooks.BeforeDrain[i].TimeoutSeconds)
		}
		for i := range spec.Hooks.BeforeReboot {
			may(spec.Hooks.BeforeReboot[i].TimeoutSeconds)
		}
	}
	return d
}

// longWait is how far away the next opening may be before someone should look at it again.
const longWait = 366 * 24 * time.Hour

// checkSchedule finds windows in which no node gets to its reboot, and schedules that do not open anymore.
func (c *checker) checkSchedule(p *policyFile) {
	schedule := &p.object.Spec.Schedule
	for i := range schedule.Windows {
		c.checkWindow(p, i)
	}
	whole, problems := window.New(schedule)
	if len(problems) > 0 {
		return // what is wrong was found already
	}
	state := whole.At(c.now)
	switch frozen := len(schedule.Freezes) > 0; {
	case state.Open:
	case state.Opens.IsZero() && frozen:
		c.found(p.document, Error, "spec.schedule.freezes", "freezes cover every window that is still to open, so nothing is ever rebooted: "+
			"shorten them, or write other windows")
	case state.Opens.IsZero():
		c.found(p.document, Error, "spec.schedule.windows", "no window opens anymore: write one that opens")
	case state.Opens.Sub(c.now) > longWait:
		c.found(p.document, Warning, "spec.schedule", "nothing starts before "+state.Opens.Format(time.RFC3339)+
			": write a window or an end of a freeze that comes sooner")
	}
	for i := range schedule.Freezes {
		if freeze := &schedule.Freezes[i]; freeze.To.Time.Before(c.now) {
			c.found(p.document, Warning, fmt.Sprintf("spec.schedule.freezes[%d].to", i),
				fmt.Sprintf("the freeze %q ended at %s: remove it", freeze.Name, freeze.To.Format(time.RFC3339)))
		}
	}
}

func (c *checker) checkWindow(p *policyFile, i int) {
	schedule := &p.object.Spec.Schedule
	w := &schedule.Windows[i]
	path := fmt.Sprintf("spec.schedule.windows[%d]", i)
	alone, problems := window.New(&v1alpha1.ScheduleSpec{TimeZone: schedule.TimeZone, Windows: schedule.Windows[i : i+1]})
	if len(problems) > 0 {
		return
	}
	if state := alone.At(c.now); !state.Open && state.Opens.IsZero() {
		c.found(p.document, Error, path, "the window never opens: write a time that occurs")
		return
	}
	length := window.Length(w)
	takes, least := beforeReboot(&p.object.Spec), time.Duration(ptr.Deref(schedule.MinRemainingSeconds, 0))*time.Second
	if w.Daily != nil {
		path += ".daily"
	} else {
		path += ".durationSeconds"
	}
	switch {
	case length <= least:
		c.found(p.document, Error, path, fmt.Sprintf("%s is no more than schedule.minRemainingSeconds (%s), so no node ever starts: "+
			"write more than %d, or lower minRemainingSeconds", length, least, int(least.Seconds())))
	case schedule.AtClose == v1alpha1.TimeoutContinue:
	case takes.least >= length:
		c.found(p.document, Error, path, fmt.Sprintf("%s is shorter than a node takes until its reboot (%s), and atClose: Abort rolls it back: "+
			"write more than %d, or atClose: Continue", length, takes, int(takes.least.Seconds())))
	case takes.most > length:
		c.found(p.document, Warning, path, fmt.Sprintf("%s may be shorter than a node takes until its reboot (%s), and atClose: Abort rolls "+
			"back what is late: write %d, lower the timeouts, or write atClose: Continue", length, takes, int(takes.most.Seconds())))
	}
}
