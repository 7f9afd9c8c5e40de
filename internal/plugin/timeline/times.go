package timeline

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// layouts in which a time may be written; those without an offset are in the time zone of the person.
var layouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// clocks are times of day.
var clocks = []string{"15:04", "15:04:05"}

// parseTime reads a time, or how long ago it was.
func parseTime(flag, text string, now time.Time, zone *time.Location) (time.Time, error) {
	if text == "now" {
		return now, nil
	}
	if rest, later := strings.CutPrefix(text, "+"); later {
		if in, ok := parseAgo(rest); ok && flag == "until" {
			return now.Add(in), nil
		}
	}
	if ago, ok := parseAgo(text); ok {
		return now.Add(-ago), nil
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	for _, layout := range clocks {
		t, err := time.ParseInLocation(layout, text, zone)
		if err != nil {
			continue
		}
		year, month, day := now.In(zone).Date()
		today := time.Date(year, month, day, t.Hour(), t.Minute(), t.Second(), 0, zone)
		if today.After(now) {
			return time.Date(year, month, day-1, t.Hour(), t.Minute(), t.Second(), 0, zone), nil
		}
		return today, nil
	}
	later := ""
	if flag == "until" {
		later = "how far ahead, such as +4h, "
	}
	return time.Time{}, fmt.Errorf("--%s %q is not a time: write how long ago, such as 90m, 24h or 7d, %sor a time, such as 22:00, "+
		"2026-03-01 or 2026-03-01T22:00:00Z", flag, text, later)
}

// parseAgo reads a duration of whole days, such as 7d, or one of Go, such as 1h30m.
func parseAgo(text string) (time.Duration, bool) {
	const most = 36500
	if days, is := strings.CutSuffix(text, "d"); is {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err == nil && n >= 0 && n <= most && days[0] != '+'
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0 && text[0] != '+'
}
