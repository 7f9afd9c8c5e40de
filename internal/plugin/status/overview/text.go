package overview

import (
	"fmt"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
)

// Style is how an overview is written.
type Style struct {
	Clock
	Columns int
	// Wide adds messages, and times that are left out otherwise.
	Wide bool
	// All shows what has ended.
	All bool
	// Next is how many waiting nodes of a policy are shown; zero means all.
	Next int
	// Paint colors a text.
	Paint func(app.Color, string) string
}

func (s *Style) paint(color app.Color, text string) string {
	if s.Paint == nil || color == "" {
		return text
	}
	return s.Paint(color, text)
}

// Lines writes the overview.
func (o *Overview) Lines(style Style) []string {
	var lines []string
	for i := range o.Policies {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, o.Policies[i].lines(&style)...)
	}
	return lines
}

func (p *Policy) lines(style *Style) []string {
	lines := []string{cells.Cut(p.title(style), style.Columns)}
	for _, fact := range p.Facts(style.Clock) {
		lines = append(lines, fact.lines(style)...)
	}
	budget := p.share(style.Next)
	for i := range p.Zones {
		lines = append(lines, p.Zones[i].lines(style, budget[i])...)
	}
	return lines
}

// Title is the name of the policy; one without has another.
func (p *Policy) Title() string {
	if p.Name == "" {
		return "No policy"
	}
	return cells.Clean(p.Name)
}

// State is the mode, or what matters more.
func (p *Policy) State() (text string, color app.Color) {
	switch {
	case p.Name == "":
		return "", ""
	case p.Missing:
		return "deleted", app.Bad
	case p.Summary == "" || p.Summary == "Unknown":
		return string(p.Mode), ""
	case p.Summary == "Halted", p.Summary == "Invalid":
		return string(p.Mode) + ", " + p.Summary, app.Bad
	case p.Summary == "NoNodes", p.Summary == "Shadowed", p.Summary == "Overlap":
		return string(p.Mode) + ", " + p.Summary, app.Warning
	case p.Mode != v1alpha1.ModeEnforce:
		return string(p.Mode), app.Warning
	}
	return string(p.Mode), app.Good
}

func (p *Policy) title(style *Style) string {
	state, color := p.State()
	title := style.paint(app.Strong, p.Title())
	if state != "" {
		title += "  " + style.paint(color, cells.Clean(state))
	}
	return title
}

// Fact is one line about a policy.
type Fact struct {
	Name, Text string
	Color      app.Color
}

// factName is how wide the names of facts are.
const factName = 10

func (f *Fact) lines(style *Style) []string {
	var lines []string
	for i, text := range cells.Wrap(cells.Clean(f.Text), style.Columns-factName-2) {
		name := ""
		if i == 0 {
			name = f.Name + ":"
		}
		lines = append(lines, "  "+cells.Pad(name, factName)+style.paint(f.Color, strings.TrimRight(text, " ")))
	}
	return lines
}

// Facts are the facts about the policy other than its nodes.
func (p *Policy) Facts(clock Clock) []Fact {
	if p.Missing {
		return []Fact{{Name: "Nodes", Text: p.Counts(clock)}, {Name: "Waiting", Text: p.Reasons()}}
	}
	facts := []Fact{
		{Name: "Problem", Text: p.Message, Color: app.Bad},
		{Name: "Window", Text: p.WindowText(clock)},
		{Name: "Canary", Text: p.canaryText(clock)},
		{Name: "Limits", Text: p.limitsText()},
		{Name: "Nodes", Text: p.Counts(clock)},
		{Name: "Waiting", Text: p.Reasons()},
		{Name: "Finish", Text: p.finishText(clock)},
	}
	if p.Unseen {
		facts = append(facts, Fact{
			Name: "Note", Color: app.Warning,
			Text: "The manager has not seen this version of the policy yet. If that lasts, type: kubectl reboots check",
		})
	}
	return facts
}

// WindowText says where the schedule stands.
func (p *Policy) WindowText(clock Clock) string {
	w := p.Window
	switch {
	case w == nil:
		return ""
	case w.State == v1alpha1.WindowOpen && w.Closes == nil:
		return "open, no end in sight"
	case w.State == v1alpha1.WindowOpen:
		return "open until " + clock.Long(w.Closes)
	}
	text := "closed"
	if w.State == v1alpha1.WindowFrozen {
		text = "freeze " + w.Freeze
	}
	if w.Opens == nil {
		return text + ", does not open again"
	}
	return text + ", opens " + clock.Long(w.Opens)
}

// finishText is when the rollout is expected to end.
func (p *Policy) finishText(clock Clock) string {
	if p.Finish == nil {
		return ""
	}
	text := "about " + clock.Long(p.Finish)
	if p.Unknown > 0 {
		return fmt.Sprintf("not known for %s; the others %s", model.Count(p.Unknown, "node"), text)
	}
	return text
}

