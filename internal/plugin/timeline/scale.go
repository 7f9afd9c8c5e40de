package timeline

import (
	"time"

	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
)

// scale maps times to places from 0 to a width.
type scale struct {
	from, to time.Time
	width    int
}

func newScale(chart *history.Chart, width int) scale {
	s := scale{from: chart.From, to: chart.To, width: max(width, 1)}
	if !s.from.Before(s.to) {
		s.to = s.from.Add(time.Second)
	}
	return s
}

// place of a time; it is not below 0 and not above the width.
func (s scale) place(t time.Time) float64 {
	share := t.Sub(s.from).Seconds() / s.to.Sub(s.from).Seconds()
	return min(max(share, 0), 1) * float64(s.width)
}

// cell of a time.
func (s scale) cell(t time.Time) int { return min(int(s.place(t)), s.width-1) }

// shows says whether a time is on the scale.
func (s scale) shows(t time.Time) bool { return !t.Before(s.from) && !t.After(s.to) }

// span are the cells from one time to another: at least one, and none of the next if it ends where that begins.
func (s scale) span(start, end time.Time) (first, last int) {
	first = s.cell(start)
	stop := s.place(end)
	last = int(stop)
	if float64(last) == stop {
		last--
	}
	return first, min(max(first, last), s.width-1)
}

// tick is a mark of the time axis.
type tick struct {
	at    time.Time
	label string
	// day says that a day begins there.
	day bool
}

// steps between ticks, as far as they are less than a day.
var steps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}

// days between ticks.
var days = []int{1, 2, 7, 14, 28, 91, 182, 364, 3640}

const day = 24 * time.Hour

// ticks of the scale in a time zone, such that there are so many places from one to the next. They are at round wall times, whatever the
// offset of the zone is and however it changes.
func (s scale) ticks(zone *time.Location, room int) []tick {
	least := time.Duration(float64(s.to.Sub(s.from)) / float64(s.width) * float64(room))
	for _, step := range steps {
		if step >= least {
			return s.within(zone, step)
		}
	}
	for _, n := range days {
		if time.Duration(n)*day >= least {
			return s.daily(zone, n)
		}
	}
	return s.daily(zone, days[len(days)-1])
}

// within are ticks of less than a day.
func (s scale) within(zone *time.Location, step time.Duration) []tick {
	layout := "15:04"
	if step < time.Minute {
		layout = "15:04:05"
	}
	var all []tick
	year, month, date := s.from.In(zone).Date()
	for {
		midnight := time.Date(year, month, date, 0, 0, 0, 0, zone)
		if midnight.After(s.to) {
			return all
		}
		// Wall times, because a day may have 23 or 25 hours.
		skip := max(0, s.from.Sub(midnight)-2*time.Hour) / step
		for wall := skip * step; wall < day; wall += step {
			at := time.Date(year, month, date, 0, 0, int(wall/time.Second), 0, zone)
			if at.After(s.to) {
				break
			}
			skipped := !at.Equal(midnight) && sinceMidnight(at) != wall // clocks are set forward over it
			if skipped || at.Before(s.from) {
				continue
			}
			all = append(all, tick{at: at, label: at.Format(layout), day: at.Equal(midnight)})
		}
		date++
	}
}

// sinceMidnight is what clocks show.
func sinceMidnight(t time.Time) time.Duration {
	hour, minute, second := t.Clock()
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
}

// daily are ticks at midnight.
func (s scale) daily(zone *time.Location, n int) []tick {
	layout := "Jan 2"
	if n > 100 {
		layout = "Jan 2006"
	}
	var all []tick
	year, month, date := s.from.In(zone).Date()
	for {
		at := time.Date(year, month, date, 0, 0, 0, 0, zone)
		if at.After(s.to) {
			return all
		}
		if !at.Before(s.from) {
			all = append(all, tick{at: at, label: at.Format(layout), day: true})
		}
		date += n
	}
}
