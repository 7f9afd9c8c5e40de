package dashboard

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
)

func (b *builder) row(zone string, of *history.Row) Row {
	row := Row{Node: of.Node, Zone: zone, Policy: of.Policy, NoNode: of.Gone, State: stateIdle}
	if node := b.nodes[of.Node]; node != nil {
		_, row.ControlPlane = node.Labels[v1alpha1.ControlPlaneLabel]
		row.Policy = cmp.Or(row.Policy, b.ownerOf(node))
	}
	for i := range of.Bars {
		row.Bars = append(row.Bars, bar(&of.Bars[i]))
	}
	for i := range of.Marks {
		row.Marks = append(row.Marks, Mark{Kind: string(of.Marks[i].Kind), At: of.Marks[i].Time.UnixMilli()})
	}
	// What ended before the time of the chart is over: such a node has nothing to do.
	reboot := b.last[of.Node]
	if reboot != nil && (reboot.Status.CompletionTime == nil || !reboot.Status.CompletionTime.Time.Before(b.Chart.From)) {
		row.tell(reboot)
	}
	if expected := b.expected[of.Node]; expected != nil && row.Open {
		row.expect(expected)
	}
	return row
}

func bar(of *history.Bar) Bar {
	made := Bar{Kind: string(of.Kind), Forecast: of.Forecast, From: of.Start.UnixMilli(), Result: of.Result, Note: of.Note}
	if !of.Open {
		made.To = of.End.UnixMilli()
	}
	return made
}

// tell says where a node is, as its NodeReboot says it.
func (r *Row) tell(reboot *v1alpha1.NodeReboot) {
	status := &reboot.Status
	r.State, r.Open = stateOf(reboot), status.CompletionTime == nil
	r.Reason, r.Message = status.Reason, status.Message
	r.Version = reboot.ResourceVersion
	r.Ended = moment(status.CompletionTime)
	if !r.Open {
		r.Reason, r.Message = cmp.Or(status.OutcomeReason, r.Reason), cmp.Or(status.OutcomeMessage, r.Message)
		r.Warn = r.State == string(v1alpha1.PhaseFailed)
		return
	}
	r.Until = moment(status.UntilTime)
	r.Warn = warns(reboot)
	if status.Report != nil && status.Report.Drain != nil && r.State == string(v1alpha1.PhaseDraining) {
		r.PodsLeft = int(status.Report.Drain.Remaining)
	}
}

func stateOf(reboot *v1alpha1.NodeReboot) string {
	status := &reboot.Status
	if reboot.SetAside() {
		return stateUnknown
	}
	if a := status.Attempt; a != nil && a.EndedTime == nil && a.RolledBackTime != nil {
		return stateRolledBack
	}
	switch status.Phase {
	case "", v1alpha1.PhasePending:
		return stateWaiting
	case v1alpha1.PhaseSucceeded:
		return stateProved
	case v1alpha1.PhaseDraining, v1alpha1.PhaseRebooting, v1alpha1.PhaseRecovering, v1alpha1.PhaseFailed, v1alpha1.PhaseCancelled:
		return string(status.Phase)
	}
	return stateUnknown
}

// warns says whether someone has to do something about an open NodeReboot: it is stalled, or its drain is stuck.
func warns(reboot *v1alpha1.NodeReboot) bool {
	if meta.IsStatusConditionTrue(reboot.Status.Conditions, v1alpha1.ConditionStalled) || reboot.Status.Phase == v1alpha1.PhaseFailed {
		return true
	}
	return reboot.Status.Phase == v1alpha1.PhaseDraining &&
		slices.Contains([]string{v1alpha1.ReasonEvictionRefused, v1alpha1.ReasonDrainStuck}, reboot.Status.Reason)
}

// expect says when a node is expected to go.
func (r *Row) expect(of *forecast.Node) {
	r.Queue, r.Of = of.Position, of.Of
	if of.State == forecast.Waiting {
		r.Start = instant(of.Start.Median())
	}
	r.Back, r.Late = instant(of.Back.Median()), instant(of.Back.Late())
	if of.Obstacle != nil {
		r.Obstacle = of.Obstacle.Message
	}
}

// cards sum up the policies, by name.
func (b *builder) cards(rows []Row) []Policy {
	cards := make([]Policy, 0, len(b.Fleet.Policies))
	for i := range b.Fleet.Policies {
		p := &b.Fleet.Policies[i]
		card := Policy{Name: p.Name, Summary: p.Status.Summary, Nodes: int(p.Status.Nodes)}
		if w := p.Status.Window; w != nil {
			card.Window, card.Freeze = string(w.State), w.Freeze
			if w.NextOpeningTime != nil {
				card.Opens = instant(w.NextOpeningTime.Time)
			}
			if w.NextClosingTime != nil {
				card.Closes = instant(w.NextClosingTime.Time)
			}
		}
		if b.Forecast != nil {
			card.expect(b.Forecast.Policy(p.Name))
		}
		cards = append(cards, card)
	}
	slices.SortFunc(cards, func(x, y Policy) int { return history.Natural(x.Name, y.Name) })
	for i := range rows {
		at, found := slices.BinarySearchFunc(cards, rows[i].Policy, func(p Policy, name string) int { return history.Natural(p.Name, name) })
		if found {
			cards[at].count(rows[i].State)
		}
	}
	return cards
}

func (p *Policy) expect(of *forecast.Policy) {
	if of == nil {
		return
	}
	p.Finish, p.FinishLate, p.Never = instant(of.Finish.Median()), instant(of.Finish.Late()), of.Unknown
}

func (p *Policy) count(state string) {
	switch state {
	case stateWaiting:
		p.Waiting++
	case stateProved:
		p.Proved++
	case string(v1alpha1.PhaseFailed):
		p.Failed++
	case string(v1alpha1.PhaseDraining), string(v1alpha1.PhaseRebooting), string(v1alpha1.PhaseRecovering), stateRolledBack:
		p.UnderWay++
	}
}
