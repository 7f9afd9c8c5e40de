package judge

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// slots judges a version of the slots object.
func (j *judge) slots(slots *Slots) {
	before := j.world.underWay()
	if slots.Gone {
		j.world.grants, j.world.entries = map[string]Grant{}, 0
	} else {
		j.world.grants, j.world.entries = slots.Grants, slots.Entries
	}
	j.starts(before)
}

// starts judges what has begun to hold a slot since before.
func (j *judge) starts(before map[string]attemptKey) {
	now := j.world.underWay()
	for _, node := range slices.Sorted(maps.Keys(now)) {
		if now[node] != before[node] {
			j.start(node, now)
		}
	}
}

func (j *judge) start(node string, underWay map[string]attemptKey) {
	key := underWay[node]
	j.rememberReadiness(node, key)
	granted := j.world.forWhom(node, key)
	if policy := j.world.policies[granted.policy]; policy != nil {
		j.budget(node, granted, policy, underWay)
		j.halt(node, policy)
		j.consent("start", node, granted.policy)
	}
	j.clusterLimit(node, underWay)
	j.zones(underWay)
	j.quorum(node, underWay)
}

// graceful is when something must have begun at the latest for the operator to know it by now.
func (j *judge) graceful() time.Time { return j.now.At.Add(-j.rules.Grace) }

// longEnough says that something has been so for long enough.
func (j *judge) longEnough(since time.Time) bool {
	return !since.IsZero() && since.Before(j.graceful())
}

// budget judges the limits of the policy and of its zone.
func (j *judge) budget(node string, granted grantedFor, policy *policyState, underWay map[string]attemptKey) {
	down, inZone := j.unavailable(granted, underWay)
	if limit := most(policy.limit(), policy.limits, j.graceful()); len(down) > limit {
		j.broken(Budget, "the start of %s made %d nodes of policy %s unavailable, and %d may be: %s",
			node, len(down), policy.Name, limit, list(down))
	}
	if limit := most(policy.zoneLimit(), policy.perZone, j.graceful()); granted.zone != "" && len(inZone) > limit {
		j.broken(Budget, "the start of %s made %d nodes of zone %s unavailable, and %d may be: %s",
			node, len(inZone), granted.zone, limit, list(inZone))
	}
}

// unavailable lists what counts for a policy, and of that what counts for a zone.
func (j *judge) unavailable(granted grantedFor, underWay map[string]attemptKey) (down, inZone []string) {
	counts := func(name, zone string) {
		down = append(down, name)
		if zone == granted.zone {
			inZone = append(inZone, name)
		}
	}
	for name := range underWay {
		if other := j.world.forWhom(name, underWay[name]); other.policy == granted.policy {
			counts(name, other.zone)
		}
	}
	for name, state := range j.world.nodes {
		_, counted := underWay[name]
		if !counted && j.longEnough(state.unavailableSince) && j.longEnough(state.ownerSince) && j.world.owner(state) == granted.policy {
			counts(name, state.Zone)
		}
	}
	return down, inZone
}

func (j *judge) clusterLimit(node string, underWay map[string]attemptKey) {
	if j.rules.ClusterLimit == 0 {
		return
	}
	down := slices.Collect(maps.Keys(underWay))
	for name, state := range j.world.nodes {
		if _, counted := underWay[name]; !counted && j.longEnough(state.unavailableSince) {
			down = append(down, name)
		}
	}
	if len(down) > j.rules.ClusterLimit {
		j.broken(Budget, "the start of %s made %d nodes of the cluster unavailable, and %d may be: %s",
			node, len(down), j.rules.ClusterLimit, list(down))
	}
}

// zones judges that those who go one zone at a time do.
func (j *judge) zones(underWay map[string]attemptKey) {
	nodes := map[string]string{} // of each zone, one
	for _, name := range slices.Sorted(maps.Keys(underWay)) {
		granted := j.world.forWhom(name, underWay[name])
		policy := j.world.policies[granted.policy]
		oneAtATime := policy != nil && policy.Spec.Rollout.Zones.Strategy != v1alpha1.ZonesAnyOrder
		if granted.zone != "" && oneAtATime {
			nodes[granted.zone] = name
		}
	}
	if len(nodes) > 1 {
		j.broken(Zones, "%s of zones %s are under way at once", list(slices.Collect(maps.Values(nodes))), list(slices.Collect(maps.Keys(nodes))))
	}
}

// quorum judges that of the nodes that may run etcd only one goes, and none while another one is down.
func (j *judge) quorum(node string, underWay map[string]attemptKey) {
	if state := j.world.nodes[node]; state == nil || !state.ControlPlane {
		return
	}
	for name, state := range j.world.nodes {
		_, goes := underWay[name]
		if name != node && state.ControlPlane && (goes || j.longEnough(state.unreadySince)) {
			j.broken(Quorum, "%s was started while %s was down or under way, and both may run etcd", node, name)
		}
	}
}

// consent judges that nothing happens to a node against its policy or its label.
func (j *judge) consent(what, node, policy string) {
	if state := j.world.policies[policy]; state == nil || j.longEnough(state.noSince) {
		j.broken(Consent, "%s of %s while its policy %s is not in force", what, node, policy)
	}
	if state := j.world.nodes[node]; state != nil && j.longEnough(state.skipSince) {
		j.broken(Consent, "%s of %s, which has the label to be skipped", what, node)
	}
}

// halt judges that nothing starts while too many nodes did not come back.
func (j *judge) halt(node string, policy *policyState) {
	if policy.Spec.Failure.MaxFailures == nil {
		return
	}
	limit := policy.Spec.Failure.MaxFailures.IntValue()
	var lost []string
	for _, reboot := range j.world.reboots {
		state := j.world.nodes[reboot.Node]
		attempt := reboot.Status.Attempt
		reached := attempt != nil && attempt.PolicyName == policy.Name && attempt.RebootOrderedTime != nil
		overdue := reboot.Status.Reason == v1alpha1.ReasonNodeNotBack || reboot.Status.OutcomeReason == v1alpha1.ReasonNodeNotBack
		if reached && overdue && state != nil && j.longEnough(state.unreadySince) {
			lost = append(lost, reboot.Node)
		}
	}
	if limit > 0 && len(lost) >= limit {
		j.broken(Halt, "%s was started although %d nodes of policy %s did not come back: %s", node, len(lost), policy.Name, list(lost))
	}
}

// rememberReadiness keeps how ready the applications of a node are when it is started.
func (j *judge) rememberReadiness(node string, key attemptKey) {
	if j.world.baseline[key] != nil {
		return
	}
	ready := map[string]int{}
	for name, app := range j.world.apps {
		for _, pod := range app.pods {
			if pod.Node == node {
				ready[name], _ = app.extremes(j.graceful())
			}
		}
	}
	j.world.baseline[key] = ready
}

func list(names []string) string {
	slices.Sort(names)
	return strings.Join(names, ", ")
}
