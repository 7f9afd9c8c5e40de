package kured

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // kured's image has the time zone database, and a person's computer may not

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// week has the days in the order of time.Weekday, with the names that kured knows besides their numbers.
var week = []struct {
	day   v1alpha1.Weekday
	names []string
}{
	{v1alpha1.Sunday, []string{"su", "sun", "sunday"}}, {v1alpha1.Monday, []string{"mo", "mon", "monday"}},
	{v1alpha1.Tuesday, []string{"tu", "tue", "tuesday"}}, {v1alpha1.Wednesday, []string{"we", "wed", "wednesday"}},
	{v1alpha1.Thursday, []string{"th", "thu", "thursday"}}, {v1alpha1.Friday, []string{"fr", "fri", "friday"}},
	{v1alpha1.Saturday, []string{"sa", "sat", "saturday"}},
}

// days of a list, from Monday on. The first problem is one of kured's.
func (r *report) days(values []value) (days []v1alpha1.Weekday, ok bool) {
	on := map[int]bool{}
	ok = true
	for _, v := range values {
		if v.text == "" {
			continue
		}
		i, err := strconv.Atoi(v.text)
		if err != nil {
			i = slices.IndexFunc(week, func(d struct {
				day   v1alpha1.Weekday
				names []string
			}) bool {
				return slices.Contains(d.names, strings.ToLower(v.text))
			})
		}
		if i < 0 || i > 6 {
			r.wrong(v.source, "%q is not a day of the week, so kured does not start: write one such as mon, or a number from 0 (Sunday) to "+
				"6", v.text)
			ok = false
			continue
		}
		on[i] = true
	}
	for i := range week {
		if monday := (i + 1) % 7; on[monday] {
			days = append(days, week[monday].day)
		}
	}
	return days, ok
}

// timeFormats are those of kured, in its order.
var timeFormats = []string{"15:04", "15:04:05", "03:04pm", "15", "03pm", "3pm"}

// timeOfDay in the notation of a daily window.
func timeOfDay(text string) (string, bool) {
	for _, format := range timeFormats {
		t, err := time.Parse(format, text)
		if err != nil {
			continue
		}
		if t.Second() != 0 {
			return t.Format("15:04:05"), true
		}
		return t.Format("15:04"), true
	}
	return "", false
}

// time of day of a flag.
func (r *report) time(s settings, flag, otherwise string) (text string, ok bool) {
	v, set := s.last(flag)
	if !set {
		return otherwise, true
	}
	text, ok = timeOfDay(v.text)
	if !ok {
		r.wrong(v.source, "%q is not a time of day that kured knows, so it does not start: write one such as 22:00", v.text)
	}
	return text, ok
}

const (
	dayBegins = "00:00"
	dayEnds   = "23:59:59"
)

// schedule of kured: it starts a node at any moment of a window, and then continues although the window closes.
func (r *report) schedule(s settings) v1alpha1.ScheduleSpec {
	days, okDays := []v1alpha1.Weekday{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}, true
	if written, set := s[flagDays]; set {
		if days, okDays = r.days(written); okDays && len(days) == 0 {
			r.wrong(written[0].source, "there is no day, so kured never reboots: write the days")
		}
	}
	from, okFrom := r.time(s, flagStart, dayBegins)
	through, okThrough := r.time(s, flagEnd, dayEnds)
	zone, okZone := r.zone(s)
	schedule := v1alpha1.ScheduleSpec{TimeZone: zone}
	if !okDays || !okFrom || !okThrough || !okZone || len(days) == 0 {
		return schedule
	}
	if len(days) == len(week) && from == dayBegins && through == dayEnds {
		return schedule
	}
	schedule.Windows = []v1alpha1.ScheduleWindow{{Daily: &v1alpha1.DailyWindow{Days: days, From: from, Through: through}}}
	schedule.MinRemainingSeconds, schedule.AtClose = ptr.To[int32](0), v1alpha1.TimeoutContinue
	r.windowNotes(s, from, through, days)
	return schedule
}

// windowNotes are about what people often do not expect of their window.
func (r *report) windowNotes(s settings, from, through string, days []v1alpha1.Weekday) {
	end, set := s.last(flagEnd)
	if !set {
		end, _ = s.last(flagStart)
	}
	switch {
	case from == through:
		r.decide(end.source, "kured's window is open for one second a day, at %s, and so is this one: write another end if you mean more", from)
	case longer(from) > longer(through) && len(days) < len(week):
		r.note(end.source, "as in kured, the hours after midnight belong to the day of the calendar: with %s the window is open on %s from "+
			"%s until midnight, and on %s before %s, the morning of the same day. Use schedule.windows[].weekly for nights that begin on these "+
			"days", strings.Join(names(days), ", "), days[0], from, days[0], through)
	case through == "23:59":
		r.note(end.source, "as in kured, the window closes one minute before midnight; 23:59:59 is the end of the day")
	}
}

// longer is a time of day with seconds, to compare.
func longer(text string) string {
	if len(text) == len("15:04") {
		return text + ":00"
	}
	return text
}

func names[T ~string](all []T) []string {
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = string(one)
	}
	return out
}

func (r *report) zone(s settings) (string, bool) {
	v, set := s.last(flagZone)
	switch {
	case !set || v.text == "":
		return "UTC", true
	case v.text == "Local":
		r.wrong(v.source, "Local is the time zone of kured's container, which is not written anywhere: write a name such as Europe/Berlin, "+
			"or UTC")
		return "", false
	}
	if _, err := time.LoadLocation(v.text); err != nil {
		r.wrong(v.source, "%q is not a time zone, so kured does not start: write a name of the IANA time zone database, such as "+
			"Europe/Berlin", v.text)
		return "", false
	}
	return v.text, true
}

// seconds of a duration within bounds. It is up to a day.
func (r *report) seconds(s settings, flag, field string, least int64) *int32 {
	const most = 86400
	d, v, set := s.seconds(flag)
	if !set || d == 0 {
		return nil
	}
	seconds := int64(d / time.Second)
	switch {
	case d < 0:
		return nil // kured takes a negative one for none
	case d%time.Second != 0:
		seconds++
	}
	if seconds < least || seconds > most {
		r.wrong(v.source, "%s is %d seconds, and %s takes %s: write a value in these bounds and run this "+
			"again", v.text, seconds, field, bounds(least, most))
		return nil
	}
	return ptr.To(int32(seconds)) //nolint:gosec // within the bounds of the field
}

func bounds(least, most int64) string { return fmt.Sprintf("%d to %d", least, most) }
