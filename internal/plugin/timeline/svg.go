package timeline

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
)

// Sizes of the picture, in pixels.
const (
	svgWidth   = 1200
	svgMargin  = 24
	svgNames   = 190
	svgResults = 170
	svgRow     = 24
	svgZone    = 30
	svgLine    = 20
	svgLegend  = 150
	// svgLetters is how many letters fit into the column of names, and svgWords how many into a line.
	svgLetters, svgWords = 26, 165
	// svgLeast is how wide a bar is at least, so that a short one can be seen.
	svgLeast = 2.0
	// svgTicks is how far ticks are from each other at least.
	svgTicks = 90
	// svgTold is how many nodes are listed one by one for those who cannot see the picture.
	svgTold = 200
)

// picture is an SVG in the making.
type picture struct {
	chart *history.Chart
	zone  *time.Location
	body  strings.Builder
	scale scale
	// y is where the next thing goes, and top where the plot begins.
	y, top float64
	used   map[history.Kind]bool
	marks  map[history.MarkKind]bool
}

func writeSVG(a *app.App, w io.Writer, chart *history.Chart) error {
	p := &picture{chart: chart, zone: a.Zone, used: map[history.Kind]bool{}, marks: map[history.MarkKind]bool{}}
	p.scale = newScale(chart, svgWidth-2*svgMargin-svgNames-svgResults)
	p.y = svgMargin + 10
	p.text(svgMargin, "head", p.title())
	p.y += 2 * svgLine
	p.lanes()
	p.key()
	p.words()
	if _, err := io.WriteString(w, p.document()); err != nil {
		return fmt.Errorf("write the timeline: %w", err)
	}
	return nil
}

func (p *picture) title() string {
	from, to := p.chart.From.In(p.zone), p.chart.To.In(p.zone)
	return "Reboots of nodes from " + from.Format("Mon 2006-01-02 15:04:05") + " to " + to.Format("Mon 2006-01-02 15:04:05 MST")
}

// document puts everything together. Texts for screen readers come first.
func (p *picture) document() string {
	height := p.y + svgMargin
	var all strings.Builder
	fmt.Fprintf(&all, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%s" viewBox="0 0 %d %s" role="img" `+
		`aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="13">`+"\n",
		svgWidth, number(height), svgWidth, number(height))
	fmt.Fprintf(&all, "<title id=\"title\">%s</title>\n<desc id=\"desc\">%s</desc>\n", escape(p.title()), escape(p.description()))
	all.WriteString(svgStyle)
	fmt.Fprintf(&all, `<rect class="page" width="%d" height="%s"/>`+"\n", svgWidth, number(height))
	all.WriteString(p.body.String())
	all.WriteString("</svg>\n")
	return all.String()
}

// description says what the picture shows.
func (p *picture) description() string {
	var all []string
	for i := range p.chart.Policies {
		all = append(all, sentencesOf(&p.chart.Policies[i]))
	}
	told := 0
	for i := range p.chart.Lanes {
		lane := &p.chart.Lanes[i]
		for j := range lane.Rows {
			if told++; told > svgTold {
				return strings.Join(append(all, "More nodes are not listed here."), " ")
			}
			_, text := result(&lane.Rows[j])
			all = append(all, fmt.Sprintf("Node %s%s: %s.", lane.Rows[j].Node, after(" in zone ", lane.Zone), cmp.Or(text, "nothing happened")))
		}
	}
	if told == 0 {
		all = append(all, "Nothing happened in this time.")
	}
	return strings.Join(all, " ")
}

// lanes draws the plot.
func (p *picture) lanes() {
	p.top = p.y
	background := p.body
	p.body = strings.Builder{}
	p.shades()
	for i := range p.chart.Lanes {
		lane := &p.chart.Lanes[i]
		p.y += svgZone
		p.text(svgMargin, "zone", cmp.Or(after("zone ", lane.Zone), "without a zone"))
		p.y += 8
		for j := range lane.Rows {
			p.row(&lane.Rows[j])
		}
	}
	p.y += 10
	rows := p.body.String()
	p.body = background
	p.background()
	p.body.WriteString(rows)
	p.now()
}

