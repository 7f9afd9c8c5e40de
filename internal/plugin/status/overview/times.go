package overview

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// Clock writes times for people.
type Clock struct {
	Now  time.Time
	Zone *time.Location
	// Brief leaves out what can be guessed: today's date, and the zone.
	Brief bool
}

// Day writes a time for a column: the time of day if that is today, otherwise with the day of the week or the date.
func (c Clock) Day(t *metav1.Time) string {
	if t == nil {
		return ""
	}
	const soon = 6 * 24 * time.Hour
	local, now := t.In(c.Zone), c.Now.In(c.Zone)
	switch away := local.Sub(now).Abs(); {
	case local.Format(time.DateOnly) == now.Format(time.DateOnly):
		return local.Format("15:04")
	case away < soon && local.After(now):
		return local.Format("Mon 15:04")
	case local.Year() == now.Year():
		return local.Format("Jan 02 15:04")
	}
	return local.Format("2006-01-02 15:04")
}

// Long writes a time with its zone, and how long it is until then.
func (c Clock) Long(t *metav1.Time) string {
	if t == nil {
		return ""
	}
	text := t.In(c.Zone).Format("Mon Jan 02 15:04 MST")
	if c.Brief {
		text = c.Day(t)
	}
	if until := t.Sub(c.Now); until > 0 {
		text += " (in " + duration.HumanDuration(until.Round(time.Second)) + ")"
	}
	return text
}

// For writes how long something has been so. A time that is yet to come, because clocks differ, is now.
func (c Clock) For(t *metav1.Time) string {
	if t == nil {
		return ""
	}
	return duration.HumanDuration(max(c.Now.Sub(t.Time), 0).Truncate(time.Second))
}
