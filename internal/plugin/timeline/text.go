package timeline

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
)

const (
	// leastColumns is what the layout needs at least; a narrower terminal wraps lines.
	leastColumns = 50
	indent       = "  "
	gap          = "  "
	// mostNames is how wide the names of nodes may be, as a share of the width.
	mostNames = 3
	// resultWidth is how wide the column with the results is, and narrowResult on less than wideColumns.
	resultWidth, narrowResult, wideColumns = 24, 18, 100
	// mostShades is how many policies have a line for their windows.
	mostShades = 6
)

// page is a text in the making.
type page struct {
	app   *app.App
	chart *history.Chart
	out   strings.Builder
	scale scale
	// columns of the terminal, of names and of results.
	columns, names, results int
	// single is the only node of the chart, if it is to be shown in detail.
	single *history.Row
	// used are the glyphs that need a legend.
	used map[rune]bool
}

func writeText(a *app.App, w io.Writer, chart *history.Chart) error {
	p := &page{app: a, chart: chart, columns: max(a.Columns(), leastColumns), used: map[rune]bool{}}
	p.measure()
	p.head()
	if rows := rowsOf(chart); rows == 0 {
		p.line("Nothing happened in this time.")
	} else {
		p.axis()
		p.shades()
		p.lanes()
		p.legend()
		p.summary()
	}
	p.story()
	p.notes()
	if _, err := io.WriteString(w, p.out.String()); err != nil {
		return fmt.Errorf("write the timeline: %w", err)
	}
	return nil
}

func rowsOf(chart *history.Chart) (rows int) {
	for i := range chart.Lanes {
		rows += len(chart.Lanes[i].Rows)
	}
	return rows
}

// measure finds out how wide the columns are.
func (p *page) measure() {
	longest := len("windows")
	for i := range p.chart.Lanes {
		for j := range p.chart.Lanes[i].Rows {
			row := &p.chart.Lanes[i].Rows[j]
			longest = max(longest, ansi.StringWidth(row.Node))
			if row.Story != nil && rowsOf(p.chart) == 1 {
				p.single = row
				for k := range row.Bars {
					longest = max(longest, ansi.StringWidth(row.Bars[k].Reboot))
				}
			}
		}
	}
	for i := range p.chart.Shades {
		longest = max(longest, ansi.StringWidth(p.chart.Shades[i].Policy))
	}
	p.results = resultWidth
	if p.columns < wideColumns {
		p.results = narrowResult
	}
	p.names = min(longest, p.columns/mostNames)
	p.scale = newScale(p.chart, p.columns-len(indent)-p.names-len(gap)-len(gap)-p.results)
}

func (p *page) line(parts ...string) {
	p.out.WriteString(strings.TrimRight(strings.Join(parts, ""), " "))
	p.out.WriteByte('\n')
}

// name fills the column of names.
func (p *page) name(text string) string { return fit(text, p.names) }

// fit cuts or fills a text to a width.
func fit(text string, width int) string {
	text = ansi.Truncate(plain(text), width, "…")
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}

// plain is a text without what a terminal would act on, and without what turns the direction of a line.
func plain(text string) string { return cells.Clean(text) }

func (p *page) head() {
	from, to := p.chart.From.In(p.app.Zone), p.chart.To.In(p.app.Zone)
	layout, end := "Mon 2006-01-02 15:04", "15:04 MST"
	if p.chart.To.Sub(p.chart.From) < time.Hour {
		layout, end = "Mon 2006-01-02 15:04:05", "15:04:05 MST"
	}
	if from.Format(time.DateOnly) != to.Format(time.DateOnly) {
		end = layout + " MST"
	}
	p.line(p.app.Paint(app.Strong, fmt.Sprintf("%s to %s", from.Format(layout), to.Format(end))))
	p.line()
}

// axis writes the times above the bars, with the days where they change.
func (p *page) axis() {
	ticks := p.scale.ticks(p.app.Zone, len("15:04:05")+len(gap))
	if dayChanges(ticks) {
		p.days(ticks)
	}
	labels, marks := blank(p.scale.width), blank(p.scale.width)
	for i := range marks {
		marks[i] = '─'
	}
	free := 0
	for _, t := range ticks {
		at := p.scale.cell(t.at)
		marks[at] = '┬'
		free = put(labels, at, free, t.label)
	}
	if now := p.chart.Now; p.scale.shows(now) {
		marks[p.scale.cell(now)] = nowGlyph
		p.used[nowGlyph] = true
	}
	left := indent + p.name("") + gap
	p.line(left, p.app.Paint(app.Faint, string(labels)))
	p.line(left, p.app.Paint(app.Faint, string(marks)))
}

