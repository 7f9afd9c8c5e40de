package why

import (
	"regexp"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"k8s.io/apimachinery/pkg/util/duration"
)

// written are the times in messages of the manager, with what they say about how long that is.
var written = regexp.MustCompile(`(\d{4}-\d{2}-\d{2} \d{2}:\d{2}(?::\d{2})? [+-]\d{2}:\d{2})( \(in [0-9a-z]+, as of [^()]*\))?`)

// offered is a command that a message of the manager offers; the plugin offers its own.
var offered = regexp.MustCompile(`\s*[^.:]*: kubectl .*$`)

// localize writes the times of a message in the zone of the reader, and how long it is until then now.
func (f *Facts) localize(message string) string {
	message = offered.ReplaceAllString(strings.TrimSpace(message), "")
	return written.ReplaceAllStringFunc(message, func(found string) string {
		parts := written.FindStringSubmatch(found)
		for _, layout := range []string{"2006-01-02 15:04 -07:00", "2006-01-02 15:04:05 -07:00"} {
			if t, err := time.Parse(layout, parts[1]); err == nil {
				return f.when(t)
			}
		}
		return found
	})
}

// when writes a time in the zone of the reader, and how far away it is.
func (f *Facts) when(t time.Time) string {
	layout := "2006-01-02 15:04 MST"
	if t.Second() != 0 {
		layout = "2006-01-02 15:04:05 MST"
	}
	text := t.In(f.Zone).Format(layout)
	switch d := t.Sub(f.Now).Round(time.Second); {
	case d > 0:
		return text + " (in " + duration.HumanDuration(d) + ")"
	case d == 0:
		return text + " (now)"
	}
	return text + " (" + duration.HumanDuration(f.Now.Sub(t)) + " ago)"
}

// sentence ends with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "?") {
		text += "."
	}
	return text
}

// paragraph of sentences; those that are empty are left out.
func paragraph(sentences ...string) string {
	var kept []string
	for _, s := range sentences {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return strings.Join(kept, " ")
}

// wrap a text into lines that are no wider than a number of columns; a word that is wider is a line of its own.
func wrap(text string, columns int) string {
	var lines []string
	line, width := "", 0
	for word := range strings.FieldsSeq(text) {
		wide := ansi.StringWidth(word)
		if line != "" && width+1+wide > columns {
			lines = append(lines, line)
			line, width = "", 0
		}
		if line != "" {
			line, width = line+" ", width+1
		}
		line, width = line+word, width+wide
	}
	return strings.Join(append(lines, line), "\n")
}
