package gates

import (
	"strings"

	"github.com/reboot-operator/reboot-operator/internal/shorten"
)

// sentence is text in one line that ends in a full stop.
func sentence(text string) string {
	const most = 512
	text = strings.Join(strings.Fields(text), " ")
	return strings.TrimSuffix(shorten.Marked(text, most), ".") + "."
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
