package live

import (
	"fmt"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/overview"
)

// Frame is everything that a screen is made of.
type Frame struct {
	overview.Clock
	Width, Height int
	// Heading is a line above the view; it may be empty.
	Heading  string
	Overview *overview.Overview
	Log      []Entry
	Blind    *Blind
	// Selected is the policy whose nodes are shown.
	Selected int
	// Offset is the first line of the nodes that is shown, or, counted from the end, the last one of the log.
	Offset int
	// FullLog shows the log in place of the nodes. Help explains the keys.
	FullLog, Help bool
	// Hide leaves out nodes that are done.
	Hide  bool
	Paint func(app.Color, string) string
}

// least is the smallest screen that anything is shown on.
const (
	leastWidth  = 40
	leastHeight = 10
)

const footer = "q quit  ↑↓ PgUp PgDn scroll  tab policy  l log  f done nodes  ? help"

var help = []string{
	"Keys",
	"  q, ctrl+c          quit",
	"  tab, shift+tab     next and previous policy",
	"  ↑ ↓, PgUp PgDn     scroll; Home and End go to the ends",
	"  l                  the log in place of the nodes, and back",
	"  f                  hide or show nodes that are done",
	"  ?                  this help, and back",
	"",
	"Bars",
	"  A node's bar has three parts: drain, reboot, recovery. The drain fills as",
	"  pods leave. ▒ is what goes on, █ is done.",
	"",
	"  kubectl reboots why NODE says more about a node.",
}

// Screen draws a frame: so many lines as it is high, none wider than it is.
func Screen(f *Frame) []string {
	if f.Width < leastWidth || f.Height < leastHeight {
		return f.fill([]string{fmt.Sprintf("The terminal is too small: %dx%d", leastWidth, leastHeight), "is the minimum."})
	}
	lines := f.top()
	rest := f.Height - len(lines) - 1
	switch {
	case f.Help:
		lines = append(lines, f.rule("Help"))
		lines = append(lines, first(help, rest-1)...)
	case f.FullLog:
		lines = append(lines, f.rule("Log"))
		lines = append(lines, f.logLines(rest-1, f.Offset)...)
	default:
		body, log := f.split(rest)
		lines = append(lines, f.rule(f.nodesTitle(body)))
		lines = append(lines, pad(f.bodyLines(body), body)...)
		lines = append(lines, f.rule("Log"))
		lines = append(lines, f.logLines(log, 0)...)
	}
	lines = pad(lines, f.Height-1)
	return f.fill(append(lines, f.paint(app.Faint, cells.Cut(footer, f.Width))))
}

// Last is the largest offset that makes sense.
func (f *Frame) Last() int {
	rest := f.Height - len(f.top()) - 1
	if f.FullLog {
		return max(len(f.Log)-(rest-1), 0)
	}
	body, _ := f.split(rest)
	return max(len(f.rows())-body, 0)
}

// Page is how far PgUp and PgDn go.
func (f *Frame) Page() int {
	rest := f.Height - len(f.top()) - 1
	if f.FullLog {
		return max(rest-2, 1)
	}
	body, _ := f.split(rest)
	return max(body-1, 1)
}

// split says how many of the lines nodes and log get, besides a rule for each.
func (f *Frame) split(rest int) (body, log int) {
	log = min(max(rest/3, 2), 12)
	return max(rest-log-2, 1), log
}

func (f *Frame) paint(color app.Color, text string) string {
	if f.Paint == nil || color == "" {
		return text
	}
	return f.Paint(color, text)
}

// fill cuts lines and adds empty ones, so that they are the size of the screen.
func (f *Frame) fill(lines []string) []string {
	lines = pad(first(lines, f.Height), f.Height)
	for i := range lines {
		lines[i] = strings.TrimRight(cells.Cut(lines[i], f.Width), " ")
	}
	return lines
}

func first(lines []string, count int) []string { return lines[:max(min(len(lines), count), 0)] }

func pad(lines []string, count int) []string {
	for len(lines) < count {
		lines = append(lines, "")
	}
	return lines
}

// rule is a line with a title.
func (f *Frame) rule(title string) string {
	text := "── " + title + " "
	return f.paint(app.Faint, cells.Cut(text+strings.Repeat("─", max(f.Width-cells.Width(text), 0)), f.Width))
}

// top is what is above the nodes.
func (f *Frame) top() []string {
	var lines []string
	for _, line := range f.atMost(2, cells.Clean(f.Heading), f.Width) {
		lines = append(lines, f.paint(app.Strong, line))
	}
	if f.Blind != nil {
		text := fmt.Sprintf("The cluster has not been visible since %s (%s); what follows is from then. %v",
			f.Blind.Since.In(f.Zone).Format("15:04:05"), f.ago(f.Blind.Since), f.Blind.Why)
		for _, line := range f.atMost(2, cells.Clean(text), f.Width) {
			lines = append(lines, f.paint(app.Bad, line))
		}
	}
	policies := f.Overview.Policies
	if len(policies) == 0 {
		return append(lines, first(cells.Wrap(cells.Clean(overview.Empty()), f.Width), 4)...)
	}
	most := max(f.Height/6, 1)
	from := max(min(f.Selected-most/2, len(policies)-most), 0)
	for i := from; i < min(from+most, len(policies)); i++ {
		lines = append(lines, f.policyLine(&policies[i], i == f.Selected))
	}
	if most < len(policies) {
		lines = append(lines, f.paint(app.Faint, fmt.Sprintf("  policy %d of %d, tab for the next", f.Selected+1, len(policies))))
	}
	return append(lines, f.facts()...)
}

