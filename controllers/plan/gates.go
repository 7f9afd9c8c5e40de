package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// gate says whether one thing allows a waiting NodeReboot to start.
type gate func(p *pass, r *rebootView) verdict

// nodeGates are asked in this order about each waiting NodeReboot by itself; the first that does not pass is the reason why it waits. A
// NodeReboot that passes all of them could go if it had its turn, and only such a one holds up others (turns.go).
var nodeGates = []gate{
	ownerGate,
	skipGate,
	policyGate,
	pauseGate,
	haltGate,
	sameNodeGate,
	backoffGate,
	minIntervalGate,
	nodeReadyGate,
	hostGate,
	helperGate,
	deletionGate,
	foreignGate,
	approvalGate,
	windowGate,
	heldGate,
	podGate,
	drainGate,
	canaryGate,
	controlPlaneGate,
}

// turnGates are asked after them, in the order in which the NodeReboots are to go.
var turnGates = []gate{
	turnGate,
	zoneLimitGate,
	policyLimitGate,
	clusterLimitGate,
	adaptiveDelayGate,
	policyGates,
	capacityGate,
}

func firstObstacle(p *pass, r *rebootView, gates []gate) verdict {
	for _, g := range gates {
		if v := g(p, r); !v.passed() {
			return v
		}
	}
	return verdict{}
}

func ownerGate(_ *pass, r *rebootView) verdict {
	if r.policy() != nil {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonNoPolicy, message: fmt.Sprintf(
		"No RebootPolicy selects node %s: nothing is done until one does.", r.obj.Spec.NodeName)}
}

func policyGate(_ *pass, r *rebootView) verdict {
	policy := r.policy()
	if policy.invalid == "" {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonPolicyInvalid, message: fmt.Sprintf(
		"RebootPolicy %s cannot be used: %s.", policy.obj.Name, policy.invalid)}
}

// pauseGate stops what a paused policy owns. One that only observes goes on, so that it shows the whole plan; see start.
func pauseGate(p *pass, r *rebootView) verdict {
	if r.policy().spec.Mode == v1alpha1.ModeObserve {
		return verdict{}
	}
	return modeGate(p, r)
}

// modeGate passes only in mode Enforce.
func modeGate(_ *pass, r *rebootView) verdict {
	policy := r.policy()
	switch policy.spec.Mode {
	case v1alpha1.ModeEnforce:
		return verdict{}
	case v1alpha1.ModeObserve:
		return verdict{reason: v1alpha1.ReasonObserving, message: fmt.Sprintf(
			"Would start now; RebootPolicy %s only observes.", policy.obj.Name)}
	default:
		return verdict{reason: v1alpha1.ReasonPaused, message: fmt.Sprintf("RebootPolicy %s is paused.", policy.obj.Name)}
	}
}

func haltGate(_ *pass, r *rebootView) verdict {
	policy := r.policy()
	if !policy.halted() {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonHalted, message: fmt.Sprintf(
		"RebootPolicy %s is halted: %s. It goes on when they succeed or are deleted.", policy.obj.Name, policy.haltedBy())}
}

func sameNodeGate(_ *pass, r *rebootView) verdict {
	first := r.node.open
	if first == nil {
		first = r.node.firstWaiting()
	}
	if first == r {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonSameNode, message: fmt.Sprintf(
		"NodeReboot %s of the same node goes first; its reboot satisfies this one, too.", first.obj.Name)}
}

// heldGate waits until the slot of the node's last attempt is free. It is asked late, for that is a matter of moments. A slot that was
// granted for the next attempt is what it needs.
func heldGate(p *pass, r *rebootView) verdict {
	if _, granted := p.grantOf(r); granted || !r.node.held {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonSameNode, message: fmt.Sprintf("The last attempt on node %s has just ended.", r.node.Name)}
}

// firstWaiting is the waiting NodeReboot of the node that goes before its others.
func (n *nodeView) firstWaiting() *rebootView {
	var first *rebootView
	for _, r := range n.reboots {
		if r.waiting() && (first == nil || compareWaiting(r, first) < 0) {
			first = r
		}
	}
	return first
}

// compareWaiting orders by urgency, then longest required first, then name; but the node on which the leading manager runs goes last. Of
// one node's NodeReboots, those that lack an approval go last, for they hold up the others.
func compareWaiting(a, b *rebootView) int {
	return cmp.Or(
		compareFalseFirst(!a.approved(), !b.approved()),
		cmp.Compare(urgencyRank(a), urgencyRank(b)),
		compareFalseFirst(a.node.leads, b.node.leads),
		a.next.RequiredSince.Compare(b.next.RequiredSince.Time),
		cmp.Compare(a.obj.Name, b.obj.Name),
	)
}

func compareFalseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func urgencyRank(r *rebootView) int {
	if r.immediate() {
		return 0
	}
	return 1
}

func (r *rebootView) immediate() bool { return r.obj.Spec.Urgency == v1alpha1.UrgencyImmediate }

func backoffGate(p *pass, r *rebootView) verdict {
	failures := r.next.Failures
	if failures == nil {
		return verdict{}
	}
	until := failures.LastTime.Add(backoff(seconds(r.policy().spec.Failure.BackoffSeconds), failures.Count))
	if p.passed(until) {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonBackingOff, message: fmt.Sprintf(
		"Attempt %d failed (%s); the next one waits until %s. %s",
		failures.Count, failures.LastReason, clockTime(until), failures.LastMessage)}
}

// backoff doubles with every failure after the first, up to a day.
func backoff(first time.Duration, failures int32) time.Duration {
	factor := math.Pow(2, float64(failures-1))
	if float64(first)*factor >= float64(maxBackoff) {
		return maxBackoff
	}
	return first * time.Duration(factor)
}

func minIntervalGate(p *pass, r *rebootView) verdict {
	interval := seconds(r.policy().spec.Rollout.MinIntervalSeconds)
	if r.node.lastBack.IsZero() || interval == 0 {
		return verdict{}
	}
	until := r.node.lastBack.Add(interval)
	if p.passed(until) {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonMinInterval, message: fmt.Sprintf(
		"Node %s was rebooted at %s; it may be again at %s.", r.node.Name, clockTime(r.node.lastBack), clockTime(until))}
}

func nodeReadyGate(_ *pass, r *rebootView) verdict {
	switch {
	case !r.node.Ready:
		return verdict{reason: v1alpha1.ReasonNodeNotReady, message: fmt.Sprintf("Node %s is not Ready.", r.node.Name)}
	case r.node.BootID == "":
		return verdict{reason: v1alpha1.ReasonNodeNotReady, message: fmt.Sprintf(
			"Node %s reports no boot ID, so a reboot of it could not be proved.", r.node.Name)}
	}
	return verdict{}
}

// controlPlaneGate keeps control-plane nodes from going while another one is down: etcd needs its quorum.
func controlPlaneGate(p *pass, r *rebootView) verdict {
	if !r.node.controlPlane {
		return verdict{}
	}
	for _, other := range p.nodeOrder {
		if other == r.node || !other.controlPlane || (other.Ready && !other.underWay()) {
			continue
		}
		return verdict{reason: v1alpha1.ReasonControlPlaneNotReady, message: fmt.Sprintf(
			"Control-plane node %s is under way or not Ready, and two of them are never down at once.", other.Name)}
	}
	return verdict{}
}

// admit asks the gates about every waiting NodeReboot and starts those that pass all of them. A start gives its zone the turn for all
// policies that go through the same zones, others may have to wait for a canary that begins, and what a gate has stopped before may have to
// wait for something else now: so then all are asked again.
func (p *pass) admit() {
	p.countUnavailable()
	p.countUnreturned()
	p.setPaces()
	canaries := false
	for _, policy := range p.policies {
		policy.canaries = p.findCanaries(policy)
		canaries = canaries || policy.canaries != nil
	}
	for again := true; again; {
		starts, zones := p.limits.starts, len(p.limits.startedZone)
		p.admitAll(p.able())
		again = (canaries || p.gated) && p.limits.starts > starts || len(p.limits.startedZone) > zones
	}
	p.explainLimits()
}

// able are those that could go if they had their turn, by policy; the others are told why they cannot.
func (p *pass) able() map[*policyView][]*rebootView {
	able := map[*policyView][]*rebootView{}
	for _, r := range p.reboots {
		if !r.waiting() || r.node == nil || r.unsettled || r.started {
			continue
		}
		if r.wait = firstObstacle(p, r, nodeGates); r.wait.passed() {
			able[r.policy()] = append(able[r.policy()], r)
		}
	}
	for policy := range able {
		able[policy] = p.wholeGroups(able[policy])
	}
	return able
}

// admitAll lets every policy start what it can.
func (p *pass) admitAll(able map[*policyView][]*rebootView) {
	clear(p.limits.explained)
	p.gated = false
	for _, policy := range p.turnOrder() {
		p.admitInTurn(policy, able[policy])
	}
}

