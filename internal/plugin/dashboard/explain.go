package dashboard

import (
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
	"github.com/reboot-operator/reboot-operator/internal/plugin/why"
)

// explainer tells about single nodes: why they are where they are, what to type, and what happened.
type explainer struct {
	in      *Input
	facts   *why.Facts
	reboots map[string][]v1alpha1.NodeReboot
}

func newExplainer(in *Input) *explainer {
	e := &explainer{in: in, reboots: map[string][]v1alpha1.NodeReboot{}, facts: &why.Facts{
		Now: in.Chart.Now, Zone: in.Zone, Policies: in.Fleet.Policies, Reboots: in.Fleet.Reboots, Nodes: in.Fleet.Nodes, Installed: in.Installed,
	}}
	for i := range in.Fleet.Reboots {
		r := &in.Fleet.Reboots[i]
		e.reboots[r.Spec.NodeName] = append(e.reboots[r.Spec.NodeName], *r)
	}
	return e
}

func (e *explainer) detail(node string) Detail {
	answer := why.Explain(e.facts, "node/"+node)
	detail := Detail{Why: answer.Explanation, Commands: answer.Type, Story: []Entry{}}
	chart := history.Build(&history.Input{
		Reboots: e.reboots[node], Policies: e.in.Fleet.Policies, From: e.in.Chart.From, To: e.in.Chart.To, Now: e.in.Chart.Now,
		Zone: e.in.Zone, OnlyNodes: []string{node}, Stories: true, NoShades: true,
	})
	for i := range chart.Lanes {
		for k := range chart.Lanes[i].Rows {
			for _, entry := range chart.Lanes[i].Rows[k].Story {
				detail.Story = append(detail.Story, Entry{At: entry.Time.UnixMilli(), Text: entry.Text, Warning: entry.Warning})
			}
		}
	}
	return detail
}
