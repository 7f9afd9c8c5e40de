package history

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Build makes a chart.
func Build(in *Input) *Chart {
	b := newBuilder(in)
	chart := &Chart{Version: Version, From: in.From, To: in.To, Now: in.Now}
	drawn := b.rows()
	chart.Lanes = b.lanes(drawn)
	chart.Policies = b.summaries(drawn)
	if !in.NoShades {
		chart.Shades = b.shades(drawn)
	}
	chart.Notes = b.notes
	return chart
}

// builder has the input by name.
type builder struct {
	*Input
	nodes    map[string]*corev1.Node
	policies map[string]*v1alpha1.RebootPolicy
	reboots  map[string][]*v1alpha1.NodeReboot
	expected map[string][]*Expected
	events   map[string][]Entry
	drains   map[string][]time.Time
	notes    []string
}

func newBuilder(in *Input) *builder {
	b := &builder{
		Input: in,
		nodes: map[string]*corev1.Node{}, policies: map[string]*v1alpha1.RebootPolicy{}, reboots: map[string][]*v1alpha1.NodeReboot{},
		expected: map[string][]*Expected{},
	}
	for i := range in.Nodes {
		b.nodes[in.Nodes[i].Name] = &in.Nodes[i]
	}
	for i := range in.Policies {
		b.policies[in.Policies[i].Name] = &in.Policies[i]
	}
	for i := range in.Reboots {
		r := &in.Reboots[i]
		if r.Spec.NodeName == "" {
			b.note("NodeReboot %s names no node that can be read, so it is not shown.", r.Name)
			continue
		}
		b.reboots[r.Spec.NodeName] = append(b.reboots[r.Spec.NodeName], r)
	}
	for _, reboots := range b.reboots {
		slices.SortFunc(reboots, func(x, y *v1alpha1.NodeReboot) int {
			return cmp.Or(beginning(x).Compare(beginning(y)), cmp.Compare(x.Name, y.Name), cmp.Compare(x.UID, y.UID))
		})
	}
	for i := range in.Forecast {
		e := &in.Forecast[i]
		b.expected[e.Node] = append(b.expected[e.Node], e)
	}
	b.events = eventEntries(in.Events)
	b.drains = drains(b.events)
	return b
}

func (b *builder) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// drawnRow is a row, and what it was made of.
type drawnRow struct {
	Row
	zone    string
	reboots []*v1alpha1.NodeReboot
}

// rows are the nodes to which something happened in the time of the chart, and those that are asked for.
func (b *builder) rows() []drawnRow {
	var names []string
	for name := range b.reboots {
		names = append(names, name)
	}
	for name := range b.expected {
		names = append(names, name)
	}
	for name := range b.nodes {
		names = append(names, name)
	}
	slices.SortFunc(names, Natural)
	var rows []drawnRow
	for _, name := range slices.Compact(names) {
		if row, shown := b.row(name); shown {
			rows = append(rows, row)
		}
	}
	return rows
}

func (b *builder) row(name string) (drawnRow, bool) {
	_, exists := b.nodes[name]
	asked := slices.Contains(b.OnlyNodes, name)
	row := drawnRow{Row: Row{Node: name, Gone: !exists, Bars: []Bar{}}}
	for _, r := range b.reboots[name] {
		if asked || b.wanted(PolicyOf(r)) {
			b.add(&row, r)
		}
	}
	for _, e := range b.expected[name] {
		if asked || b.wanted(e.Policy) {
			row.Bars = append(row.Bars, e.bars(b.From, b.To)...)
			row.Policy, row.zone = cmp.Or(row.Policy, e.Policy), cmp.Or(row.zone, e.Zone)
		}
	}
	slices.SortStableFunc(row.Bars, func(x, y Bar) int { return x.Start.Compare(y.Start) })
	slices.SortStableFunc(row.Marks, func(x, y Mark) int { return x.Time.Compare(y.Time) })
	row.zone = cmp.Or(b.zoneOf(name, row.Policy, row.reboots), row.zone)
	if b.Stories {
		row.Story = b.tell(&row)
	}
	all := b.AllNodes && exists && len(b.OnlyNodes)+len(b.OnlyPolicies) == 0
	return row, len(row.Bars)+len(row.Marks) > 0 || asked || all
}