// x of a time.
func (p *picture) x(t time.Time) float64 { return svgMargin + svgNames + p.scale.place(t) }

// background draws the axis, and windows and freezes if they are those of one policy.
func (p *picture) background() {
	if shades := p.chart.Shades; len(shades) > 0 && shades[0].Policy == shades[len(shades)-1].Policy {
		for i := range shades {
			x := p.x(shades[i].From)
			p.rect("back"+string(shades[i].Kind), x, p.top, p.x(shades[i].To)-x, p.y-p.top, "")
		}
	}
	day := ""
	for _, t := range p.scale.ticks(p.zone, svgTicks) {
		x := p.x(t.at)
		fmt.Fprintf(&p.body, `<path class="tick" d="M%s %sV%s"/>`+"\n", number(x), number(p.top-4), number(p.y))
		p.textAt(x, p.top-8, "axis", "middle", t.label)
		if date := t.at.In(p.zone).Format("Jan 2"); date != day && date != t.label {
			p.textAt(x, p.top-22, "axis", "middle", date)
			day = date
		}
	}
}

// shades draws a line for the windows and freezes of each policy.
func (p *picture) shades() {
	last := ""
	for i := range p.chart.Shades {
		shade := &p.chart.Shades[i]
		if i == 0 || shade.Policy != last {
			p.y += svgRow
			p.text(svgMargin, "name", ansi.Truncate(shade.Policy, svgLetters, "…"))
			last = shade.Policy
		}
		x := p.x(shade.From)
		p.rect("strip"+string(shade.Kind), x, p.y-9, max(p.x(shade.To)-x, svgLeast), 8, fmt.Sprintf("%s%s of policy %s, %s",
			string(shade.Kind), after(" ", shade.Name), shade.Policy, p.times(shade.From, shade.To)))
	}
}

func (p *picture) now() {
	if !p.scale.shows(p.chart.Now) {
		return
	}
	x := p.x(p.chart.Now)
	fmt.Fprintf(&p.body, `<path class="now" d="M%s %sV%s"/>`+"\n", number(x), number(p.top), number(p.y))
	p.textAt(x+4, p.top+10, "nowtext", "start", "now")
}

func (p *picture) row(row *history.Row) {
	p.y += svgRow
	p.text(svgMargin, "name", ansi.Truncate(row.Node, svgLetters, "…"))
	for i := range row.Bars {
		p.bar(row.Node, &row.Bars[i])
	}
	for i := range row.Marks {
		p.mark(row.Node, &row.Marks[i])
	}
	color, text := result(row)
	p.text(svgWidth-svgMargin-svgResults+20, "result c"+string(color), ansi.Truncate(text, svgLetters, "…"))
}

// heights of bars: they differ, so that no kind needs its color.
var heights = map[history.Kind]float64{
	history.Waiting: 4, history.Earlier: 4, history.Rebooting: 16, history.Stalled: 16, history.Stuck: 16,
}

func (p *picture) bar(node string, bar *history.Bar) {
	p.used[bar.Kind] = true
	height := heights[bar.Kind]
	if height == 0 {
		height = 10
	}
	class := "b" + string(bar.Kind)
	if bar.Forecast {
		class += " forecast"
	}
	x := p.x(bar.Start)
	about := fmt.Sprintf("%s: %s, %s.%s", node, looks[bar.Kind].words, p.times(bar.Start, bar.End), after(" ", bar.Note))
	p.rect(class, x, p.y-4-height/2, max(p.x(bar.End)-x, svgLeast), height, about)
}

// markPaths draw marks around the point 0, 0.
var markPaths = map[history.MarkKind]string{
	history.Tainted: "M-4 -11H4L0 -5Z", history.Approved: "M0 -5L5 0L0 5L-5 0Z", history.Failed: "M-5 -5L5 5M5 -5L-5 5",
	history.Proved: "M-5 0L-1 5L6 -6", history.Cancelled: "M-4 0A4 4 0 1 1 4 0A4 4 0 1 1 -4 0",
}