func (f *Frame) ago(t time.Time) string {
	return f.For(overview.At(t))
}

// policy is the one whose nodes are shown.
func (f *Frame) policy() *overview.Policy {
	if len(f.Overview.Policies) == 0 {
		return nil
	}
	return &f.Overview.Policies[max(min(f.Selected, len(f.Overview.Policies)-1), 0)]
}

// policyLine is one policy with its progress.
func (f *Frame) policyLine(p *overview.Policy, selected bool) string {
	mark := "  "
	if selected && len(f.Overview.Policies) > 1 {
		mark = "▸ "
	}
	state, color := p.State()
	name := cells.Fit(p.Title(), f.titleWidth())
	if selected {
		name = f.paint(app.Strong, name)
	}
	width := max(min(f.Width/4, 30), 8)
	line := mark + name + "  " + f.progress(p, width) + "  "
	// The usual values are not shown.
	if state != "" && state != string(v1alpha1.ModeEnforce) {
		line += f.paint(color, state) + "  "
	}
	return cells.Cut(line+f.counts(p), f.Width)
}

// titleWidth is how wide the names of policies are.
func (f *Frame) titleWidth() int {
	width := 0
	for i := range f.Overview.Policies {
		width = max(width, cells.Width(f.Overview.Policies[i].Title()))
	}
	return min(width, f.Width/4)
}

// progress is a bar: what is done, what is under way, and the rest.
func (f *Frame) progress(p *overview.Policy, width int) string {
	total := p.Total()
	if total == 0 {
		return f.paint(app.Faint, strings.Repeat("░", width))
	}
	done := p.Done * width / total
	bad := (p.Done+p.Failed)*width/total - done
	way := (p.Done+p.Failed+p.UnderWay)*width/total - done - bad
	return f.paint(app.Good, strings.Repeat("█", done)) + f.paint(app.Bad, strings.Repeat("█", bad)) +
		f.paint(app.Warning, strings.Repeat("▒", way)) + f.paint(app.Faint, strings.Repeat("░", width-done-bad-way))
}

func (f *Frame) counts(p *overview.Policy) string {
	if p.Total() == 0 {
		return "none needs a reboot"
	}
	text := fmt.Sprintf("%d/%d done", p.Done, p.Total())
	if p.UnderWay > 0 {
		text += fmt.Sprintf(", %d under way", p.UnderWay)
	}
	if p.Failed > 0 {
		text += f.paint(app.Bad, fmt.Sprintf(", %d failed", p.Failed))
	}
	return text
}

// facts are one or two lines about the policy that is selected.
func (f *Frame) facts() []string {
	p := f.policy()
	var parts []string
	var lines []string
	clock := f.Clock
	clock.Brief = true
	for _, fact := range p.Facts(clock) {
		switch {
		case fact.Text == "" || fact.Name == "Nodes":
		case fact.Color != "":
			lines = append(lines, "  "+f.paint(fact.Color, cells.Cut(cells.Clean(fact.Text), f.Width-2)))
		case fact.Name == "Limits":
			parts = append(parts, fact.Text)
		default:
			parts = append(parts, strings.ToLower(fact.Name)+" "+fact.Text)
		}
	}
	for _, line := range f.atMost(2, cells.Clean(strings.Join(parts, "; ")), f.Width-2) {
		lines = append(lines, "  "+f.paint(app.Faint, line))
	}
	return lines
}

// atMost breaks a text into so many lines at most. An ellipsis ends the last one if there would be more.
func (f *Frame) atMost(count int, text string, width int) []string {
	lines := cells.Wrap(text, width)
	if len(lines) <= count {
		return lines
	}
	lines[count-1] = cells.Cut(strings.Join(lines[count-1:], " "), width)
	return lines[:count]
}

// logLines are the last entries, without so many at the end, the newest at the bottom.
func (f *Frame) logLines(count, skip int) []string {
	end := max(len(f.Log)-skip, 0)
	var lines []string
	for _, e := range f.Log[max(end-count, 0):end] {
		lines = append(lines, f.logLine(&e))
	}
	return lines
}

func (f *Frame) logLine(e *Entry) string {
	line := e.At.In(f.Zone).Format("15:04:05") + "  "
	switch {
	case e.Node != "":
		line += cells.Clean(e.Node) + "  "
	case e.Policy != "":
		line += cells.Clean(e.Policy) + "  "
	}
	return cells.Cut(line+f.paint(e.Color, cells.Clean(e.Text)), f.Width)
}
