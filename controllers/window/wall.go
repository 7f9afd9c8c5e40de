package window

import "time"

// maxOffset is more than any time zone is ahead of UTC or behind it.
const maxOffset = 26 * time.Hour

// Wall times are what the clocks of a place show. They are kept as a time.Time in UTC, where no hour is missing and none comes twice.

// wallAt is what the clocks show at an instant.
func wallAt(t time.Time, zone *time.Location) time.Time {
	return t.UTC().Add(offsetAt(t, zone))
}

// instantOf is the first instant at which the clocks show a wall time or a later one. It takes for granted that clocks are not set twice
// within two days. (time.Time.ZoneBounds would not need that, but has bounds in the past on the last day of leap years: Go 1.26.)
func instantOf(wall time.Time, zone *time.Location) time.Time {
	before, after := wall.Add(-maxOffset), wall.Add(maxOffset)
	shown := wall.Add(-offsetAt(before, zone))
	if offsetAt(before, zone) == offsetAt(after, zone) {
		return shown
	}
	change := changeBetween(before, after, zone)
	shownAfter := wall.Add(-offsetAt(change, zone))
	switch {
	case shown.Before(change):
		return shown
	case shownAfter.Before(change):
		return change // clocks are set forward, over the wall time
	}
	return shownAfter
}

// changeBetween is the instant at which clocks are set.
func changeBetween(before, after time.Time, zone *time.Location) time.Time {
	old := offsetAt(before, zone)
	for after.Sub(before) > time.Second {
		if middle := before.Add(after.Sub(before) / 2).Truncate(time.Second); offsetAt(middle, zone) == old {
			before = middle
		} else {
			after = middle
		}
	}
	return after
}

func offsetAt(t time.Time, zone *time.Location) time.Duration {
	_, offset := t.In(zone).Zone()
	return time.Duration(offset) * time.Second
}