// add adds what is recorded in a NodeReboot, if any of it is in the time of the chart.
func (b *builder) add(row *drawnRow, r *v1alpha1.NodeReboot) {
	d := b.draw(r)
	if len(d.bars)+len(d.marks) == 0 {
		return
	}
	row.Bars, row.Marks, row.reboots = append(row.Bars, d.bars...), append(row.Marks, d.marks...), append(row.reboots, r)
	row.Policy = PolicyOf(r)
	if b.Stories {
		row.Story = append(row.Story, b.story(r)...)
	}
}

// wanted says whether the chart has the nodes of a policy that it does not name.
func (b *builder) wanted(policy string) bool {
	if len(b.OnlyNodes)+len(b.OnlyPolicies) == 0 {
		return true
	}
	return slices.Contains(b.OnlyPolicies, policy)
}

// zoneOf a node: as it is labeled, otherwise as it was when its last NodeReboot saw it.
func (b *builder) zoneOf(name, policy string, reboots []*v1alpha1.NodeReboot) string {
	key := corev1.LabelTopologyZone
	if p := b.policies[policy]; p != nil && p.Spec.Rollout.Zones.TopologyKey != "" {
		key = p.Spec.Rollout.Zones.TopologyKey
	}
	if node := b.nodes[name]; node != nil && node.Labels[key] != "" {
		return node.Labels[key]
	}
	for _, r := range slices.Backward(reboots) {
		if a := r.Status.Attempt; a != nil && a.Zone != "" {
			return a.Zone
		}
		if r.Status.Zone != "" {
			return r.Status.Zone
		}
	}
	return ""
}

// lanes are the zones in the order of the policies, then by name; the one without a name is last.
func (b *builder) lanes(rows []drawnRow) []Lane {
	byZone := map[string][]Row{}
	for i := range rows {
		byZone[rows[i].zone] = append(byZone[rows[i].zone], rows[i].Row)
	}
	var names []string
	for zone := range byZone {
		names = append(names, zone)
	}
	place := b.zonePlaces()
	slices.SortFunc(names, func(x, y string) int {
		return cmp.Or(compareBool(x == "", y == ""), cmp.Compare(place(x), place(y)), Natural(x, y))
	})
	lanes := make([]Lane, 0, len(names))
	for _, zone := range names {
		lanes = append(lanes, Lane{Zone: zone, Rows: byZone[zone]})
	}
	return lanes
}

// zonePlaces says where a zone is in the orders of the policies, one after the other by name.
func (b *builder) zonePlaces() func(string) int {
	places := map[string]int{}
	names := make([]string, 0, len(b.policies))
	for name := range b.policies {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, zone := range b.policies[name].Spec.Rollout.Zones.Order {
			if _, known := places[zone]; !known {
				places[zone] = len(places)
			}
		}
	}
	return func(zone string) int {
		if place, known := places[zone]; known {
			return place
		}
		return len(places)
	}
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return 1
	}
	return -1
}

// PolicyOf is the policy of a NodeReboot: the policy that granted its last attempt, otherwise the policy that owns the node.
func PolicyOf(r *v1alpha1.NodeReboot) string {
	if a := r.Status.Attempt; a != nil && a.PolicyName != "" && a.EndedTime == nil {
		return a.PolicyName
	}
	return r.Status.PolicyName
}

// beginning of a NodeReboot: since when it is required, otherwise when it was created.
func beginning(r *v1alpha1.NodeReboot) time.Time {
	if since := r.Status.RequiredSince; !since.IsZero() {
		return since.Time
	}
	return r.CreationTimestamp.Time
}
