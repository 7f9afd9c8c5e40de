package plan

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// turn says which of a policy's nodes may go, and what the others wait for.
type turn struct {
	// controlPlane: control-plane nodes have their turn; otherwise the others have.
	controlPlane bool
	otherKind    model.Verdict
	// byZone: zones go one at a time, and zone has its turn.
	byZone    bool
	zone      string
	otherZone model.Verdict
	// blocked says why no zone has its turn, such as nodes of several zones that were started under another strategy.
	blocked model.Verdict
	// soak: the zone may not begin yet.
	soak model.Verdict
}

// zoneQueue are those NodeReboots of a policy that could go, of one kind of nodes in one zone.
type zoneQueue struct {
	zone         string
	controlPlane bool
	reboots      []*rebootView
	length       int
	// since when the one has been required that was required first.
	since time.Time
}

// zoneQueues sorts NodeReboots that could go into queues, in the order of zones.
func (p *round) zoneQueues(policy *policyView, able []*rebootView) []*zoneQueue {
	type key struct {
		zone         string
		controlPlane bool
	}
	byZone := map[key]*zoneQueue{}
	queues := make([]*zoneQueue, len(able))
	for i, r := range able {
		k := key{r.node.zone, r.node.controlPlane}
		q := byZone[k]
		if q == nil {
			q = &zoneQueue{zone: k.zone, controlPlane: k.controlPlane, since: r.required}
			byZone[k] = q
		}
		if r.required.Before(q.since) {
			q.since = r.required
		}
		q.length++
		queues[i] = q
	}
	for i, q := range queues {
		if q.reboots == nil {
			q.reboots = p.memory.list(q.length)
		}
		q.reboots = append(q.reboots, able[i])
	}
	return slices.SortedFunc(maps.Values(byZone), policy.compareQueues)
}

func (policy *policyView) compareQueues(a, b *zoneQueue) int {
	return cmp.Or(policy.compareZone(a.zone, b.zone), compareFalseFirst(a.controlPlane, b.controlPlane))
}

// turnOf finds out which zone and which kind of nodes of a policy has its turn. Only NodeReboots that could go count: a NodeReboot that
// waits for something of its own, such as a back-off, never holds up another zone.
func (p *planning) turnOf(policy *policyView, able []*zoneQueue) turn {
	t := turn{controlPlane: p.controlPlaneGoes(policy, able)}
	t.otherKind = controlPlaneTurn(t.controlPlane)
	if policy.Spec.Rollout.Zones.Strategy != v1alpha1.ZonesOneAtATime {
		return t
	}
	t.byZone = true
	busy := p.busyZones(policy)
	lastZone, lastEnd := policy.finish.zone, policy.finish.end
	switch {
	case len(p.limits.unseen) > 0:
		t.blocked = zoneBusy("Node %s is under way, and its zone is not known yet.", p.limits.unseen[0])
		return t
	case len(busy) > 1:
		t.blocked = zoneBusy("Nodes of several zones are under way: %s.", strings.Join(busy, ", "))
		return t
	case len(busy) == 1:
		t.zone = busy[0]
	default:
		t.zone = nextZone(able, t.controlPlane, lastZone, lastEnd)
	}
	t.otherZone = zoneBusy("Zones go one at a time, and %s has its turn.", zoneName(t.zone))
	t.soak = p.soak(policy, t.zone, lastZone, lastEnd)
	return t
}

// of the nodes of one kind in a zone: whether they have their turn.
func (t *turn) of(zone string, controlPlane bool) model.Verdict {
	switch {
	case controlPlane != t.controlPlane:
		return t.otherKind
	case !t.byZone:
		return model.Verdict{}
	case !t.blocked.OK():
		return t.blocked
	case zone != t.zone:
		return t.otherZone
	}
	return t.soak
}

// controlPlaneGoes: whether control-plane nodes may go, given who is able to and who is under way.
func (p *planning) controlPlaneGoes(policy *policyView, able []*zoneQueue) bool {
	var controlPlane, others bool
	note := func(is bool) {
		controlPlane = controlPlane || is
		others = others || !is
	}
	for _, q := range able {
		note(q.controlPlane)
	}
	for _, n := range p.limits.holders {
		if n.policy == policy && n.underWay() {
			note(n.controlPlane)
		}
	}
	if policy.Spec.Rollout.ControlPlane == v1alpha1.ControlPlaneFirst {
		return controlPlane
	}
	return !others
}

