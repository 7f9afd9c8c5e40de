package live

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/overview"
)

// row is a line of the nodes: the heading of a zone, or a node.
type row struct {
	zone *overview.Zone
	node *overview.Node
	// how is what becomes of the node.
	how standing
}

type standing int

const (
	underWay standing = iota
	waits
	done
)

// rows are all lines of the nodes of the policy that is selected. Zones where something continues come first, and those that are done last.
func (f *Frame) rows() []row {
	p := f.policy()
	if p == nil {
		return nil
	}
	zones := make([]*overview.Zone, len(p.Zones))
	for i := range p.Zones {
		zones[i] = &p.Zones[i]
	}
	slices.SortStableFunc(zones, func(a, b *overview.Zone) int { return cmp.Compare(urgency(a), urgency(b)) })
	var rows []row
	for _, z := range zones {
		nodes := f.zoneRows(p, z)
		if len(nodes) > 0 {
			rows = append(append(rows, row{zone: z}), nodes...)
		}
	}
	return rows
}

func urgency(z *overview.Zone) int {
	switch {
	case len(z.UnderWay) > 0:
		return 0
	case len(z.Waiting) > 0:
		return 1
	}
	return 2
}

func (f *Frame) zoneRows(p *overview.Policy, z *overview.Zone) []row {
	var rows []row
	for i := range z.UnderWay {
		rows = append(rows, row{node: &z.UnderWay[i], how: underWay})
	}
	for i := range z.Waiting {
		rows = append(rows, row{node: &z.Waiting[i], how: waits})
	}
	for i := range z.Finished {
		n := &z.Finished[i]
		if f.Hide || n.Phase == v1alpha1.PhaseCancelled || p.Since == nil || n.Ended == nil || n.Ended.Time.Before(p.Since.Time) {
			continue
		}
		rows = append(rows, row{node: n, how: done})
	}
	return rows
}

func (f *Frame) nodesTitle(body int) string {
	rows := len(f.rows())
	if rows <= body {
		return "Nodes"
	}
	from := max(min(f.Offset, rows-body), 0)
	return fmt.Sprintf("Nodes, lines %d to %d of %d", from+1, min(from+body, rows), rows)
}

// bodyLines are the lines of the nodes that fit.
func (f *Frame) bodyLines(count int) []string {
	rows := f.rows()
	if len(rows) == 0 {
		if f.policy() == nil {
			return nil
		}
		return []string{"  No node needs a reboot."}
	}
	width := 0
	for _, r := range rows {
		if r.node != nil {
			width = max(width, cells.Width(cells.Clean(r.node.Name)))
		}
	}
	width = min(width, f.Width*2/5)
	from := max(min(f.Offset, len(rows)-count), 0)
	var lines []string
	for _, r := range rows[from:min(from+count, len(rows))] {
		if r.zone != nil {
			lines = append(lines, f.paint(app.Strong, cells.Cut(r.zone.Heading(), f.Width)))
			continue
		}
		lines = append(lines, cells.Cut(f.nodeLine(&r, width), f.Width))
	}
	return lines
}

// part is how wide each of the three parts of a bar is.
const part = 4

// bar shows the phases of a node.
func (f *Frame) bar(r *row) string {
	n := r.node
	full := func(cells int, now int) string {
		return strings.Repeat("█", cells) + strings.Repeat("▒", now) + strings.Repeat("░", 3*part-cells-now)
	}
	switch {
	case r.how == waits:
		return f.paint(app.Faint, full(0, 0))
	case r.how == done && n.Phase == v1alpha1.PhaseSucceeded:
		return f.paint(app.Good, full(3*part, 0))
	case r.how == done || n.Phase == v1alpha1.PhaseFailed:
		return f.paint(app.Bad, full(2*part, 0))
	case n.Phase == v1alpha1.PhaseRebooting:
		return f.paint(app.Warning, full(part, part))
	case n.Phase == v1alpha1.PhaseRecovering:
		return f.paint(app.Warning, full(2*part, part))
	}
	gone := 0
	if n.PodsTotal != nil && *n.PodsTotal > 0 {
		gone = max(0, min((*n.PodsTotal-*n.PodsLeft)*part / *n.PodsTotal, part))
	}
	return f.paint(app.Warning, full(gone, part-gone))
}

// stateWidth is that of a reason.
const stateWidth = 22

func (f *Frame) nodeLine(r *row, width int) string {
	n := r.node
	line := "  " + cells.Fit(cells.Clean(n.Name), width) + "  " + f.bar(r) + "  "
	switch r.how {
	case waits:
		return line + f.paint(app.Faint, cells.Fit(cells.Clean(n.Reason), stateWidth)) + "  " + f.turn(n)
	case done:
		color := app.Good
		if n.Phase != v1alpha1.PhaseSucceeded {
			color = app.Bad
		}
		return line + f.paint(color, cells.Pad(string(n.Phase), 10)) + "  " + n.Took()
	}
	line += f.paint(n.Trouble(), cells.Pad(string(n.Phase), 10)) + "  " + cells.Pad(f.For(n.Since), 5)
	var rest []string
	if pods := n.Pods(); pods != "" {
		rest = append(rest, pods+" pods left")
	}
	if why := n.Why(); why != "" {
		rest = append(rest, why)
	}
	return line + "  " + f.paint(n.Trouble(), strings.Join(rest, ", "))
}

// expected writes a time that is not known exactly.
func (f *Frame) expected(t *metav1.Time) string {
	switch until := t.Sub(f.Now); {
	case until <= 0:
		return "about now"
	case until < 10*time.Minute:
		return "in about " + duration.HumanDuration(until.Round(time.Second))
	}
	return "about " + f.Day(t)
}

// turn is when a waiting node is expected to start, as far as that is known.
func (f *Frame) turn(n *overview.Node) string {
	var parts []string
	if queue := n.Turn.Queue(); queue != "" {
		parts = append(parts, queue)
	}
	switch {
	case n.Turn != nil && n.Turn.Start != nil:
		parts = append(parts, f.expected(n.Turn.Start))
	case n.Until != nil:
		parts = append(parts, "until "+f.Day(n.Until))
	}
	return strings.Join(parts, "  ")
}
