package plan

import (
	"fmt"
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// limits counts the nodes that are unavailable, by everything that has a limit. Starts are added as they are made.
type limits struct {
	down    map[*nodeView]bool
	cluster int
	// byPolicy and byZone count units: a group counts once, however many of its nodes are down. groups are those that do.
	byPolicy   map[*policyView]int
	byZone     map[policyZone]int
	groups     map[policyGroup]bool
	clusterMax int
	// startedZone is the zone in which this plan starts nodes, by the key of the zones that go one at a time.
	startedZone map[string]string
	// firsts are the first nodes that start in this plan, by zone; refuges says which zones have a node that takes pods permanently, once that
	// was found out.
	firsts  map[policyZone]*nodeView
	refuges map[policyZone]bool
	// busy are the policies that have a node under way, or start one.
	busy map[*policyView]bool
	// starting are those with a node that would start, or will when more is known: it counts, and is not unavailable yet.
	starting map[*policyView]bool
	// holders are the nodes that are under way, or begin to be in this plan.
	holders []*nodeView
	// starts is how many nodes start, or would start, in this plan.
	starts  int
	leaving leaving
	// unseen are the nodes of grants that another manager made and this one has not seen yet, and nodes that nobody knows because a NodeReboot
	// cannot be read. Nothing is known of their policy and zone, so they count against every limit.
	unseen []string
}

// leaving names the nodes that are under way or start, as it was after a number of starts.
type leaving struct {
	known  bool
	starts int
	names  string
}

// policyGroup is a group that is counted for its policy, or for one of its zones.
type policyGroup struct {
	policy     *policyView
	unit, zone string
	ofZone     bool
}

type policyZone struct {
	policy *policyView
	zone   string
}

// countUnavailable counts every node that is down, cordoned, under way, or granted a slot, no matter who is the cause.
func (p *planning) countUnavailable() {
	p.limits = p.downNow()
	p.limits.clusterMax = len(p.nodeOrder)
	p.limits.startedZone, p.limits.firsts = map[string]string{}, map[policyZone]*nodeView{}
	p.limits.busy, p.limits.starting = map[*policyView]bool{}, map[*policyView]bool{}
	for _, n := range p.nodeOrder {
		if n.underWay() {
			p.limits.holders = append(p.limits.holders, n)
			p.limits.busy[n.policy] = true
		}
	}
	p.limits.unseen = append(p.unseenGrants(), p.unknownNodes()...)
	if p.snapshot.ClusterMaxUnavailable != nil {
		// The manager validates the limit when it starts; one that cannot be resolved allows nothing.
		p.limits.clusterMax, _ = scaled(p.snapshot.ClusterMaxUnavailable, len(p.nodeOrder))
	}
}

// downNow counts what is unavailable, without anything that would start.
func (p *planning) downNow() limits {
	l := limits{
		down: map[*nodeView]bool{}, byPolicy: map[*policyView]int{}, byZone: map[policyZone]int{}, groups: map[policyGroup]bool{},
	}
	for _, n := range p.nodeOrder {
		if !n.Ready || n.Unschedulable || n.underWay() {
			l.add(n)
		}
	}
	return l
}

// unseenGrants names the nodes of grants to nodes that are not in the snapshot.
func (p *planning) unseenGrants() []string {
	var names []string
	for name := range p.slots {
		if p.node(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (l *limits) add(n *nodeView) {
	if l.down[n] {
		return
	}
	l.down[n] = true
	l.cluster++
	if n.policy != nil {
		l.addTo(n.policy, n.zone, n)
	}
	if other := n.selectedBy; other != nil && other != n.policy {
		l.addTo(other, n.Labels[other.Spec.Rollout.Zones.TopologyKey], n)
	}
}

func (l *limits) addTo(policy *policyView, zone string, n *nodeView) {
	unit := policy.unitOf(n, zone)
	if l.addGroup(policyGroup{policy: policy, unit: unit}, n) {
		l.byPolicy[policy]++
	}
	if l.addGroup(policyGroup{policy: policy, unit: unit, zone: zone, ofZone: true}, n) {
		l.byZone[policyZone{policy, zone}]++
	}
}

// addGroup says whether the unit was not counted yet.
func (l *limits) addGroup(group policyGroup, n *nodeView) bool {
	if group.unit == n.Name {
		return true
	}
	counted := l.groups[group]
	l.groups[group] = true
	return !counted
}

// counts says whether the node's unit is counted already.
func (l *limits) counts(group policyGroup, n *nodeView) bool {
	return l.down[n] || group.unit != n.Name && l.groups[group]
}

// countStart counts a node that starts, or would start.
func (p *planning) countStart(r *rebootView) {
	p.limits.add(r.node)
	r.started, r.node.starts = true, true
	p.limits.starts++
	p.limits.busy[r.policy()] = true
	if zone := (policyZone{r.policy(), r.node.zone}); p.limits.firsts[zone] == nil && !r.node.controlPlane {
		p.limits.firsts[zone] = r.node
	}
	if c := r.policy().canaries; c != nil {
		c.start(r, p.Now)
	}
	zones := r.policy().Spec.Rollout.Zones
	if zones.Strategy == v1alpha1.ZonesOneAtATime && r.policy().Spec.Mode == v1alpha1.ModeEnforce {
		p.limits.startedZone[zones.TopologyKey] = r.node.zone
	}
}

// fits says whether so many more may be down besides the count that are. A node that is already down makes no difference to the count.
func (l *limits) fits(more, count, limit int) bool {
	return count+len(l.unseen)+more <= limit
}

// unavailable says how many nodes a limit allows to be unavailable, and that they are. It does not say how many more there are: many
// NodeReboots may wait for the same limit, and each change of the number would be a write for each of them.
func (l *limits) unavailable(limit, count int, starting bool) string {
	switch allowed := model.Count(limit, "unavailable node"); {
	case limit == 0:
		return "no unavailable nodes: nothing starts"
	case count+len(l.unseen) < limit:
		return allowed + ", and with the whole group there would be more"
	case starting:
		return fmt.Sprintf("%s, and at least %d %s unavailable or about to start", allowed, limit, model.Form(limit, "is", "are"))
	default:
		return fmt.Sprintf("%s, and at least %d %s unavailable now", allowed, limit, model.Form(limit, "is", "are"))
	}
}

func oneUnless(counted bool) int {
	if counted {
		return 0
	}
	return 1
}
