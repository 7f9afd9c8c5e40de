package gates

import "strings"

// sentence is text in one line that ends in a full stop.
func sentence(text string) string {
	const most = 512
	text = strings.Join(strings.Fields(text), " ")
	return strings.TrimSuffix(shortened(text, most), ".") + "."
}

// shortened cuts text to a number of bytes, between characters.
func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "..."
}

// mostShown is how many things that are in the way are named.
const mostShown = 3

// enumerate names some of what is in the way, which is sorted. How many more there are is not said: that number changes too often.
func enumerate(all []string) string {
	if len(all) > mostShown {
		return strings.Join(all[:mostShown], ", ") + " and more"
	}
	return strings.Join(all, ", ")
}
