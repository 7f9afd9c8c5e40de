package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// rebootTime is how long hosts of rollouts are down.
const rebootTime = 10 * time.Second

// perPassFigure is the name of the figure that growth of passes is made of.
const perPassFigure = "manager per pass"

// scaledRollout says how rollouts differ from the world.
const scaledRollout = "hosts are down for 10 s, pods are ready 3 s after their start and take 1 s to end"

// Rows are all rows of the table, in its order.
func Rows() []Row {
	rows := []Row{{
		Name: "aks4", Title: "4 nodes in 3 zones, 4 replicas that take minutes, one node at a time", Takes: 150 * time.Second,
		Scaled: "a tenth: replicas take 24 s for 4 minutes, hosts are down for 2 s",
		Run:    runRollout(aks()),
	}}
	for _, size := range sizes {
		rows = append(rows, rolloutRow(size, v1alpha1.ZonesOneAtATime), rolloutRow(size, v1alpha1.ZonesAnyOrder))
	}
	probed := rolloutRow(rolloutSize{nodes: 30, slots: 3, minutes: 3}, v1alpha1.ZonesOneAtATime)
	probed.Name = "n30-probes"
	probed.Title += ", probes as a kubelet makes them"
	withProbes := rollout(30, 3, rebootTime, v1alpha1.ZonesOneAtATime)
	withProbes.kubelet = true
	probed.Run = runRollout(withProbes)
	return append(rows, probed,
		taintRow("taint5", 5*time.Second), taintRow("taint3", 3*time.Second),
		Row{
			Name: "idle", Title: "1,000 nodes with nothing to do", Takes: 3 * time.Minute,
			Run: idle(idleNodes, idleTime),
		},
		Row{Name: "pass", Title: "A pass over the cluster by its size, in the rollouts of this table", From: passes},
		Row{Name: "compute", Title: "The planner by size of the cluster", Takes: 3 * time.Minute, Run: compute},
		Row{Name: "programs", Title: "Helper and rebooter as processes", Takes: time.Minute, Run: programs},
	)
}

// rolloutSize is how large a rollout is, and about how many minutes it takes.
type rolloutSize struct{ nodes, slots, minutes int }

var sizes = []rolloutSize{{12, 2, 2}, {30, 3, 3}, {100, 10, 3}, {300, 30, 4}}

// name of the row of this size.
func (s rolloutSize) name(zones v1alpha1.ZoneStrategy) string {
	if zones == v1alpha1.ZonesAnyOrder {
		return fmt.Sprintf("n%d-any", s.nodes)
	}
	return fmt.Sprintf("n%d-zones", s.nodes)
}

func rolloutRow(size rolloutSize, zones v1alpha1.ZoneStrategy) Row {
	order := "one zone at a time"
	if zones == v1alpha1.ZonesAnyOrder {
		order = "zones in any order"
	}
	return Row{
		Name: size.name(zones), Title: fmt.Sprintf("%d nodes, %d at once, %s", size.nodes, size.slots, order), Scaled: scaledRollout,
		Takes: time.Duration(size.minutes) * time.Minute, Run: runRollout(rollout(size.nodes, size.slots, rebootTime, zones)),
	}
}

func taintRow(name string, every time.Duration) Row {
	return Row{
		Name: name, Title: fmt.Sprintf("9 nodes in 3 zones, one at a time, a blocking pod every %s: early taint against none", every),
		Scaled: fmt.Sprintf("to %.0f %%: pods block for 30 s, hosts are down for 20 s, and the time between pods", 100*taintScale),
		Takes:  4 * time.Minute, Run: taint(every),
	}
}

// runRollout measures one rollout.
func runRollout(s scenario) func(context.Context, Say) (Measured, error) {
	return func(ctx context.Context, say Say) (Measured, error) {
		o, err := s.run(ctx, say)
		if err != nil {
			return Measured{}, err
		}
		return o.measured(), nil
	}
}

func (o *outcome) measured() Measured {
	figures := slices.Concat(o.rolloutFigures(), o.requestFigures(), []Figure{
		processor(perPassFigure, o.programs.perPass(), "ms"),
		processor("manager per reboot", 1000*o.programs.cpu/float64(len(o.scenario.nodes)), "ms"),
		count("passes per reboot", o.programs.passes/float64(len(o.scenario.nodes))),
		memory("manager, most", o.programs.memory).goal(150),
	})
	return Measured{Figures: figures, Details: []Detail{o.requestDetail()}}
}

// Select chooses rows by their names, separated by commas; a name may end with *. Empty chooses all.
func Select(rows []Row, names string) ([]Row, error) {
	if names == "" {
		return rows, nil
	}
	var selected []Row
	for name := range strings.SplitSeq(names, ",") {
		prefix, open := strings.CutSuffix(strings.TrimSpace(name), "*")
		found := false
		for _, row := range rows {
			if row.Name == prefix || open && strings.HasPrefix(row.Name, prefix) {
				found = true
				selected = append(selected, row)
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no row %q; there are %s", name, strings.Join(rowNames(rows), ", "))
		}
	}
	return selected, nil
}

func rowNames(rows []Row) []string {
	var names []string
	for _, row := range rows {
		names = append(names, row.Name)
	}
	return names
}