func (p *picture) mark(node string, mark *history.Mark) {
	p.marks[mark.Kind] = true
	about := fmt.Sprintf("%s: %s%s at %s.%s", node, strings.ToLower(string(mark.Kind)), after(", ", mark.Reason),
		mark.Time.In(p.zone).Format(time.DateTime), after(" ", mark.Note))
	fmt.Fprintf(&p.body, `<path class="m%s" transform="translate(%s %s)" d="%s"><title>%s</title></path>`+"\n",
		mark.Kind, number(p.x(mark.Time)), number(p.y-4), markPaths[mark.Kind], escape(about))
}

// lowered is how much lower a mark is in the key, where it is above no bar.
var lowered = map[history.MarkKind]float64{history.Tainted: 8}

// key explains what is used.
func (p *picture) key() {
	x := float64(svgMargin)
	p.y += svgLine + 6
	next := func(label string, draw func(x float64)) {
		if x+svgLegend > svgWidth-svgMargin {
			x = svgMargin
			p.y += svgLine
		}
		draw(x)
		p.textAt(x+30, p.y, "axis", "start", label)
		x += svgLegend
	}
	for _, kind := range history.Kinds() {
		if p.used[kind] {
			height := cmp.Or(heights[kind], 10)
			next(looks[kind].words, func(x float64) { p.rect("b"+string(kind), x, p.y-4-height/2, 22, height, "") })
		}
	}
	for _, kind := range []history.MarkKind{history.Tainted, history.Approved, history.Proved, history.Failed, history.Cancelled} {
		if p.marks[kind] {
			next(strings.ToLower(string(kind)), func(x float64) {
				fmt.Fprintf(&p.body, `<path class="m%s" transform="translate(%s %s)" d="%s"/>`+"\n",
					kind, number(x+11), number(p.y+lowered[kind]-4), markPaths[kind])
			})
		}
	}
	shown := map[history.ShadeKind]bool{}
	for i := range p.chart.Shades {
		if kind := p.chart.Shades[i].Kind; !shown[kind] {
			shown[kind] = true
			next(shadeLooks[kind].words, func(x float64) { p.rect("strip"+string(kind), x, p.y-9, 22, 8, "") })
		}
	}
}

// words writes the summaries and notes below.
func (p *picture) words() {
	p.y += svgLine
	var all []string
	for i := range p.chart.Policies {
		all = append(all, sentencesOf(&p.chart.Policies[i]))
	}
	if rowsOf(p.chart) == 0 {
		all = append(all, "Nothing happened in this time.")
	}
	for _, note := range p.chart.Notes {
		all = append(all, "Note: "+note)
	}
	for _, text := range all {
		for _, line := range wrap(plain(text), svgWords) {
			p.y += svgLine
			p.text(svgMargin, "words", line)
		}
	}
}

func (p *picture) times(start, end time.Time) string {
	layout := time.TimeOnly
	if start.In(p.zone).Format(time.DateOnly) != end.In(p.zone).Format(time.DateOnly) {
		layout = time.DateTime
	}
	return fmt.Sprintf("%s to %s, %s", start.In(p.zone).Format(time.DateTime), end.In(p.zone).Format(layout), history.Span(end.Sub(start)))
}

func (p *picture) rect(class string, x, y, width, height float64, about string) {
	fmt.Fprintf(&p.body, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"`, class, number(x), number(y), number(width), number(height))
	if about == "" {
		p.body.WriteString("/>\n")
		return
	}
	fmt.Fprintf(&p.body, "><title>%s</title></rect>\n", escape(about))
}

func (p *picture) text(x float64, class, text string) { p.textAt(x, p.y, class, "start", text) }

func (p *picture) textAt(x, y float64, class, anchor, text string) {
	fmt.Fprintf(&p.body, `<text class="%s" x="%s" y="%s" text-anchor="%s">%s</text>`+"\n", class, number(x), number(y), anchor, escape(text))
}

// number of pixels, to a tenth.
func number(f float64) string { return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0") }

// escape a text for XML. What XML does not allow is replaced.
func escape(text string) string {
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(plain(text))) // a strings.Builder takes everything
	return escaped.String()
}
