package windows

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
)

// Style is how schedules are written.
type Style struct {
	Now     time.Time
	Zone    *time.Location
	Columns int
	Paint   func(app.Color, string) string
}

// paint colors a text.
func (s *Style) paint(color app.Color, text string) string {
	if color == plain || s.Paint == nil {
		return text
	}
	return s.Paint(color, text)
}

// dayTime is a time with the day of the week.
const dayTime = "Mon 2006-01-02 15:04"

// Lines writes a schedule.
func (s *Schedule) Lines(style *Style) []string {
	lines := []string{style.paint(app.Strong, cells.Cut(cells.Clean(s.Policy), style.Columns/3)) + "  " + s.headline(style)}
	if len(s.Problems) > 0 {
		for _, problem := range s.Problems {
			lines = append(lines, style.wrapped(problem)...)
		}
		return cut(lines, style.Columns)
	}
	if s.AlwaysOpen && len(s.Periods) == 0 {
		return cut(lines, style.Columns)
	}
	lines = append(lines, style.wrapped(s.zones(style))...)
	if s.MinRemainingSeconds != nil && !s.AlwaysOpen {
		lines = append(lines, style.wrapped(fmt.Sprintf("A node starts only while more than %s of the window is left.",
			length(time.Duration(*s.MinRemainingSeconds)*time.Second)))...)
	}
	return cut(append(lines, s.table(style)...), style.Columns)
}

func cut(lines []string, columns int) []string {
	for i := range lines {
		lines[i] = cells.Cut(lines[i], columns)
	}
	return lines
}

func (s *Style) wrapped(text string) []string {
	var lines []string
	for _, line := range cells.Wrap(cells.Clean(text), s.Columns-2) {
		lines = append(lines, "  "+strings.TrimRight(line, " "))
	}
	return lines
}

// headline says how the schedule stands now.
func (s *Schedule) headline(style *Style) string {
	switch {
	case len(s.Problems) > 0:
		return style.paint(app.Bad, "never open: it is not valid")
	case s.AlwaysOpen && len(s.Periods) == 0:
		return style.paint(app.Good, "always open") + ": it has no windows and no freezes to come"
	case s.State == v1alpha1.WindowOpen && s.Closes == nil:
		return style.paint(app.Good, "open now") + ", with no end in sight"
	case s.State == v1alpha1.WindowOpen:
		return style.paint(app.Good, "open now") + ", until " + s.at(s.Closes, style)
	}
	text := style.paint(app.Warning, "closed now")
	if s.State == v1alpha1.WindowFrozen {
		text = style.paint(app.Warning, "freeze "+cells.Cut(cells.Clean(s.Freeze), longestName))
	}
	if s.Opens == nil {
		return text + ", does not open again"
	}
	return text + ", opens " + s.at(s.Opens, style)
}

// at is a time in the zone of the policy, and how long it is until then.
func (s *Schedule) at(t *metav1.Time, style *Style) string {
	return fmt.Sprintf("%s (in %s)", t.In(s.zone).Format(dayTime), length(t.Sub(style.Now)))
}

// same says that the clocks of the person and those of the policy show the same in all periods.
func (s *Schedule) same(style *Style) bool {
	for _, t := range s.times(style) {
		if offset(t, s.zone) != offset(t, style.Zone) {
			return false
		}
	}
	return true
}

func (s *Schedule) times(style *Style) []time.Time {
	times := []time.Time{style.Now}
	for i := range s.Periods {
		for _, t := range []*metav1.Time{s.Periods[i].From, s.Periods[i].To} {
			if t != nil {
				times = append(times, t.Time)
			}
		}
	}
	return times
}

func (s *Schedule) zones(style *Style) string {
	text := fmt.Sprintf("Times are in %s (%s now)", s.TimeZone, style.Now.In(s.zone).Format("-07:00"))
	switch {
	case style.Zone.String() == s.zone.String():
		return text + ", which is your time zone."
	case s.same(style):
		return text + "; your clock shows the same."
	}
	return text + fmt.Sprintf("; yours is %s.", style.Now.In(style.Zone).Format("MST (-07:00)"))
}