// turnOrder is the order of policies. Those that only observe come last, so that what would start takes no place from what does.
func (p *pass) turnOrder() []*policyView {
	observes := func(policy *policyView) bool { return policy.spec.Mode == v1alpha1.ModeObserve }
	return slices.Concat(
		slices.DeleteFunc(slices.Clone(p.policies), observes),
		slices.DeleteFunc(slices.Clone(p.policies), func(policy *policyView) bool { return !observes(policy) }),
	)
}

// admitInTurn starts those NodeReboots of a policy whose turn it is, in order, and then tells the others. Those for whose pods there is no
// room hold up nobody: if nothing else has the turn, it goes on to the next zone.
func (p *pass) admitInTurn(policy *policyView, able []*rebootView) {
	policy.turn, policy.outside, policy.line = turn{}, nil, nil // of an earlier round, when others could still go
	for len(able) > 0 {
		starts := p.limits.starts
		p.admitRound(policy, able)
		rest := slices.DeleteFunc(slices.Clone(able), noRoom)
		if len(rest) == len(able) || p.limits.starts > starts {
			return
		}
		able = rest
	}
}

// noRoom: there is no room for the pods of the node, or of one that goes with it.
func noRoom(r *rebootView) bool {
	return slices.ContainsFunc(r.companions(), func(other *rebootView) bool {
		return other.wait.reason == v1alpha1.ReasonInsufficientCapacity
	})
}

func (p *pass) admitRound(policy *policyView, able []*rebootView) {
	policy.turn, policy.outside = p.turnOf(policy, able), nil
	var inTurn, others []*rebootView
	for _, r := range able {
		if turnGate(p, r).passed() {
			inTurn = append(inTurn, r)
		} else {
			others = append(others, r)
		}
	}
	slices.SortFunc(inTurn, compareWaiting)
	policy.line = inTurn
	for _, r := range slices.Concat(inTurn, others) {
		if !r.started {
			p.admitTogether(r.companions())
		}
	}
}

// againGates are the gates that an earlier start of the same pass may have closed.
var againGates = []gate{canaryGate, controlPlaneGate}

func (p *pass) firstTurnObstacle(r *rebootView) verdict {
	if v := firstObstacle(p, r, againGates); !v.passed() {
		return v
	}
	return firstObstacle(p, r, turnGates)
}

// start begins attempts that go together. Their workloads and what their helpers say of the hosts have to be known first, and a policy that
// only observes starts nothing; all count as unavailable all the same, so that what comes after them is planned as it would be.
func (p *pass) start(together []*rebootView) {
	var wait verdict
	for _, r := range together {
		p.countStart(r)
		if v := p.beforeStart(r); wait.passed() {
			wait = v
		}
	}
	for _, r := range together {
		if r.wait = wait; wait.passed() {
			p.grant(r)
		}
	}
}

// beforeStart says what has to be known before an attempt begins, and asks for it.
func (p *pass) beforeStart(r *rebootView) verdict {
	if v := modeGate(p, r); !v.passed() {
		return v
	}
	if !r.hostKnown() {
		return verdict{reason: v1alpha1.ReasonStarting, message: fmt.Sprintf(
			"The helper of node %s is asked whether its host can reboot.", r.node.Name)}
	}
	if _, known := p.snapshot.Pods[r.node.Name]; !known {
		p.asks = append(p.asks, r.node.Name)
		return verdict{reason: v1alpha1.ReasonStarting, message: fmt.Sprintf("The pods of node %s are being read.", r.node.Name)}
	}
	return verdict{}
}

func (r *rebootView) lastAttempt() int32 {
	if r.next.Attempt == nil {
		return 0
	}
	return r.next.Attempt.Number
}

// begin opens an attempt that holds a slot, and takes it as far as it goes.
func (p *pass) begin(r *rebootView, number int32) {
	next := r.edit()
	next.Attempt = &v1alpha1.Attempt{
		Number: number, Role: p.roleOf(r), GrantedTime: *p.stamp(), StaleConditions: staleConditions(next.Conditions),
	}
	next.Before, next.After = r.node.boot(), nil
	next.Workloads = p.captureWorkloads(p.snapshot.Pods[r.node.Name])
	r.node.open, r.attempting = r, true
	r.wait = verdict{reason: v1alpha1.ReasonStarting, message: fmt.Sprintf("Node %s is being cordoned.", r.node.Name)}
	p.advance(r)
}

// halted: as many nodes failed to come back as the policy allows.
func (policy *policyView) halted() bool {
	return len(policy.unreturned) > 0 && int32(len(policy.unreturned)) >= ptr.Deref(policy.spec.Failure.MaxFailures, 0)
}
