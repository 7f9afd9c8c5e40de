package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
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
	// startedZone is the zone in which this pass starts nodes, by the key of the zones that go one at a time.
	startedZone map[string]string
	// starts is how many nodes start, or would start, in this pass.
	starts int
	// leaving names the nodes of starts, and those under way, once that is asked.
	leaving *string
	// unseen are the nodes of grants that another manager made and this one has not seen yet. Nothing is known of their policy and zone, so
	// they count against every limit.
	unseen []string
	// explained is the one waiting NodeReboot of each policy (of none: for the cluster) that is told which nodes are in the way. The others
	// get a message that does not change with every node, for each message is a write.
	explained map[*policyView]*rebootView
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

// countUnavailable counts every node that is down, cordoned, under way, or granted a slot, whoever is the cause.
func (p *pass) countUnavailable() {
	p.limits = limits{
		down:        map[*nodeView]bool{},
		byPolicy:    map[*policyView]int{},
		byZone:      map[policyZone]int{},
		groups:      map[policyGroup]bool{},
		clusterMax:  len(p.nodeOrder),
		startedZone: map[string]string{},
		unseen:      p.unseenGrants(),
		explained:   map[*policyView]*rebootView{},
	}
	if p.snapshot.ClusterMaxUnavailable != nil {
		// The manager validates the limit when it starts; one that cannot be resolved allows nothing.
		p.limits.clusterMax, _ = scaled(p.snapshot.ClusterMaxUnavailable, len(p.nodeOrder))
	}
	for _, n := range p.nodeOrder {
		if !n.Ready || n.Unschedulable || n.underWay() {
			p.limits.add(n)
		}
	}
}

