package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
)

// shownNodes is how many nodes of a policy are written, and shownNames how many names in a sentence.
const (
	shownNodes = 25
	shownNames = 5
)

// writer writes the answer as text.
type writer struct {
	strings.Builder
	app   *app.App
	width int
	now   time.Time
	all   bool
}

// text is the answer for people. Lines take no more than the terminal, and at least 80 columns.
func text(a *app.App, answer *Answer, all bool) string {
	w := &writer{app: a, width: max(a.Columns(), leastWidth), now: answer.Forecast.Computed, all: all}
	w.head(answer)
	for i := range answer.Forecast.Policies {
		w.policy(&answer.Forecast.Policies[i], nodesOf(answer.Forecast, answer.Forecast.Policies[i].Name))
	}
	w.unowned(answer.Forecast)
	if answer.Changes != nil {
		w.changes(answer.Changes)
	}
	w.assumptions(answer)
	return w.String()
}

// leastWidth is the width that everything is made for.
const leastWidth = 80

// line writes one line, cut to the width.
func (w *writer) line(text string) {
	w.WriteString(strings.TrimRight(ansi.Truncate(text, w.width, "…"), " "))
	w.WriteByte('\n')
}

// paragraph writes a text in several lines, all but the first of them indented.
func (w *writer) paragraph(first, text string) {
	indent := strings.Repeat(" ", ansi.StringWidth(first))
	for i, line := range wrap(cells.Clean(text), w.width-len(indent)) {
		if i == 0 {
			w.line(first + line)
			continue
		}
		w.line(indent + line)
	}
}

// wrap breaks a text into lines between words. The library would break names at their hyphens. Words that are too long are broken.
func wrap(text string, width int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		switch {
		case lines[last] == "":
			lines[last] = word
		case ansi.StringWidth(lines[last])+1+ansi.StringWidth(word) <= width:
			lines[last] += " " + word
		default:
			lines = append(lines, word)
		}
		if last = len(lines) - 1; ansi.StringWidth(lines[last]) > width {
			lines = append(lines[:last], strings.Split(ansi.Hardwrap(lines[last], width, false), "\n")...)
		}
	}
	return lines
}

func (w *writer) head(answer *Answer) {
	from := "The cluster as it is"
	if answer.From != "cluster" {
		from = fmt.Sprintf("%s, the cluster as it was %s", answer.From, w.when(answer.Taken))
	}
	if answer.Changes != nil {
		from += ", with the policies of the file"
	}
	w.paragraph("", fmt.Sprintf("%s. Times are from %s on, in %s.", from, w.now.In(w.app.Zone).Format("Mon 2006-01-02 15:04"), w.zone()))
	need := len(answer.Forecast.Nodes)
	w.line(fmt.Sprintf("%d of %s %s a reboot.", need, model.Count(answer.Nodes, "node"), model.Form(need, "needs", "need")))
	if answer.Forecast.Coarse {
		w.paragraph("", "This is a coarse forecast: "+answer.Forecast.Why)
	}
}

// zone that times are in, at the time from which the forecast looks.
func (w *writer) zone() string {
	name, offset := w.now.In(w.app.Zone).Zone()
	if location := w.app.Zone.String(); location != "" && location != "Local" && location != name {
		return fmt.Sprintf("%s (%s)", location, name)
	}
	if offset == 0 {
		return "UTC"
	}
	return name
}

// when writes a time: the time of day if that is today, otherwise the date as well.
func (w *writer) when(t time.Time) string {
	const far = 300 * 24 * time.Hour
	local, now := t.In(w.app.Zone), w.now.In(w.app.Zone)
	switch {
	case local.Format(time.DateOnly) == now.Format(time.DateOnly):
		return local.Format("15:04")
	case local.Sub(now).Abs() > far:
		return local.Format("2006-01-02 15:04")
	}
	return local.Format("Mon 02 Jan 15:04")
}

// times writes a time that is not known exactly.
func (w *writer) times(t forecast.Times, unknown string) string {
	if !t.Known() {
		return unknown
	}
	return w.when(t.Median())
}

// both writes the median, and the time that nine of ten runs do not exceed.
func (w *writer) both(t forecast.Times, unknown string) string {
	text := w.times(t, unknown)
	if late := w.when(t.Late()); t.Known() && t.P90 != nil && late != text {
		text += fmt.Sprintf(" (nine times of ten by %s)", late)
	}
	return text
}

func nodesOf(f *forecast.Forecast, policy string) []*forecast.Node {
	var nodes []*forecast.Node
	for i := range f.Nodes {
		if f.Nodes[i].Policy == policy {
			nodes = append(nodes, &f.Nodes[i])
		}
	}
	return nodes
}

