package model

import (
	"fmt"
	"strings"
	"time"
)

// A place in a queue is the last sentence of a message. It begins and ends in the same way, whatever the place is.
const (
	placeBegins = " The node was "
	placeEnds   = "."
)

// Place says where a node was in a queue when that was written: "The node was 3rd of 12 in zone b, as of 2026-11-28 18:40 +01:00." It is
// written into a message only when that is written anyway, so it may be old, and says how old. Where is empty, or such as "in zone b".
func (c Clock) Place(at, of int, where string) string {
	if where != "" {
		where = " " + where
	}
	return fmt.Sprintf("%s%s of %d%s, as of %s%s", placeBegins, Ordinal(at), of, where, c.At(c.Now.Truncate(time.Minute)), placeEnds)
}

// WithPlace is a message with a place instead of the one that it has, if there is room for it. An empty place is none.
func WithPlace(message, place string) string {
	message = WithoutPlace(message)
	if len(message)+len(place) > maxMessage {
		return message
	}
	return message + place
}

// WithoutPlace is a message without the place that it has.
func WithoutPlace(message string) string {
	if i := strings.LastIndex(message, placeBegins); i >= 0 && isPlace(message[i:]) {
		return message[:i]
	}
	return message
}

// isPlace says that a text is a place and nothing else.
func isPlace(text string) bool {
	rest, begins := strings.CutPrefix(text, placeBegins)
	return begins && rest != "" && rest[0] >= '1' && rest[0] <= '9' && strings.HasSuffix(rest, placeEnds) &&
		strings.Contains(rest, " of ") && strings.Contains(rest, ", as of ")
}

// Ordinal writes a number as a place: 1st, 2nd, 3rd, 4th, 11th.
func Ordinal(n int) string {
	suffix := "th"
	if tens := n / 10 % 10; tens != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprint(n) + suffix
}
