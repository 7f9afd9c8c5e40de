package model

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/reboot-operator/reboot-operator/internal/shorten"
)

// Clock writes times for people: in the time zone of a policy, and how long it is until then.
type Clock struct {
	// Now is the moment at which the text is written. With the zero time no text says how long anything takes.
	Now time.Time
	// Zone in which times are written; nil is UTC.
	Zone *time.Location
}

func (c Clock) in(t time.Time) time.Time {
	if c.Zone == nil {
		return t.UTC()
	}
	return t.In(c.Zone)
}

// At writes a time with its offset, such as "2026-11-28 22:00 +01:00".
func (c Clock) At(t time.Time) string {
	t = c.in(t)
	if t.Second() != 0 {
		return t.Format("2006-01-02 15:04:05 -07:00")
	}
	return t.Format("2006-01-02 15:04 -07:00")
}

// Until writes a time that is to come, how long it is until then, and since when that has been so: a message is not written again because
// time goes by. An example is "2026-11-28 22:00 +01:00 (in 3h20m, as of 18:40)".
func (c Clock) Until(t time.Time) string {
	if c.Now.IsZero() || !t.After(c.Now) {
		return c.At(t)
	}
	return fmt.Sprintf("%s (in %s, as of %s)", c.At(t), duration.HumanDuration(t.Sub(c.Now).Round(time.Second)), c.asOf(t))
}

// asOf writes the present so that it cannot be mistaken next to a later time.
func (c Clock) asOf(later time.Time) string {
	const week = 7 * 24 * time.Hour
	now, later := c.in(c.Now), c.in(later)
	clock := "15:04"
	if now.Second() != 0 && later.Sub(now) < time.Hour {
		clock = "15:04:05"
	}
	switch {
	case sameDay(now, later):
		return now.Format(clock)
	case later.Sub(now) < week-24*time.Hour:
		return now.Format("Mon " + clock)
	}
	return now.Format("2006-01-02 " + clock)
}

func sameDay(a, b time.Time) bool { return a.Format(time.DateOnly) == b.Format(time.DateOnly) }

// The forms of a time in a column. None is longer than 6 characters.
const (
	shortTime = "15:04"
	shortDate = "Jan 02"
	shortYear = "2006"
)

// Short writes a time for a column: the time of day if that is today, otherwise the date, or the year if it is far away. What was written
// before stays if it is one of the forms of the same time: today becomes yesterday without a write.
func (c Clock) Short(t time.Time, before string) string {
	const far = 300 * 24 * time.Hour
	t = c.in(t)
	switch now := c.in(c.Now); {
	case before == t.Format(shortTime), before == t.Format(shortDate), before == t.Format(shortYear):
		return before
	case sameDay(now, t):
		return t.Format(shortTime)
	case t.Sub(now) > far:
		return t.Format(shortYear)
	}
	return t.Format(shortDate)
}

// utcTime is how machines write times into what they report.
var utcTime = regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z`)

// Localize writes the times in a text of another program as At does.
func (c Clock) Localize(text string) string {
	return utcTime.ReplaceAllStringFunc(text, func(found string) string {
		t, err := time.Parse(time.RFC3339, found)
		if err != nil {
			return found
		}
		return c.At(t)
	})
}

// withoutRemaining is a message without what Until adds to its times. Most messages have no time.
func withoutRemaining(message string) string {
	left := message
	for from := 0; ; {
		at := strings.Index(left[from:], remaining)
		if at < 0 {
			return left
		}
		at += from
		from = at + 1
		if end, is := endOfRemaining(left, at+len(remaining)); is {
			left, from = left[:at]+left[end:], at
		}
	}
}

// remaining is how what Until adds to a time begins.
const remaining = " (in "

// endOfRemaining is where what Until adds to a time ends, also where Bounded cut it: "3h)", or "3h, as of 10:00)".
func endOfRemaining(message string, from int) (end int, is bool) {
	end = from
	for end < len(message) && (message[end] >= '0' && message[end] <= '9' || message[end] >= 'a' && message[end] <= 'z') {
		end++
	}
	if end == from {
		return 0, false
	}
	if after, asOf := strings.CutPrefix(message[end:], ", as of "); asOf {
		end = len(message) - len(after)
		if length := strings.IndexAny(after, "()"); length >= 0 {
			end += length
		} else {
			end = len(message)
		}
	}
	switch {
	case end == len(message):
		return end, true
	case message[end] == ')':
		return end + 1, true
	}
	return 0, false
}

// SameMessage says that two messages differ at most in how long something takes, and in a place in a queue. The first one, which was
// written before, can stay then: nothing is written only because time goes by, or a queue moves.
func SameMessage(before, after string) bool {
	if before == after {
		return true
	}
	if rest, is := strings.CutPrefix(before, after); is && isPlace(rest) { // the short way: nearly all that wait differ in that
		return true
	}
	before, after = WithoutPlace(before), WithoutPlace(after)
	a, cutA := strings.CutSuffix(before, shorten.Mark)
	b, cutB := strings.CutSuffix(after, shorten.Mark)
	a, b = withoutRemaining(a), withoutRemaining(b)
	if a == b {
		return cutA == cutB
	}
	if max(len(before), len(after)) < maxMessage-len(shorten.Mark) || !cutA && !cutB {
		return false
	}
	// A longer duration is cut off with more of what follows it.
	const slack = 64
	end := min(len(a), len(b)) - slack
	return end > 0 && a[:end] == b[:end] && max(len(a), len(b))-end < 2*slack
}
