package dashboard

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// The states of a row that are no phases.
const (
	stateIdle       = "Idle"
	stateWaiting    = "Waiting"
	stateRolledBack = "RolledBack"
	stateProved     = "Proved"
	stateUnknown    = "Unknown"
)

// Input is what a page shows. Nothing in it is changed.
type Input struct {
	// Cluster is the name that the page shows.
	Cluster string
	Fleet   *app.Fleet
	// Chart is what happened; see Chart.
	Chart *history.Chart
	// Forecast is what is expected; nil if that is not known.
	Forecast *forecast.Forecast
	// Notes say what else the page cannot show.
	Notes []string
	// Installed is what of the operator runs, which explanations take into account; nil if that is not known.
	Installed *install.Installation
	// Zone is the time zone of times in sentences.
	Zone *time.Location
}

// MakeChart makes the chart of a page: what happened from a time on, to all nodes, and what is expected.
func MakeChart(fleet *app.Fleet, expected *forecast.Forecast, from, now time.Time, zone *time.Location) *history.Chart {
	return history.Build(chartInput(fleet, expected, from, now, zone))
}

func chartInput(fleet *app.Fleet, expected *forecast.Forecast, from, now time.Time, zone *time.Location) *history.Input {
	in := &history.Input{
		Reboots: fleet.Reboots, Policies: fleet.Policies, Nodes: fleet.Nodes, Forecast: Expected(expected),
		From: from.Truncate(quarter), To: now.Add(ahead).Truncate(quarter), Now: now, Zone: zone, AllNodes: true,
	}
	for i := range in.Forecast {
		if end := in.Forecast[i].End.Add(quarter).Truncate(quarter); end.After(in.To) {
			in.To = end
		}
	}
	return in
}

const (
	// quarter is what the edges of the chart are rounded to, so that they do not move with every look.
	quarter = 15 * time.Minute
	// ahead is how far windows are shown at least.
	ahead = 48 * time.Hour
)

// Expected is a forecast as a chart takes it.
func Expected(f *forecast.Forecast) []history.Expected {
	if f == nil {
		return nil
	}
	all := make([]history.Expected, 0, len(f.Nodes))
	for i := range f.Nodes {
		n := &f.Nodes[i]
		start, end := n.Start.Median(), n.Back.Median()
		if n.State == forecast.UnderWay && start.Before(f.Computed) {
			start = f.Computed
		}
		if start.IsZero() || end.IsZero() {
			continue
		}
		all = append(all, history.Expected{Node: n.Name, Policy: n.Policy, Zone: n.Zone, Reboot: n.Reboot, Start: start, End: end})
	}
	return all
}

// Build makes the whole document.
func Build(in *Input) *Document {
	b := newBuilder(in)
	doc := &Document{Full: true, Head: &Head{
		At: in.Chart.Now.UnixMilli(), Cluster: in.Cluster, From: in.Chart.From.UnixMilli(), To: in.Chart.To.UnixMilli(),
		Zones: []string{}, Shades: []Shade{}, Notes: append(append([]string{}, in.Notes...), in.Chart.Notes...),
	}}
	for i := range in.Chart.Lanes {
		lane := &in.Chart.Lanes[i]
		doc.Zones = append(doc.Zones, lane.Zone)
		for k := range lane.Rows {
			doc.Rows = append(doc.Rows, b.row(lane.Zone, &lane.Rows[k]))
		}
	}
	for i := range in.Chart.Shades {
		s := &in.Chart.Shades[i]
		doc.Shades = append(doc.Shades, Shade{
			Policy: s.Policy, Kind: string(s.Kind), Name: s.Name, From: s.From.UnixMilli(), To: s.To.UnixMilli(),
		})
	}
	doc.Policies = b.cards(doc.Rows)
	if in.Forecast != nil && in.Forecast.Coarse {
		doc.Notes = append(doc.Notes, "The forecast is coarse: "+in.Forecast.Why)
	}
	return doc
}

// builder has the input by name.
type builder struct {
	*Input
	last     map[string]*v1alpha1.NodeReboot
	nodes    map[string]*corev1.Node
	expected map[string]*forecast.Node
	owners   []owner
}

// owner is a policy, and what it selects.
type owner struct {
	policy *v1alpha1.RebootPolicy
	labels labels.Selector
}

func newBuilder(in *Input) *builder {
	b := &builder{Input: in, last: lastReboots(in.Fleet), nodes: map[string]*corev1.Node{}, expected: map[string]*forecast.Node{}}
	for i := range in.Fleet.Nodes {
		b.nodes[in.Fleet.Nodes[i].Name] = &in.Fleet.Nodes[i]
	}
	if in.Forecast != nil {
		for i := range in.Forecast.Nodes {
			b.expected[in.Forecast.Nodes[i].Name] = &in.Forecast.Nodes[i]
		}
	}
	b.owners = owners(in.Fleet.Policies)
	return b
}

// lastReboots are the NodeReboots that say where each node is: the one that has a slot, otherwise one that waits, otherwise the one that
// ended last.
func lastReboots(fleet *app.Fleet) map[string]*v1alpha1.NodeReboot {
	last := map[string]*v1alpha1.NodeReboot{}
	for i := range fleet.Reboots {
		r := &fleet.Reboots[i]
		if before := last[r.Spec.NodeName]; before == nil || tellsMore(r, before) > 0 {
			last[r.Spec.NodeName] = r
		}
	}
	return last
}

// tellsMore is positive if a NodeReboot says more than another one about where their node is.
func tellsMore(a, b *v1alpha1.NodeReboot) int {
	return cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		millis(a.Status.CompletionTime)-millis(b.Status.CompletionTime),
		a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
		cmp.Compare(a.Name, b.Name),
	)
}

func rank(r *v1alpha1.NodeReboot) int {
	switch {
	case r.Status.CompletionTime != nil:
		return 0
	case r.Status.Attempt != nil && r.Status.Attempt.EndedTime == nil:
		return 2
	}
	return 1
}

// owners are the policies by precedence, as the planner has it: the highest priority, then the oldest, then the first by name.
func owners(all []v1alpha1.RebootPolicy) []owner {
	var found []owner
	for i := range all {
		p := &all[i]
		selects := labels.Everything()
		if p.Spec.Nodes != v1alpha1.NodesAll {
			var err error
			if selects, err = selectors.Labels(p.Spec.NodeSelector); err != nil {
				continue
			}
		}
		if p.DeletionTimestamp.IsZero() {
			found = append(found, owner{p, selects})
		}
	}
	slices.SortFunc(found, func(a, b owner) int {
		return cmp.Or(cmp.Compare(b.policy.Spec.Priority, a.policy.Spec.Priority),
			a.policy.CreationTimestamp.Compare(b.policy.CreationTimestamp.Time), cmp.Compare(a.policy.Name, b.policy.Name))
	})
	return found
}

func (b *builder) ownerOf(node *corev1.Node) string {
	for _, o := range b.owners {
		if o.labels.Matches(labels.Set(node.Labels)) {
			return o.policy.Name
		}
	}
	return ""
}

// instant is milliseconds since 1970; 0 means none.
func instant(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(t *metav1.MicroTime) int64 {
	if t == nil {
		return 0
	}
	return instant(t.Time)
}

func millis(t *metav1.MicroTime) int { return int(moment(t)) }
