package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// turn says who of a policy's nodes may go.
type turn struct {
	// controlPlane: control-plane nodes have their turn; otherwise the others have.
	controlPlane bool
	// zone that has its turn, with strategy OneAtATime.
	zone string
	// soak: the zone may not begin yet.
	soak verdict
	// blocked says why no zone has its turn, such as nodes of several zones that were started under another strategy.
	blocked string
}

// turnOf finds out which zone and which kind of nodes of a policy has its turn. Only NodeReboots that could go count: one that waits for
// something of its own, such as a back-off, never holds up another zone.
func (p *pass) turnOf(policy *policyView, able []*rebootView) turn {
	t := turn{controlPlane: policy.controlPlaneTurn(able)}
	if policy.spec.Rollout.Zones.Strategy != v1alpha1.ZonesOneAtATime {
		return t
	}
	group := slices.DeleteFunc(slices.Clone(able), func(r *rebootView) bool { return r.node.controlPlane != t.controlPlane })
	busy := p.busyZones(policy)
	lastZone, lastEnd := policy.lastFinished()
	switch {
	case len(p.limits.unseen) > 0:
		t.blocked = fmt.Sprintf("Node %s is under way, and its zone is not known yet.", p.limits.unseen[0])
		return t
	case len(busy) > 1:
		t.blocked = fmt.Sprintf("Nodes of several zones are under way: %s.", strings.Join(busy, ", "))
		return t
	case len(busy) == 1:
		t.zone = busy[0]
	case len(group) == 0:
		return t
	default:
		t.zone = policy.nextZone(group, lastZone, lastEnd)
	}
	t.soak = p.soak(policy, t.zone, lastZone, lastEnd)
	return t
}

// controlPlaneTurn: whether control-plane nodes may go, given who is able to and who is under way.
func (policy *policyView) controlPlaneTurn(able []*rebootView) bool {
	var controlPlane, others bool
	note := func(n *nodeView) {
		controlPlane = controlPlane || n.controlPlane
		others = others || !n.controlPlane
	}
	for _, r := range able {
		note(r.node)
	}
	for _, n := range policy.nodes {
		if n.underWay() {
			note(n)
		}
	}
	if policy.spec.Rollout.ControlPlane == v1alpha1.ControlPlaneFirst {
		return controlPlane
	}
	return !others
}

// busyZones are the zones that have a node under way or started in this pass, of all policies that go through the same zones one at a time.
func (p *pass) busyZones(policy *policyView) []string {
	var zones []string
	if zone, started := p.limits.startedZone[policy.spec.Rollout.Zones.TopologyKey]; started {
		zones = append(zones, zone)
	}
	for _, n := range p.nodeOrder {
		if !n.underWay() || n.policy == nil || !sameZones(n.policy, policy) {
			continue
		}
		if !slices.Contains(zones, n.zone) {
			zones = append(zones, n.zone)
		}
	}
	return zones
}

func sameZones(a, b *policyView) bool {
	x, y := a.spec.Rollout.Zones, b.spec.Rollout.Zones
	return a == b || x.Strategy == v1alpha1.ZonesOneAtATime && y.Strategy == v1alpha1.ZonesOneAtATime && x.TopologyKey == y.TopologyKey
}

// lastFinished is the zone of the policy in which an attempt ended last, and when.
func (policy *policyView) lastFinished() (zone string, end time.Time) {
	for _, n := range policy.nodes {
		for _, r := range n.reboots {
			attempt := r.next.Attempt
			if attempt != nil && attempt.EndedTime != nil && attempt.EndedTime.After(end) {
				zone, end = n.zone, attempt.EndedTime.Time
			}
		}
	}
	return zone, end
}

// nextZone stays in the last zone while it has a node that waited already when the last attempt there ended; else it is the first zone, in
// the policy's order, that has a node which could go.
func (policy *policyView) nextZone(able []*rebootView, lastZone string, lastEnd time.Time) string {
	first := able[0]
	for _, r := range able {
		if r.node.zone == lastZone && r.next.RequiredSince.Time.Before(lastEnd) {
			return lastZone
		}
		if policy.compareZone(r.node.zone, first.node.zone) < 0 {
			first = r
		}
	}
	return first.node.zone
}

func (p *pass) soak(policy *policyView, zone, lastZone string, lastEnd time.Time) verdict {
	if lastEnd.IsZero() || zone == lastZone {
		return verdict{}
	}
	until := lastEnd.Add(seconds(policy.spec.Rollout.Zones.SoakSeconds))
	if p.passed(until) {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonZoneSoaking, until: until, message: fmt.Sprintf("%s was finished and is watched until %s.",
		capitalized(zoneName(lastZone)), clockTime(until))}
}

// compareZone orders zones as the policy names them, then by name; nodes without a zone go last.
func (policy *policyView) compareZone(a, b string) int {
	return cmp.Or(cmp.Compare(policy.zoneRank(a), policy.zoneRank(b)), cmp.Compare(a, b))
}

func (policy *policyView) zoneRank(zone string) int {
	order := policy.spec.Rollout.Zones.Order
	switch i := slices.Index(order, zone); {
	case zone == "":
		return len(order) + 1
	case i >= 0:
		return i
	}
	return len(order)
}

// compareTurn orders those of a policy that could go: first those whose turn it is, then by zone, urgency, since when the reboot is required,
// and name.
func (policy *policyView) compareTurn(a, b *rebootView) int {
	zone := 0
	if policy.spec.Rollout.Zones.Strategy == v1alpha1.ZonesOneAtATime {
		zone = cmp.Or(
			trueFirst(a.node.zone == policy.turn.zone, b.node.zone == policy.turn.zone),
			policy.compareZone(a.node.zone, b.node.zone),
		)
	}
	kind := trueFirst(a.node.controlPlane == policy.turn.controlPlane, b.node.controlPlane == policy.turn.controlPlane)
	return cmp.Or(kind, zone, compareWaiting(a, b))
}

// trueFirst orders true before false.
func trueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// turnGate lets only those go whose turn it is.
func turnGate(_ *pass, r *rebootView) verdict {
	policy := r.policy()
	t := policy.turn
	if r.node.controlPlane != t.controlPlane {
		who := "Control-plane nodes"
		if r.node.controlPlane {
			who = "Nodes that are not of the control plane"
		}
		return verdict{reason: v1alpha1.ReasonControlPlaneTurn, message: who + " have their turn first."}
	}
	if policy.spec.Rollout.Zones.Strategy != v1alpha1.ZonesOneAtATime {
		return verdict{}
	}
	switch {
	case t.blocked != "":
		return zoneBusy(t.blocked)
	case r.node.zone != t.zone:
		return zoneBusy(fmt.Sprintf("Zones go one at a time, and %s has its turn.", zoneName(t.zone)))
	}
	return t.soak
}

func zoneBusy(message string) verdict {
	return verdict{reason: v1alpha1.ReasonZoneBusy, message: message}
}

func zoneName(zone string) string {
	if zone == "" {
		return "the nodes without a zone"
	}
	return "zone " + zone
}

func capitalized(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
