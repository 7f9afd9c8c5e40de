package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// view shows the NodeReboots: as a table that is drawn again and again, or as a line for every change.
type view struct {
	out  io.Writer
	live bool
	// start of the rollout.
	start time.Time
	// seen is how many records were shown, and shown is what the last line of each NodeReboot said.
	seen  int
	shown map[string]string
	// height of the table that is on the screen.
	height int
}

func newView(options Options) *view {
	return &view{out: options.Out, live: options.Live, shown: map[string]string{}}
}

// say prints a sentence. A table is drawn below it, not over it.
func (v *view) say(format string, args ...any) {
	_, _ = fmt.Fprintf(v.out, format+"\n", args...)
	v.height = 0
}

func (v *view) show(recording testbed.Recording) {
	fresh := recording.Reboots[v.seen:]
	v.seen = len(recording.Reboots)
	if v.live {
		v.draw(recording)
		return
	}
	for _, record := range fresh {
		v.line(record)
	}
}

func (v *view) line(record testbed.RebootRecord) {
	s := record.Status
	text := fmt.Sprintf("%-12s %-5s %-10s %s", record.Node, s.Zone, s.Phase, s.Reason)
	if s.Phase == "" || v.shown[record.Name] == text {
		return
	}
	v.shown[record.Name] = text
	_, _ = fmt.Fprintf(v.out, "%6.1fs  %s\n", record.At.Sub(v.start).Seconds(), text)
}

// draw draws the table over the one before.
func (v *view) draw(recording testbed.Recording) {
	last := map[string]testbed.RebootRecord{}
	for _, record := range recording.Reboots {
		last[record.Node] = record
	}
	nodes := map[string]testbed.NodeRecord{}
	for _, record := range recording.Nodes {
		nodes[record.Name] = record
	}
	var names []string
	for name := range last {
		names = append(names, name)
	}
	slices.Sort(names)
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "NODE\tZONE\tREADY\tTAINT\tCORDON\tPHASE\tREASON\n")
	for _, name := range names {
		node, s := nodes[name], last[name].Status
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, node.Zone, mark(node.Ready), mark(node.Tainted), mark(node.Cordoned),
			phaseBar(s.Phase), s.Reason)
	}
	_ = table.Flush()
	if v.height > 0 {
		_, _ = fmt.Fprintf(v.out, "\x1b[%dA\x1b[J", v.height)
	}
	_, _ = io.WriteString(v.out, text.String())
	v.height = strings.Count(text.String(), "\n")
}

func mark(set bool) string {
	if set {
		return "yes"
	}
	return "-"
}

// phaseBar is the phase with a mark that the eye finds.
func phaseBar(phase v1alpha1.Phase) string {
	marks := map[v1alpha1.Phase]string{
		v1alpha1.PhasePending: ".", v1alpha1.PhaseDraining: ">", v1alpha1.PhaseRebooting: "#", v1alpha1.PhaseRecovering: "<",
		v1alpha1.PhaseSucceeded: "=", v1alpha1.PhaseFailed: "!", v1alpha1.PhaseCancelled: "x",
	}
	return marks[phase] + " " + string(phase)
}
