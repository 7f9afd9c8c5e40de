package history

import (
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// counting is a Summary in the making.
type counting struct {
	Summary
	took []time.Duration
}

// summaries sum up what is in the rows, by policy.
func (b *builder) summaries(rows []drawnRow) []Summary {
	counted := map[string]*counting{}
	for i := range rows {
		for _, r := range rows[i].reboots {
			name := PolicyOf(r)
			if counted[name] == nil {
				counted[name] = &counting{Summary: Summary{Policy: name}}
			}
			counted[name].add(r)
		}
	}
	var all []Summary
	for _, c := range counted {
		slices.Sort(c.took)
		if n := len(c.took); n > 0 {
			c.MedianSeconds = ((c.took[(n-1)/2] + c.took[n/2]) / 2).Seconds()
		}
		all = append(all, c.Summary)
	}
	slices.SortFunc(all, func(x, y Summary) int { return Natural(x.Policy, y.Policy) })
	return all
}

func (c *counting) add(r *v1alpha1.NodeReboot) {
	s := &r.Status
	c.Reboots++
	switch {
	case r.SetAside():
		c.Unreadable++
		return
	case s.Outcome == v1alpha1.OutcomeSucceeded:
		c.Proved++
	case s.Outcome == v1alpha1.OutcomeCancelled:
		c.Cancelled++
	case s.Outcome == v1alpha1.OutcomeFailed, s.Phase == v1alpha1.PhaseFailed:
		c.Failed++
	case s.Attempt != nil && !s.Attempt.GrantedTime.IsZero() && s.Attempt.EndedTime == nil:
		c.UnderWay++
	default:
		c.Waiting++
	}
	if s.TaintLeadSeconds != nil {
		c.Tainted++
		c.TaintLeadSeconds += max(0, *s.TaintLeadSeconds)
	}
	c.times(r)
}

// times takes over when the attempt was made, and how long it took if the reboot was proved by it.
func (c *counting) times(r *v1alpha1.NodeReboot) {
	a := r.Status.Attempt
	if a == nil || a.GrantedTime.IsZero() {
		return
	}
	granted, ended := a.GrantedTime.Time, moment(a.EndedTime)
	if c.FirstStart == nil || granted.Before(*c.FirstStart) {
		c.FirstStart = &granted
	}
	if ended.IsZero() {
		return
	}
	if c.LastEnd == nil || ended.After(*c.LastEnd) {
		c.LastEnd = &ended
	}
	if took := ended.Sub(granted); r.Status.OutcomeReason == v1alpha1.ReasonProved && took >= 0 {
		c.took = append(c.took, took)
		if seconds := took.Seconds(); c.Longest == "" || seconds > c.LongestSeconds {
			c.Longest, c.LongestSeconds = r.Spec.NodeName, seconds
		}
	}
}