func (w *writer) policy(p *forecast.Policy, nodes []*forecast.Node) {
	w.line("")
	title := w.app.Paint(app.Strong, "RebootPolicy "+cells.Clean(p.Name))
	if p.Name == "" {
		title = w.app.Paint(app.Strong, "Nodes without a RebootPolicy")
	}
	if len(nodes) == 0 {
		w.line(title + ": no node needs a reboot")
		w.obstacles(p.Obstacles)
		return
	}
	w.line(fmt.Sprintf("%s: done %s", title, w.both(p.Finish, "at an unknown time")))
	counts := fmt.Sprintf("%d waiting, %d under way", p.Waiting, p.UnderWay)
	if p.Unknown > 0 {
		counts += ", " + w.app.Paint(app.Bad, fmt.Sprintf("%d not known to be done", p.Unknown))
	}
	w.line(counts)
	w.windows(p.Windows)
	w.nodes(nodes)
	w.obstacles(p.Obstacles)
}

func (w *writer) windows(windows []forecast.Window) {
	if len(windows) == 0 {
		return
	}
	w.line(fmt.Sprintf("It needs %s:", model.Count(len(windows), "window")))
	for i, window := range windows {
		if i == shownNames && !w.all {
			w.line(fmt.Sprintf("  and %d more", len(windows)-shownNames))
			return
		}
		closes := "stays open"
		if !window.Close.IsZero() {
			closes = "closes " + w.when(window.Close)
		}
		w.line(fmt.Sprintf("  opens %s, %s: %s", w.when(window.Open), closes, model.Counted(window.Starts, "node starts", "nodes start")))
	}
}

// nodes writes a table, in the order in which they start.
func (w *writer) nodes(nodes []*forecast.Node) {
	table := cells.Table{Heading: []string{"QUEUE", "NODE", "ZONE", "STARTS", "BACK"}, Evenly: true}
	rest := 0
	for i, node := range nodes {
		if i >= shownNodes && !w.all {
			rest++
			continue
		}
		table.Rows = append(table.Rows, []string{
			queue(node), cells.Clean(node.Name), cells.Clean(node.Zone), w.times(node.Start, "not known"), w.times(node.Back, "not known"),
		})
	}
	w.table(&table)
	if rest > 0 {
		w.line(fmt.Sprintf("and %d more; --all writes them", rest))
	}
}

// queue says where a node is in the order of its zone.
func queue(node *forecast.Node) string {
	switch {
	case node.State == forecast.UnderWay:
		return "under way"
	case node.Position == 0:
		return "-"
	}
	return fmt.Sprintf("%d/%d", node.Position, node.Of)
}

func (w *writer) table(table *cells.Table) {
	for _, line := range table.Lines(w.width) {
		w.line(line)
	}
}

func (w *writer) obstacles(obstacles []forecast.Obstacle) {
	for i := range obstacles {
		o := &obstacles[i]
		kind := w.app.Paint(app.Warning, "Waits: ")
		if o.Permanent {
			kind = w.app.Paint(app.Bad, "Obstacle: ")
		}
		w.paragraph(kind, fmt.Sprintf("%s (%s): %s", names(o.Nodes, "the policy"), o.Reason, o.Message))
	}
}

// names writes some of many names.
func names(all []string, none string) string {
	if len(all) == 0 {
		return none
	}
	if len(all) <= shownNames {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:shownNames], ", "), len(all)-shownNames)
}

// unowned writes nodes that need a reboot and that no policy of the forecast has.
func (w *writer) unowned(f *forecast.Forecast) {
	if obstacles := unowned(f); len(obstacles) > 0 {
		w.line("")
		w.obstacles(obstacles)
	}
}

// unowned are the obstacles of nodes that no policy of the forecast has, one for each reason, with the message of the first node.
func unowned(f *forecast.Forecast) []forecast.Obstacle {
	var obstacles []forecast.Obstacle
	for i := range f.Nodes {
		node := &f.Nodes[i]
		if node.Obstacle == nil || f.Policy(node.Policy) != nil {
			continue
		}
		at := slices.IndexFunc(obstacles, func(o forecast.Obstacle) bool {
			return o.Reason == node.Obstacle.Reason && o.Permanent == node.Obstacle.Permanent
		})
		if at < 0 {
			at = len(obstacles)
			obstacles = append(obstacles, forecast.Obstacle{
				Reason: node.Obstacle.Reason, Message: node.Obstacle.Message, Permanent: node.Obstacle.Permanent,
			})
		}
		obstacles[at].Nodes = append(obstacles[at].Nodes, node.Name)
	}
	return obstacles
}

func (w *writer) assumptions(answer *Answer) {
	all := slices.Concat(answer.Assumptions, answer.Forecast.Assumptions)
	if len(all) == 0 {
		return
	}
	w.line("")
	w.line("What is assumed:")
	for _, assumption := range all {
		w.paragraph("- ", assumption)
	}
}
