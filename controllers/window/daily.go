package window

import (
	"fmt"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// daily is open while the clocks show one of its days and one of its times. It is exactly kured's window. That shows on a day with 25
// hours, where the window spans midnight: hours of the morning are then within 24 hours after from, and those of the evening within 24
// hours after through, so that up to one hour at the beginning or at the end of the day is missing.
type daily struct {
	on [7]bool
	// from and end are times of day; end is the first moment after the last second.
	from, end time.Duration
	overnight bool
}

func newDaily(w *v1alpha1.DailyWindow) (*daily, *Problem) {
	on, problem := weekdaysOf("daily", w.Days)
	if problem != nil {
		return nil, problem
	}
	from, problem := secondOfDay("daily.from", w.From)
	if problem != nil {
		return nil, problem
	}
	through, problem := secondOfDay("daily.through", w.Through)
	return &daily{on: on, from: from, end: through + time.Second, overnight: from > through}, problem
}

// Length is how long a window is open at a time, at most, on days without a change of the clocks. It is zero if the window cannot be
// understood.
func Length(w *v1alpha1.ScheduleWindow) time.Duration {
	if w.Daily == nil {
		return time.Duration(w.DurationSeconds) * time.Second
	}
	d, problem := newDaily(w.Daily)
	switch {
	case problem != nil:
		return 0
	case !d.overnight:
		return d.end - d.from
	}
	const day = 24 * time.Hour
	longest := d.end
	for today, on := range d.on {
		switch tomorrow := d.on[(today+1)%len(d.on)]; {
		case on && tomorrow:
			longest = max(longest, day-d.from+d.end)
		case on:
			longest = max(longest, day-d.from)
		}
	}
	return longest
}

// secondOfDay of a text such as "22:00" or "23:59:59".
func secondOfDay(path, text string) (time.Duration, *Problem) {
	t, err := time.Parse("15:04:05", text)
	if err != nil {
		t, err = time.Parse("15:04", text)
	}
	if err != nil {
		return 0, &Problem{path, fmt.Sprintf("%q is not a time of day: write one such as \"02:00\" or \"23:59:59\"", text)}
	}
	return t.Sub(midnight(t)), nil
}

// hours of one day.
type hours struct{ from, end time.Time }

func (d *daily) hours(year int, month time.Month, day int, zone *time.Location) hours {
	at := func(since time.Duration) time.Time {
		return time.Date(year, month, day, 0, 0, int(since/time.Second), 0, zone)
	}
	// The last second is looked up, and not the one after it, which may be on the next day.
	return hours{from: at(d.from), end: at(d.end - time.Second).Add(time.Second)}
}

// contains says that the window is open at t.
func (d *daily) contains(t time.Time, zone *time.Location) bool {
	const day = 24 * time.Hour
	local := t.In(zone)
	if !d.on[local.Weekday()] {
		return false
	}
	h := d.hours(local.Year(), local.Month(), local.Day(), zone)
	switch {
	case d.overnight && t.Before(h.end):
		h.from = h.from.Add(-day)
	case d.overnight:
		h.end = h.end.Add(day)
	}
	return !t.Before(h.from) && t.Before(h.end)
}

// edges are the instants of a day at which the window may open or close, in order.
func (d *daily) edges(wall time.Time, zone *time.Location) []time.Time {
	const day = 24 * time.Hour
	begin, end := instantOf(wall, zone), instantOf(wall.Add(day), zone)
	h := d.hours(wall.Year(), wall.Month(), wall.Day(), zone)
	edges := []time.Time{begin, h.from, h.end, h.from.Add(-day), h.end.Add(day)}
	if set := offsetAt(end, zone) - offsetAt(begin, zone); set != 0 {
		// Clocks may be set back to the day before, and then show the beginning of the day once more.
		edges = append(edges, changeBetween(begin, end, zone), begin.Add(-set))
	}
	edges = slices.DeleteFunc(edges, func(t time.Time) bool { return t.Before(begin) || t.After(end) })
	slices.SortFunc(edges, time.Time.Compare)
	return edges
}

// dailySight is for how many days an edge is looked for: a window that has not changed for a week never does.
const dailySight = 9

// next is the first edge after t from which on the window is open, or closed; zero if there is none.
func (d *daily) next(t time.Time, zone *time.Location, open bool) time.Time {
	today := midnight(wallAt(t, zone))
	for i := -1; i <= dailySight; i++ {
		for _, edge := range d.edges(today.AddDate(0, 0, i), zone) {
			if edge.After(t) && d.contains(edge, zone) == open {
				return edge
			}
		}
	}
	return time.Time{}
}

// startAfter is the next instant after t at which the window opens; zero if it never closes.
func (d *daily) startAfter(t time.Time, zone *time.Location) time.Time {
	if d.contains(t, zone) {
		if t = d.next(t, zone, false); t.IsZero() {
			return t
		}
	}
	return d.next(t, zone, true)
}

// endAt is when the window that is open at t closes, or an instant up to which it is open; zero if it is closed at t.
func (d *daily) endAt(t time.Time, zone *time.Location) time.Time {
	if !d.contains(t, zone) {
		return time.Time{}
	}
	if end := d.next(t, zone, false); !end.IsZero() {
		return end
	}
	return t.AddDate(0, 0, dailySight)
}
