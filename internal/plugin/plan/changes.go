package plan

import (
	"cmp"
	"fmt"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
)

// said says what becomes of a policy.
var said = map[Kind]string{
	Added: "is new", Replaced: "replaces the one in the cluster", Same: "is the same in the cluster and in the file",
	Affected: "is not in the file, and changes",
}

func (w *writer) changes(changes *Changes) {
	w.line("")
	w.line(w.app.Paint(app.Strong, "What changes:"))
	for i := range changes.Policies {
		w.policyChange(&changes.Policies[i])
	}
	if len(changes.Nodes) == 0 {
		w.line("Every node that needs a reboot starts as it would without the file.")
		return
	}
	table := cells.Table{Heading: []string{"NODE", "POLICY", "STARTS WITHOUT THE FILE", "WITH IT"}, Evenly: true}
	for i := range changes.Nodes {
		change := &changes.Nodes[i]
		if i >= shownNodes && !w.all {
			break
		}
		table.Rows = append(table.Rows, []string{
			cells.Clean(change.Name), policyText(change),
			placed(change.PlaceBefore, w.times(change.StartBefore, "not known")), placed(change.PlaceAfter, w.times(change.StartAfter, "not known")),
		})
	}
	w.table(&table)
	if rest := len(changes.Nodes) - shownNodes; rest > 0 && !w.all {
		w.line(fmt.Sprintf("and %d more; --all writes them", rest))
	}
}

func policyText(change *NodeChange) string {
	before, after := orNone(change.PolicyBefore), orNone(change.PolicyAfter)
	if before == after {
		return after
	}
	return before + " -> " + after
}

func orNone(policy string) string { return cmp.Or(cells.Clean(policy), "none") }

func placed(place int, start string) string {
	if place == 0 {
		return start
	}
	return fmt.Sprintf("#%d %s", place, start)
}

func (w *writer) policyChange(change *PolicyChange) {
	w.line(fmt.Sprintf("RebootPolicy %s %s", cells.Clean(change.Name), said[change.Change]))
	if len(change.Gained) > 0 {
		w.paragraph("  + ", fmt.Sprintf("gains %s: %s", model.Count(len(change.Gained), "node"), names(moveTexts(change.Gained, "from"), "")))
	}
	if len(change.Lost) > 0 {
		w.paragraph("  - ", fmt.Sprintf("loses %s: %s", model.Count(len(change.Lost), "node"), names(moveTexts(change.Lost, "to"), "")))
	}
	if moved(change.FinishBefore, change.FinishAfter) {
		w.line("  * done " + w.finish(change))
	}
	for i := range change.NewObstacles {
		w.paragraph("  ! ", fmt.Sprintf("new obstacle (%s): %s", change.NewObstacles[i].Reason, change.NewObstacles[i].Message))
	}
	for i := range change.GoneObstacles {
		w.paragraph("  * ", fmt.Sprintf("no longer an obstacle (%s): %s", change.GoneObstacles[i].Reason, change.GoneObstacles[i].Message))
	}
}

func (w *writer) finish(change *PolicyChange) string {
	const unknown = "at an unknown time"
	switch {
	case change.RequiredBefore == 0:
		return w.times(change.FinishAfter, unknown)
	case change.RequiredAfter == 0:
		return "at once, instead of " + w.times(change.FinishBefore, unknown)
	}
	text := fmt.Sprintf("%s instead of %s", w.times(change.FinishAfter, unknown), w.times(change.FinishBefore, unknown))
	if !change.FinishBefore.Known() || !change.FinishAfter.Known() {
		return text
	}
	by := change.FinishAfter.Median().Sub(change.FinishBefore.Median())
	direction := "later"
	if by < 0 {
		direction = "earlier"
	}
	return fmt.Sprintf("%s, %s %s", text, duration.HumanDuration(by.Abs()), direction)
}

func moveTexts(moves []Move, word string) []string {
	texts := make([]string, len(moves))
	for i, move := range moves {
		texts[i] = move.Node
		if move.Policy != "" {
			texts[i] += fmt.Sprintf(" (%s %s)", word, move.Policy)
		}
	}
	return texts
}