func (p *Policy) canaryText(clock Clock) string {
	c := p.Canary
	if c == nil {
		return ""
	}
	parts := []string{c.Count + " first"}
	for _, part := range []struct {
		count int
		word  string
	}{{c.UnderWay, "under way"}, {c.Soaking, "soaking"}, {c.Failed, "failed"}} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.word))
		}
	}
	text := strings.Join(parts, ", ")
	if c.Soaking > 0 && c.Soaked != nil {
		text += " until " + clock.Long(c.Soaked)
	}
	return text
}

func (p *Policy) limitsText() string {
	l := p.Limits
	text := fmt.Sprintf("%d of at most %d unavailable", l.Unavailable, l.MaxUnavailable)
	if strings.HasSuffix(l.Spec, "%") {
		text += " (" + l.Spec + ")"
	}
	if l.PerZone != "" {
		text += ", " + l.PerZone + " per zone"
	}
	if l.Strategy == v1alpha1.ZonesOneAtATime {
		text += ", one zone at a time"
	}
	return text
}

// Counts says how many nodes there are, and their progress.
func (p *Policy) Counts(clock Clock) string {
	var parts []string
	for _, part := range []struct {
		count int
		word  string
	}{{p.UnderWay, "under way"}, {p.Waiting, "waiting"}, {p.Done, "done"}, {p.Failed, "failed"}} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.word))
		}
	}
	text := ""
	if !p.Missing {
		text = fmt.Sprintf("%d; ", p.Nodes)
	}
	if len(parts) == 0 {
		return text + "none needs a reboot"
	}
	text += strings.Join(parts, ", ")
	if p.Since != nil && p.Done+p.Failed > 0 {
		text += " since " + clock.Day(p.Since)
	}
	return text
}

// Reasons counts the waiting nodes by what they wait for.
func (p *Policy) Reasons() string {
	var parts []string
	for _, r := range p.WaitingFor {
		reason := r.Reason
		if reason == "" {
			reason = "not seen yet"
		}
		parts = append(parts, fmt.Sprintf("%d %s", r.Nodes, reason))
	}
	return strings.Join(parts, ", ")
}

// share says how many waiting nodes of each zone are shown. Where zones go one at a time the first ones get all; else they take turns.
func (p *Policy) share(next int) []int {
	shares := make([]int, len(p.Zones))
	left := next
	if next <= 0 {
		left = p.Waiting
	}
	for round := 0; left > 0; round++ {
		before := left
		for i := range p.Zones {
			take := min(1, left, len(p.Zones[i].Waiting)-shares[i])
			if p.Limits.Strategy == v1alpha1.ZonesOneAtATime {
				take = min(left, len(p.Zones[i].Waiting)-shares[i])
			}
			shares[i] += take
			left -= take
		}
		if left == before {
			break
		}
	}
	return shares
}

func (z *Zone) lines(style *Style, share int) []string {
	if len(z.UnderWay)+len(z.Waiting) == 0 && (!style.All || len(z.Finished) == 0) {
		return nil
	}
	lines := []string{"", "  " + cells.Cut(style.paint(app.Strong, z.Title())+z.counts(), style.Columns-2)}
	indent := func(table cells.Table) {
		for _, line := range table.Lines(style.Columns - 4) {
			lines = append(lines, "    "+line)
		}
	}
	if len(z.UnderWay) > 0 {
		indent(underWayTable(z.UnderWay, style))
	}
	if share > 0 {
		indent(waitingTable(z.Waiting[:share], style))
	}
	if more := len(z.Waiting) - share; more > 0 {
		and := "and "
		if share == 0 {
			and = ""
		}
		lines = append(lines, "    "+style.paint(app.Faint, fmt.Sprintf("%s%d more waiting", and, more)))
	}
	if style.All && len(z.Finished) > 0 {
		indent(finishedTable(z.Finished, style))
	}
	return lines
}

// longestZone is how much of a zone's name is shown.
const longestZone = 30

// Title of the zone.
func (z *Zone) Title() string {
	if z.Name == "" {
		return "No zone"
	}
	return "Zone " + cells.Cut(cells.Clean(z.Name), longestZone)
}

// Heading is the title of the zone, and how many of its nodes are how far.
func (z *Zone) Heading() string { return z.Title() + z.counts() }

func (z *Zone) counts() string {
	var parts []string
	if n := len(z.UnderWay); n > 0 {
		parts = append(parts, fmt.Sprintf("%d under way", n))
	}
	if n := len(z.Waiting); n > 0 {
		parts = append(parts, fmt.Sprintf("%d waiting", n))
	}
	if z.Done > 0 {
		parts = append(parts, fmt.Sprintf("%d done", z.Done))
	}
	if z.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", z.Failed))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// Empty says what there is to do where no policy is.
func Empty() string {
	return "There are no RebootPolicies, and no node needs a reboot. A policy says which\n" +
		"nodes may be rebooted, and when. For its fields, type:\n" +
		"  kubectl explain rebootpolicy.spec"
}

// Hidden says how many have ended and are not shown.
func (o *Overview) Hidden() string {
	hidden := 0
	for i := range o.Policies {
		for j := range o.Policies[i].Zones {
			hidden += len(o.Policies[i].Zones[j].Finished)
		}
	}
	if hidden == 0 {
		return ""
	}
	return model.Count(hidden, "finished NodeReboot") + " not shown; --all shows them."
}
