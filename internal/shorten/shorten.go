// Package shorten cuts texts to what there is room for. Each begins with the whole characters that fit: half a character becomes one of
// three bytes on the way to the API server, and is no text for anyone who reads it.
package shorten

import "strings"

// Mark is at the end of what Marked has cut.
const Mark = "..."

// Beginning returns at most limit bytes of a text, and does not hold on to the rest.
func Beginning(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.Clone(strings.ToValidUTF8(text[:limit], ""))
}

// Marked returns a text of at most limit bytes, three or more, which ends in Mark if something is missing.
func Marked(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len(Mark)], "") + Mark
}
