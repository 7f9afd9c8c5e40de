package plan

import (
	"fmt"
	"strings"
	"time"
)

// The forms of --at, besides a duration and RFC 3339. Times without a zone are local.
const (
	formTime     = "15:04"
	formDate     = time.DateOnly
	formDateTime = "2006-01-02 15:04"
	formSeconds  = "2006-01-02 15:04:05"
)

// startAt is the time from which to look ahead. A time of day is the next one.
func startAt(text string, now time.Time, zone *time.Location) (time.Time, error) {
	if text == "" {
		return now, nil
	}
	at, err := parseTime(text, now, zone)
	if err != nil {
		return time.Time{}, err
	}
	if at.Before(now) {
		known := now.In(zone).Format(formSeconds + " MST")
		return time.Time{}, fmt.Errorf("--at %q is in the past: the cluster is known as it was on %s", text, known)
	}
	return at, nil
}

func parseTime(text string, now time.Time, zone *time.Location) (time.Time, error) {
	if ahead, err := time.ParseDuration(strings.TrimPrefix(text, "+")); err == nil {
		return now.Add(ahead), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	for _, form := range []string{formDate, formDateTime, formSeconds} {
		if at, err := time.ParseInLocation(form, strings.Replace(text, "T", " ", 1), zone); err == nil {
			return at, nil
		}
	}
	if clock, err := time.Parse(formTime, text); err == nil {
		local := now.In(zone)
		at := time.Date(local.Year(), local.Month(), local.Day(), clock.Hour(), clock.Minute(), 0, 0, zone)
		if at.Before(now) {
			at = at.AddDate(0, 0, 1)
		}
		return at, nil
	}
	const write = `write "2026-03-07 22:00", "22:00" (the next one), 2h (from now) or 2026-03-07T22:00:00Z`
	return time.Time{}, fmt.Errorf("--at %q is not a time: %s", text, write)
}
