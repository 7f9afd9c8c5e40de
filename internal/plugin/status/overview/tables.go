package overview

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
)

// longestName is how much of a node's name is shown.
const longestName = 63

func name(n *Node, style *Style) string {
	text := cells.Clean(n.Name)
	if style.Wide {
		return text
	}
	return cells.Cut(text, longestName)
}

// Trouble says whether a node under way is in trouble, and how much.
func (n *Node) Trouble() app.Color {
	switch {
	case n.Phase == v1alpha1.PhaseFailed:
		return app.Bad
	case n.Stuck, n.Reason == v1alpha1.ReasonDrainStuck, n.Reason == v1alpha1.ReasonEvictionRefused:
		return app.Warning
	}
	return ""
}

// Pods says how many pods are left.
func (n *Node) Pods() string {
	if n.PodsLeft == nil {
		return ""
	}
	return fmt.Sprintf("%d of %d", *n.PodsLeft, *n.PodsTotal)
}

// Why is the reason, unless the phase says the same.
func (n *Node) Why() string {
	if n.Reason == string(n.Phase) {
		return ""
	}
	return cells.Clean(n.Reason)
}

func underWayTable(nodes []Node, style *Style) cells.Table {
	table := cells.Table{Heading: []string{"NODE", "PHASE", "FOR", "PODS LEFT", "REASON"}}
	if style.Wide {
		table.Heading = append(table.Heading, "STARTED", "ATTEMPT", "MESSAGE")
	}
	for i := range nodes {
		n := &nodes[i]
		row := []string{name(n, style), string(n.Phase), style.For(n.Since), n.Pods(), n.Why()}
		if style.Wide {
			row = append(row, style.Day(n.Started), attempt(n), cells.Clean(n.Message))
		}
		table.Rows = append(table.Rows, row)
	}
	table.Paint = func(row, column int, text string) string {
		switch {
		case row < 0:
			return style.paint(app.Faint, text)
		case column == 1 || column == 4:
			return style.paint(nodes[row].Trouble(), text)
		}
		return text
	}
	return table
}

func attempt(n *Node) string {
	if n.Attempt == 0 {
		return ""
	}
	return fmt.Sprint(n.Attempt)
}

func waitingTable(nodes []Node, style *Style) cells.Table {
	table := cells.Table{Heading: []string{"NODE", "WAITS FOR", "UNTIL", "QUEUE", "EXPECTED"}, Paint: style.heading}
	if style.Wide {
		table.Heading = append(table.Heading, "BACK", "REQUIRED", "MESSAGE")
	}
	for i := range nodes {
		n := &nodes[i]
		row := []string{name(n, style), cells.Clean(n.Reason), style.Day(n.Until), n.Turn.Queue(), n.expected(style)}
		if style.Wide {
			row = append(row, n.back(style), style.For(n.Since), cells.Clean(n.Message))
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

func (s *Style) heading(row, _ int, text string) string {
	if row < 0 {
		return s.paint(app.Faint, text)
	}
	return text
}

// Queue is the place in the queue, such as 3/12.
func (t *Turn) Queue() string {
	switch {
	case t == nil || t.Position == 0:
		return ""
	case t.Of == 0:
		return fmt.Sprint(t.Position)
	}
	return fmt.Sprintf("%d/%d", t.Position, t.Of)
}

func (n *Node) expected(style *Style) string {
	if n.Turn == nil {
		return ""
	}
	return style.Day(n.Turn.Start)
}

func (n *Node) back(style *Style) string {
	if n.Turn == nil {
		return ""
	}
	return style.Day(n.Turn.Back)
}

func finishedTable(nodes []Node, style *Style) cells.Table {
	table := cells.Table{Heading: []string{"NODE", "OUTCOME", "ENDED", "TOOK", "REASON"}}
	if style.Wide {
		table.Heading = append(table.Heading, "ATTEMPT", "MESSAGE")
	}
	for i := range nodes {
		n := &nodes[i]
		row := []string{name(n, style), string(n.Phase), style.Day(n.Ended), n.Took(), n.Why()}
		if style.Wide {
			row = append(row, attempt(n), cells.Clean(n.Message))
		}
		table.Rows = append(table.Rows, row)
	}
	table.Paint = func(row, column int, text string) string {
		switch {
		case row < 0:
			return style.paint(app.Faint, text)
		case column == 1 && nodes[row].Phase == v1alpha1.PhaseFailed:
			return style.paint(app.Bad, text)
		case column == 1 && nodes[row].Phase == v1alpha1.PhaseSucceeded:
			return style.paint(app.Good, text)
		}
		return text
	}
	return table
}

// Took is how long the last attempt of a finished one took.
func (n *Node) Took() string {
	if n.Started == nil || n.Ended == nil {
		return ""
	}
	return duration.HumanDuration(max(n.Ended.Sub(n.Started.Time), 0).Truncate(time.Second))
}