// dayChanges says that days begin between the ticks and that their labels do not say so.
func dayChanges(ticks []tick) bool {
	for _, t := range ticks {
		if t.day && t.label == "00:00" || t.day && t.label == "00:00:00" {
			return true
		}
	}
	return false
}

// days writes which day it is at the left, and where one begins.
func (p *page) days(ticks []tick) {
	line := blank(p.scale.width)
	free := 0
	if len(ticks) > 0 && !ticks[0].day {
		free = put(line, 0, 0, p.scale.from.In(p.app.Zone).Format("Jan 2"))
	}
	for _, t := range ticks {
		if t.day {
			free = put(line, p.scale.cell(t.at), free, t.at.In(p.app.Zone).Format("Mon Jan 2"))
		}
	}
	p.line(indent, p.name(""), gap, p.app.Paint(app.Faint, string(line)))
}

// put writes a label where there is room for it, and returns where the next one may begin.
func put(line []rune, at, free int, label string) int {
	text := []rune(label)
	if at < free || at+len(text) > len(line) {
		return free
	}
	copy(line[at:], text)
	return at + len(text) + 1
}

func blank(width int) []rune { return []rune(strings.Repeat(" ", width)) }

// shades writes a line for the windows and freezes of each policy.
func (p *page) shades() {
	for at, lines := 0, 0; at < len(p.chart.Shades); lines++ {
		policy, end := p.chart.Shades[at].Policy, at
		for end < len(p.chart.Shades) && p.chart.Shades[end].Policy == policy {
			end++
		}
		if lines == mostShades {
			p.paragraph(indent, "The windows of more policies are left out: name a policy.")
			return
		}
		cells := make([]look, p.scale.width)
		for i := range p.chart.Shades[at:end] {
			shade := &p.chart.Shades[at+i]
			first, last := p.scale.span(shade.From, shade.To)
			for c := first; c <= last; c++ {
				if l := shadeLooks[shade.Kind]; l.rank >= cells[c].rank {
					cells[c] = l
				}
			}
		}
		p.line(indent, p.name(policy), gap, p.paint(cells))
		at = end
	}
}

// lanes writes the zones with their nodes.
func (p *page) lanes() {
	zones := len(p.chart.Lanes) > 1 || len(p.chart.Lanes) == 1 && p.chart.Lanes[0].Zone != ""
	for i := range p.chart.Lanes {
		lane := &p.chart.Lanes[i]
		if zones {
			heading := cmp.Or(after("zone ", plain(lane.Zone)), "without a zone")
			p.line(p.app.Paint(app.Strong, ansi.Truncate(heading, p.columns, "…")))
		}
		for j := range lane.Rows {
			p.row(&lane.Rows[j])
		}
	}
	p.line()
}

func after(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// row writes a node; a single one has a line for each of its NodeReboots.
func (p *page) row(row *history.Row) {
	if p.single == nil || row != p.single {
		color, text := result(row)
		p.line(indent, p.name(row.Node), gap, p.paint(p.cells(row)), gap, p.app.Paint(color, ansi.Truncate(plain(text), p.results, "…")))
		return
	}
	for _, part := range byReboot(row) {
		color, text := result(&part)
		name := part.Node
		p.line(indent, p.name(name), gap, p.paint(p.cells(&part)), gap, p.app.Paint(color, ansi.Truncate(plain(text), p.results, "…")))
	}
}

// paint writes cells, each run of one color at once.
func (p *page) paint(cells []look) string {
	var text strings.Builder
	for at := 0; at < len(cells); {
		end := at
		var run strings.Builder
		for end < len(cells) && cells[end].color == cells[at].color {
			glyph := cells[end].glyph
			if glyph == 0 {
				glyph = ' '
			} else {
				p.used[glyph] = true
			}
			run.WriteRune(glyph)
			end++
		}
		if cells[at].color == "" {
			text.WriteString(run.String())
		} else {
			text.WriteString(p.app.Paint(cells[at].color, run.String()))
		}
		at = end
	}
	return text.String()
}
