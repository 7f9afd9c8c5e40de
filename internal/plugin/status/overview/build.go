package overview

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/window"
)

// Of builds the overview of all policies. The outlook may be nil.
func Of(policies []*v1alpha1.RebootPolicy, reboots []*v1alpha1.NodeReboot, outlook *Outlook, now time.Time) *Overview {
	if outlook == nil {
		outlook = &Outlook{}
	}
	byPolicy := map[string][]*v1alpha1.NodeReboot{}
	for _, r := range reboots {
		byPolicy[PolicyOf(r)] = append(byPolicy[PolicyOf(r)], r)
	}
	o := &Overview{Time: *timeOf(now)}
	policies = slices.SortedFunc(slices.Values(policies), func(a, b *v1alpha1.RebootPolicy) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range policies {
		block := policyOf(p, now)
		block.Finish, block.Unknown = timeOf(outlook.Finish[p.Name]), outlook.Unknown[p.Name]
		block.addReboots(byPolicy[p.Name], outlook, p.Spec.Rollout.Zones.Order)
		o.Policies = append(o.Policies, block)
		delete(byPolicy, p.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(byPolicy)) {
		block := Policy{Name: name, Missing: true}
		block.addReboots(byPolicy[name], outlook, nil)
		// NodeReboots that ended without their policy are ignored.
		if block.UnderWay+block.Waiting > 0 {
			o.Policies = append(o.Policies, block)
		}
	}
	return o
}

// PolicyOf is the name of the policy that a NodeReboot counts for; empty if there is none.
func PolicyOf(r *v1alpha1.NodeReboot) string {
	if holdsSlot(r) && r.Status.Attempt.PolicyName != "" {
		return r.Status.Attempt.PolicyName
	}
	return r.Status.PolicyName
}

// policyOf is what a policy says about itself.
func policyOf(p *v1alpha1.RebootPolicy, now time.Time) Policy {
	s, rollout := &p.Status, &p.Spec.Rollout
	block := Policy{
		Name: p.Name, Mode: p.Spec.Mode, Summary: s.Summary, Unseen: s.ObservedGeneration != p.Generation,
		Window: windowOf(p, now), CurrentZone: s.CurrentZone, Nodes: int(s.Nodes),
		Limits: Limits{
			MaxUnavailable: int(s.MaxUnavailable), Unavailable: int(s.Unavailable), Strategy: rollout.Zones.Strategy,
		},
	}
	if rollout.MaxUnavailable != nil {
		block.Limits.Spec = rollout.MaxUnavailable.String()
	}
	if rollout.Zones.MaxUnavailablePerZone != nil {
		block.Limits.PerZone = rollout.Zones.MaxUnavailablePerZone.String()
	}
	if ready := meta.FindStatusCondition(s.Conditions, "Ready"); ready != nil && ready.Status != metav1.ConditionTrue {
		block.Message = ready.Message
	}
	if rollout.Canary != nil {
		block.Canary = canaryOf(rollout.Canary, s.Canary)
	}
	return block
}

func canaryOf(spec *v1alpha1.CanarySpec, s *v1alpha1.CanaryStatus) *Canary {
	canary := &Canary{}
	if spec.Count != nil {
		canary.Count = spec.Count.String()
	}
	if s != nil {
		canary.UnderWay, canary.Soaking, canary.Failed = int(s.UnderWay), int(s.Soaking), int(s.Failed)
		canary.Soaked = micro(s.SoakedTime)
	}
	return canary
}

// windowOf is where the schedule stands now. It is computed, because the status may be from before the last opening; a schedule that cannot
// be understood says nothing.
func windowOf(p *v1alpha1.RebootPolicy, now time.Time) *Window {
	schedule, problems := window.New(&p.Spec.Schedule)
	if len(problems) > 0 || schedule.Always() {
		return nil
	}
	state := schedule.At(now)
	w := &Window{State: v1alpha1.WindowClosed, Freeze: state.Freeze, Opens: timeOf(state.Opens), Closes: timeOf(state.Closes)}
	switch {
	case state.Freeze != "":
		w.State = v1alpha1.WindowFrozen
	case state.Open:
		w.State = v1alpha1.WindowOpen
	}
	return w
}

// addReboots counts nodes, and sorts them into zones.
func (p *Policy) addReboots(reboots []*v1alpha1.NodeReboot, outlook *Outlook, order []string) {
	zones, reasons := map[string]*Zone{}, map[string]int{}
	zone := func(name string) *Zone {
		if zones[name] == nil {
			zones[name] = &Zone{Name: name}
		}
		return zones[name]
	}
	since := rolloutSince(reboots)
	p.Since = timeOf(since)
	last := lastOfNodes(reboots)
	for _, r := range reboots {
		z, node := zone(zoneOf(r)), NodeOf(r)
		switch k := kindOf(r); k {
		case waiting:
			p.Waiting++
			reasons[node.Reason]++
			if turn, known := outlook.Turns[node.Name]; known {
				node.Turn = &turn
			}
			z.Waiting = append(z.Waiting, node)
		case underWay:
			p.UnderWay++
			z.UnderWay = append(z.UnderWay, node)
		default:
			z.Finished = append(z.Finished, node)
			if last[r.Spec.NodeName] == r && !r.Status.CompletionTime.Time.Before(since) {
				p.count(z, k)
			}
		}
	}
	p.WaitingFor = mostFirst(reasons)
	p.Zones = ordered(zones, p.CurrentZone, order)
}

func (p *Policy) count(z *Zone, k kind) {
	switch k {
	case succeeded:
		p.Done++
		z.Done++
	case failed:
		p.Failed++
		z.Failed++
	}
}

// lastOfNodes is the NodeReboot that counts for each node: an open one, otherwise the one that ended last.
func lastOfNodes(reboots []*v1alpha1.NodeReboot) map[string]*v1alpha1.NodeReboot {
	last := map[string]*v1alpha1.NodeReboot{}
	for _, r := range reboots {
		k := kindOf(r)
		if k == cancelled || k > underWay && r.Status.CompletionTime == nil {
			continue
		}
		other := last[r.Spec.NodeName]
		switch {
		case other == nil, k <= underWay:
			last[r.Spec.NodeName] = r
		case kindOf(other) > underWay && other.Status.CompletionTime.Time.Before(r.Status.CompletionTime.Time):
			last[r.Spec.NodeName] = r
		}
	}
	return last
}

// rolloutSince is when the rollout began: the NodeReboots that are open, otherwise those that ended last, and all those before whose times
// overlap. It is zero if there are none.
func rolloutSince(reboots []*v1alpha1.NodeReboot) time.Time {
	var since time.Time
	var over []*v1alpha1.NodeReboot
	for _, r := range reboots {
		switch k := kindOf(r); {
		case k <= underWay:
			since = earlier(since, requiredSince(r))
		case k != cancelled && r.Status.CompletionTime != nil:
			over = append(over, r)
		}
	}
	slices.SortFunc(over, func(a, b *v1alpha1.NodeReboot) int {
		return b.Status.CompletionTime.Compare(a.Status.CompletionTime.Time)
	})
	for _, r := range over {
		if !since.IsZero() && r.Status.CompletionTime.Time.Before(since) {
			break
		}
		since = earlier(since, requiredSince(r))
	}
	return since
}

// earlier of two times, of which zero means none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func zoneOf(r *v1alpha1.NodeReboot) string {
	if holdsSlot(r) && r.Status.Attempt.Zone != "" {
		return r.Status.Attempt.Zone
	}
	return r.Status.Zone
}

func mostFirst(counts map[string]int) []Reason {
	reasons := make([]Reason, 0, len(counts))
	for reason, nodes := range counts {
		reasons = append(reasons, Reason{Reason: reason, Nodes: nodes})
	}
	slices.SortFunc(reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), strings.Compare(a.Reason, b.Reason))
	})
	return reasons
}

// ordered puts zones in the order in which they go: the current one, those that the policy names, and then by name. Nodes without a zone go
// last.
func ordered(zones map[string]*Zone, current string, order []string) []Zone {
	rank := func(name string) int {
		switch i := slices.Index(order, name); {
		case name == "":
			return len(order) + 2
		case name == current:
			return 0
		case i >= 0:
			return i + 1
		}
		return len(order) + 1
	}
	names := slices.SortedFunc(maps.Keys(zones), func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b)) })
	var all []Zone
	for _, name := range names {
		z := zones[name]
		sortNodes(z.UnderWay, byStart)
		sortNodes(z.Waiting, byTurn)
		sortNodes(z.Finished, byEnd)
		all = append(all, *z)
	}
	return all
}