// roomy is a terminal with room for both ends of a period in a second time zone.
const roomy = 100

func (s *Schedule) table(style *Style) []string {
	same := s.same(style)
	table := cells.Table{Heading: []string{"", "FROM", "TO", "LENGTH", "YOUR TIME"}}
	for i := range s.Periods {
		p := &s.Periods[i]
		row := []string{p.what(), s.from(p, s.zone), s.to(p, s.zone), lengthOf(p), ""}
		if !same {
			row[4] = s.from(p, style.Zone)
		}
		if !same && style.Columns >= roomy {
			row[4] += " – " + s.to(p, style.Zone)
		}
		table.Rows = append(table.Rows, row)
	}
	table.Paint = func(row, column int, text string) string { return style.paint(s.color(row, column), text) }
	var lines []string
	for i, line := range table.Lines(style.Columns - 2) {
		lines = append(lines, "  "+line)
		if i == 0 {
			continue
		}
		for _, note := range s.notes(&s.Periods[i-1]) {
			for _, part := range cells.Wrap(note, style.Columns-6) {
				lines = append(lines, "      "+style.paint(app.Warning, strings.TrimRight(part, " ")))
			}
		}
	}
	return lines
}

// color of a cell of the table.
func (s *Schedule) color(row, column int) app.Color {
	switch {
	case row < 0:
		return app.Faint
	case column == 0 && s.Periods[row].Kind == KindFreeze:
		return app.Warning
	case column == 0 && s.Periods[row].Now:
		return app.Good
	}
	return plain
}

// plain is no color.
const plain app.Color = ""

// longestName is how much of the name of a freeze is shown.
const longestName = 24

// what a period is.
func (p *Period) what() string {
	text := "window"
	if p.Kind == KindFreeze {
		text = "freeze " + cells.Cut(cells.Clean(p.Name), longestName)
	}
	if p.Now {
		text += ", now"
	}
	return text
}

func (s *Schedule) from(p *Period, zone *time.Location) string {
	if p.From == nil {
		return "over a month ago"
	}
	return p.From.In(zone).Format(dayTime)
}

// to is when a period ends; the day of the week says which day if that is soon after.
func (s *Schedule) to(p *Period, zone *time.Location) string {
	switch {
	case p.To == nil:
		return "no end in sight"
	case p.From != nil && p.To.In(zone).Format(time.DateOnly) == p.From.In(zone).Format(time.DateOnly):
		return p.To.In(zone).Format("15:04")
	case p.From != nil && p.To.Sub(p.From.Time) < 6*24*time.Hour:
		return p.To.In(zone).Format("Mon 15:04")
	}
	return p.To.In(zone).Format(dayTime)
}

func lengthOf(p *Period) string {
	if p.Seconds == 0 {
		return ""
	}
	return length(time.Duration(p.Seconds) * time.Second)
}

// notes say what is special about a window.
func (s *Schedule) notes(p *Period) []string {
	var notes []string
	if len(p.CutBy) > 0 {
		var spans []string
		for _, span := range p.Open {
			spans = append(spans, span.From.In(s.zone).Format("Mon 15:04")+" – "+span.To.In(s.zone).Format("Mon 15:04"))
		}
		text := "cut by freeze " + cells.Clean(strings.Join(p.CutBy, ", "))
		switch {
		case p.To == nil:
		case len(spans) == 0:
			text += ": nothing is left"
		default:
			text += ": open " + strings.Join(spans, ", ")
		}
		notes = append(notes, text)
	}
	if p.ClockChange != "" {
		notes = append(notes, p.ClockChange)
	}
	return notes
}

// length writes a duration in its two largest units.
func length(d time.Duration) string {
	d = d.Round(time.Second)
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	text, count := "", 0
	for _, unit := range units {
		if n := d / unit.size; n > 0 && count < 2 {
			text += fmt.Sprintf("%d%s", n, unit.name)
			d -= n * unit.size
		}
		if text != "" {
			count++
		}
	}
	if text == "" {
		return "0s"
	}
	return text
}