// unseenGrants names the nodes of grants to nodes that are not in the snapshot.
func (p *pass) unseenGrants() []string {
	var names []string
	for name := range p.slots {
		if p.nodes[name] == nil {
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
	if n.policy == nil {
		return
	}
	if l.addGroup(policyGroup{policy: n.policy, unit: n.unit}, n) {
		l.byPolicy[n.policy]++
	}
	if l.addGroup(policyGroup{policy: n.policy, unit: n.unit, zone: n.zone, ofZone: true}, n) {
		l.byZone[policyZone{n.policy, n.zone}]++
	}
}

// addGroup says whether the node's unit was not counted yet.
func (l *limits) addGroup(group policyGroup, n *nodeView) bool {
	if !n.grouped() {
		return true
	}
	counted := l.groups[group]
	l.groups[group] = true
	return !counted
}

// counts says whether the node's unit is counted already.
func (l *limits) counts(group policyGroup, n *nodeView) bool {
	return l.down[n] || l.groups[group]
}

// countStart counts a node that starts, or would start.
func (p *pass) countStart(r *rebootView) {
	p.limits.add(r.node)
	r.started = true
	p.limits.starts++
	p.limits.leaving = nil
	if c := r.policy().canaries; c != nil {
		c.start(r, p.now)
	}
	zones := r.policy().spec.Rollout.Zones
	if zones.Strategy == v1alpha1.ZonesOneAtATime && r.policy().spec.Mode == v1alpha1.ModeEnforce {
		p.limits.startedZone[zones.TopologyKey] = r.node.zone
	}
}

// fits says whether so many more may be down besides the count that are. What is down already makes no difference to the count.
func (l *limits) fits(more, count, limit int) bool {
	return count+len(l.unseen)+more <= limit
}

func oneUnless(counted bool) int {
	if counted {
		return 0
	}
	return 1
}

func zoneLimitGate(p *pass, r *rebootView) verdict {
	limit := r.policy().spec.Rollout.Zones.MaxUnavailablePerZone
	counted := p.limits.counts(policyGroup{policy: r.policy(), unit: r.node.unit, zone: r.node.zone, ofZone: true}, r.node)
	if limit == nil || p.limits.fits(oneUnless(counted), p.limits.byZone[policyZone{r.policy(), r.node.zone}], int(*limit)) {
		return verdict{}
	}
	p.explainTo(r, r.policy())
	return verdict{reason: v1alpha1.ReasonZoneBudgetExhausted, message: fmt.Sprintf(
		"No more than %d nodes of %s may be unavailable.", *limit, zoneName(r.node.zone))}
}

func policyLimitGate(p *pass, r *rebootView) verdict {
	policy := r.policy()
	counted := p.limits.counts(policyGroup{policy: policy, unit: r.node.unit}, r.node)
	switch {
	case p.limits.fits(oneUnless(counted), p.limits.byPolicy[policy], policy.maxUnavailable):
		return verdict{}
	case policy.maxUnavailable == 0:
		return verdict{reason: v1alpha1.ReasonBudgetExhausted, message: fmt.Sprintf(
			"maxUnavailable of RebootPolicy %s is %s, which is 0 of its %d nodes: nothing starts. Write a larger one to let nodes go.",
			policy.obj.Name, policy.spec.Rollout.MaxUnavailable.String(), len(policy.nodes))}
	}
	p.explainTo(r, policy)
	return verdict{reason: v1alpha1.ReasonBudgetExhausted, message: fmt.Sprintf(
		"RebootPolicy %s allows %d unavailable nodes, and as many are.", policy.obj.Name, policy.maxUnavailable)}
}

func clusterLimitGate(p *pass, r *rebootView) verdict {
	if p.snapshot.ClusterMaxUnavailable == nil {
		return verdict{}
	}
	more := 0
	for _, companion := range r.companions() {
		more += oneUnless(p.limits.down[companion.node])
	}
	if p.limits.fits(more, p.limits.cluster, p.limits.clusterMax) {
		return verdict{}
	}
	p.explainTo(r, nil)
	return verdict{reason: v1alpha1.ReasonClusterBudgetExhausted, message: fmt.Sprintf(
		"The cluster-wide limit allows %d unavailable nodes, and as many are.", p.limits.clusterMax)}
}

// explainTo notes the first NodeReboot that waits for a limit of the policy, or of the whole cluster.
func (p *pass) explainTo(r *rebootView, policy *policyView) {
	if p.limits.explained[policy] == nil {
		p.limits.explained[policy] = r
	}
}

// explainLimits names the nodes that are unavailable, once all that can start have started.
func (p *pass) explainLimits() {
	for policy, r := range p.limits.explained {
		r.wait.message += p.unavailable(policy)
	}
}

// unavailable names the unavailable nodes of a policy, or of the whole cluster.
func (p *pass) unavailable(policy *policyView) string {
	const shown = 3
	var names []string
	more := 0
	name := func(node, why string) {
		if len(names) == shown {
			more++
			return
		}
		names = append(names, fmt.Sprintf("%s (%s)", node, why))
	}
	for _, n := range p.nodeOrder {
		if p.limits.down[n] && (policy == nil || n.policy == policy) {
			name(n.Name, n.whyUnavailable())
		}
	}
	for _, node := range p.limits.unseen {
		name(node, "reboot under way")
	}
	if more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	if len(names) == 0 {
		return ""
	}
	return " Unavailable: " + strings.Join(names, ", ") + "."
}

func (n *nodeView) whyUnavailable() string {
	switch {
	case n.underWay():
		return "reboot under way"
	case !n.Ready:
		return "not Ready"
	case n.Unschedulable:
		return "cordoned"
	}
	return "starting"
}

// countUnreturned finds the reboots of each policy whose node did not come back as it should: told to reboot, and not proved. A later
// success of the same node ends that.
func (p *pass) countUnreturned() {
	for _, r := range p.reboots {
		if policy := r.policy(); policy != nil && r.unreturned() && !r.node.succeededSince(r) {
			policy.unreturned = append(policy.unreturned, r)
		}
	}
}

func (r *rebootView) unreturned() bool {
	if r.open() {
		return r.next.Attempt.StalledTime != nil
	}
	if !r.complete() {
		return false
	}
	switch r.next.OutcomeReason {
	case v1alpha1.ReasonRebootNotObserved, v1alpha1.ReasonSentinelStillPresent, v1alpha1.ReasonConditionStillPresent:
		return r.next.Outcome == v1alpha1.OutcomeFailed && !r.deleted() && !r.nodeGone()
	}
	return false
}

func (n *nodeView) succeededSince(failed *rebootView) bool {
	for _, r := range n.reboots {
		if r.next.Outcome == v1alpha1.OutcomeSucceeded && failed.complete() && r.next.CompletionTime.After(failed.next.CompletionTime.Time) {
			return true
		}
	}
	return false
}

// haltedBy names the NodeReboots that halt the policy.
func (policy *policyView) haltedBy() string {
	const shown = 3
	var parts []string
	for i, r := range policy.unreturned {
		if i == shown {
			parts = append(parts, fmt.Sprintf("%d more", len(policy.unreturned)-shown))
			break
		}
		reason := r.next.OutcomeReason
		if r.open() {
			reason = r.next.Attempt.Result
		}
		parts = append(parts, fmt.Sprintf("NodeReboot %s (%s)", r.obj.Name, reason))
	}
	return strings.Join(parts, ", ")
}