// busyZones are the zones that have a node under way or started in this plan, of all policies that go through the same zones one at a time.
func (p *planning) busyZones(policy *policyView) []string {
	var zones []string
	if zone, started := p.limits.startedZone[policy.Spec.Rollout.Zones.TopologyKey]; started {
		zones = append(zones, zone)
	}
	for _, n := range p.zoneHolders(policy) {
		if !slices.Contains(zones, n.zone) {
			zones = append(zones, n.zone)
		}
	}
	return zones
}

// zoneHolders are the nodes under way of all policies that go through the same zones one at a time, and those that no policy owns anymore.
func (p *planning) zoneHolders(policy *policyView) []*nodeView {
	var holders []*nodeView
	for _, n := range p.limits.holders {
		if n.underWay() && (n.policy == nil || n.policy.Unknown("rollout.zones") || sameZones(n.policy, policy)) {
			holders = append(holders, n)
		}
	}
	return holders
}

func sameZones(a, b *policyView) bool {
	x, y := a.Spec.Rollout.Zones, b.Spec.Rollout.Zones
	return a == b || x.Strategy == v1alpha1.ZonesOneAtATime && y.Strategy == v1alpha1.ZonesOneAtATime && x.TopologyKey == y.TopologyKey
}

// finish is the zone of a policy in which an attempt ended last, and when. It comes from NodeReboots: their Nodes may be deleted, or belong
// to another policy by now.
type finish struct {
	zone string
	end  time.Time
}

// findFinishes finds the last zone of each policy.
func (p *planning) findFinishes() {
	for _, n := range p.nodeOrder {
		for i := range n.past.attempts {
			attempt := &n.past.attempts[i]
			p.policyNamed(attempt.policy, n.policy).noteFinish(attempt.zone, attempt.ended)
		}
		for _, r := range n.reboots {
			p.noteFinish(r)
		}
	}
	for _, r := range slices.Concat(p.orphans, p.setAside) {
		p.noteFinish(r)
	}
}

func (p *planning) noteFinish(r *rebootView) {
	if r.untried || r.Status.Attempt == nil || r.Status.Attempt.EndedTime == nil {
		return
	}
	p.policyNamed(r.grantedBy(), r.policy()).noteFinish(r.grantedIn(), r.Status.Attempt.EndedTime.Time)
}

// policyNamed is the policy with a name; nil if there is none. It is likely to be the given one.
func (p *planning) policyNamed(name string, likely *policyView) *policyView {
	if likely != nil && likely.Name() == name {
		return likely
	}
	return p.byName[name]
}

func (policy *policyView) noteFinish(zone string, end time.Time) {
	if policy != nil && end.After(policy.finish.end) {
		policy.finish = finish{zone: zone, end: end}
	}
}

// nextZone stays in the last zone while it has a node that waited already when the last attempt there ended; else it is the first zone, in
// the policy's order, that has a node which could go and whose kind has its turn.
func nextZone(able []*zoneQueue, controlPlane bool, lastZone string, lastEnd time.Time) string {
	first, found := "", false
	for _, q := range able {
		switch {
		case q.controlPlane != controlPlane:
		case q.zone == lastZone && q.since.Before(lastEnd):
			return lastZone
		case !found:
			first, found = q.zone, true
		}
	}
	return first
}

func (p *planning) soak(policy *policyView, zone, lastZone string, lastEnd time.Time) model.Verdict {
	if lastEnd.IsZero() || zone == lastZone {
		return model.Verdict{}
	}
	until := lastEnd.Add(model.Seconds(policy.Spec.Rollout.Zones.SoakSeconds))
	if p.Reached(until) {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonZoneSoaking, "%s was finished and is watched until %s.",
		capitalized(zoneName(lastZone)), policy.Clock.Until(until)).Ending(until)
}

func zoneBusy(format string, args ...any) model.Verdict {
	return model.Blocked(v1alpha1.ReasonZoneBusy, format, args...)
}

func controlPlaneTurn(controlPlane bool) model.Verdict {
	who := "Worker nodes"
	if controlPlane {
		who = "Control-plane nodes"
	}
	return model.Verdict{Reason: v1alpha1.ReasonControlPlaneTurn, Message: who + " go first."}
}

func zoneName(zone string) string {
	if zone == "" {
		return "the nodes without a zone"
	}
	return "zone " + zone
}

func capitalized(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
