package plan

import (
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/consent"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// round is one round of admission: whose turn it is, and what is found out while every policy starts what it can.
type round struct {
	*planning
	policyRounds map[*policyView]*policyRound
	// explained is the one waiting NodeReboot of each policy (of none: for the cluster) whose message names the nodes in the way. The others
	// get a message that does not change with every node, because each message is a write.
	explained map[*policyView]*rebootView
	// more is how many available nodes those have that are to start together.
	more int
	// undrainable is how many nodes of each policy could start and cannot be drained, as their pods tell.
	undrainable map[*policyView]int
	// leavers are the nodes that leave with a group, by the NodeReboot that is asked about for it.
	leavers map[*rebootView]leaving
	// gated: an external gate has stopped something that could have started otherwise.
	gated bool
}

// policyRound is the result of a round for one policy.
type policyRound struct {
	turn turn
	// line are those that have their turn, in order, and later those that have not, zone by zone.
	line  []*rebootView
	later []*zoneQueue
	// wholeLine is both, in the order in which they have their turns; nil if it was not asked for.
	wholeLine []*rebootView
	// places of those that wait in it; nil if they were not asked for.
	places map[*rebootView]place
	// limit is the verdict of the policy's limit on nodes for which there is no room, after a number of starts.
	limit said
	// room is the answer about room for the pods of nodes that go alone, after a number of starts.
	room roomSaid
	// unread are nodes in line whose pods have to be read before it is known who goes first.
	unread []string
	// gates is what the gates say that say the same about all nodes; nil if they were not asked.
	gates *model.Verdict
	// othersGated is the verdict for all but the first node that asked.
	othersGated model.Verdict
}

// said is a verdict that is the same for many, as it was after a number of starts.
type said struct {
	known   bool
	starts  int
	verdict model.Verdict
}

func (p *planning) newRound() *round {
	return &round{
		planning: p, policyRounds: map[*policyView]*policyRound{}, explained: map[*policyView]*rebootView{},
		undrainable: map[*policyView]int{}, leavers: map[*rebootView]leaving{},
	}
}

// of a policy.
func (p *round) of(policy *policyView) *policyRound {
	own := p.policyRounds[policy]
	if own == nil {
		own = &policyRound{}
		p.policyRounds[policy] = own
	}
	return own
}

// admit asks the gates about every waiting NodeReboot and starts those that pass all of them. A start gives its zone the turn for all
// policies that go through the same zones, others may have to wait for a canary that begins, and what a gate has stopped before may have to
// wait for something else now: so then there is another round.
func (p *planning) admit() {
	p.countUnavailable()
	p.countHalts()
	p.findFinishes()
	p.setPaces()
	canaries := false
	granted := p.grantedReboots()
	for _, policy := range p.policies {
		policy.canaries = p.findCanaries(policy, granted[policy])
		canaries = canaries || policy.canaries != nil
	}
	for again := true; again; {
		starts, zones := p.limits.starts, len(p.limits.startedZone)
		p.memory.newRound()
		p.lastRound = p.newRound()
		p.lastRound.admitAll(p.lastRound.able())
		again = (canaries || p.lastRound.gated) && p.limits.starts > starts || len(p.limits.startedZone) > zones
	}
	p.lastRound.explainLimits()
}

// able are those that could go if they had their turn, by policy; the others get the reason why they cannot.
func (p *round) able() map[*policyView][]*rebootView {
	able := make(map[*policyView][]*rebootView, len(p.policies))
	for _, policy := range p.policies {
		policy.able = p.memory.list(min(len(policy.nodes), len(p.reboots)))
	}
	for _, r := range p.reboots {
		if !r.waiting() || r.node == nil || r.awaitsFact || r.started {
			continue
		}
		if r.wait = p.obstacleOf(r); r.wait.OK() {
			r.policy().able = append(r.policy().able, r)
		}
	}
	for _, policy := range p.policies {
		if len(policy.able) > 0 {
			able[policy] = p.wholeGroups(policy.able)
		}
	}
	return able
}

// admitAll lets every policy start what it can.
func (p *round) admitAll(able map[*policyView][]*rebootView) {
	for _, policy := range p.turnOrder() {
		p.admitInTurn(policy, p.stillAble(able[policy]))
	}
}

// stillAble leaves out those that a start of another policy keeps from going: none of them has the turn of its zone.
func (p *round) stillAble(able []*rebootView) []*rebootView {
	return slices.DeleteFunc(slices.Clone(able), func(r *rebootView) bool {
		v := quorumGate(p.planning, r)
		if !v.OK() {
			r.wait = v
		}
		return !v.OK()
	})
}

// turnOrder is the order of policies. Those that only observe come last, so that what would start takes no place from what does.
func (p *planning) turnOrder() []*policyView {
	observes := func(policy *policyView) bool { return policy.Spec.Mode == v1alpha1.ModeObserve }
	return slices.Concat(
		slices.DeleteFunc(slices.Clone(p.policies), observes),
		slices.DeleteFunc(slices.Clone(p.policies), func(policy *policyView) bool { return !observes(policy) }),
	)
}

// admitInTurn starts those NodeReboots of a policy whose turn it is, and then gives the others their reasons. A halted policy does not wait
// for a trial that cannot start.
func (p *round) admitInTurn(policy *policyView, able []*rebootView) {
	for left := able; len(left) > 0; {
		starts := p.limits.starts
		line, later := policy.trials(left)
		p.admitZones(policy, line)
		if p.limits.starts > starts {
			policy.haltOthers(able)
			return
		}
		left = later
	}
}

// admitZones starts the nodes whose turn it is. If there is no room for the pods of any of them, or their pods cannot be evicted, they hold
// up no one: the turn passes to the next zone.
func (p *round) admitZones(policy *policyView, able []*rebootView) {
	starts := p.limits.starts
	queues := p.zoneQueues(policy, able)
	for len(queues) > 0 {
		own := &policyRound{turn: p.turnOf(policy, queues)}
		p.policyRounds[policy] = own
		for _, q := range queues {
			if own.turn.of(q.zone, q.controlPlane).OK() {
				own.line = append(own.line, q.reboots...)
			} else {
				own.later = append(own.later, q)
			}
		}
		p.orderLine(policy, own)
		p.admitLine(own.line)
		rest := slices.DeleteFunc(slices.Clone(own.line), byUnit(cannotGo))
		if p.limits.starts > starts || len(rest) == len(own.line) {
			break
		}
		if queues = own.later; len(rest) > 0 {
			queues = slices.Concat(p.zoneQueues(policy, rest), queues)
			slices.SortFunc(queues, policy.compareQueues)
		}
	}
	for _, q := range p.of(policy).later {
		p.admitLine(q.reboots)
	}
}

// cannotGo says that the node, or one that goes with it, has its turn and cannot go: its pods find no room, or cannot be evicted.
func cannotGo(r *rebootView) bool {
	return slices.ContainsFunc(r.companions(), func(other *rebootView) bool {
		switch other.wait.Reason {
		case v1alpha1.ReasonInsufficientCapacity, v1alpha1.ReasonDrainRefused, v1alpha1.ReasonDrainImpossible:
			return true
		}
		return false
	})
}

// admitLine starts those that can, in order, and each together with its companions.
func (p *round) admitLine(line []*rebootView) {
	tried := map[string]bool{}
	for _, r := range line {
		switch {
		case r.started || tried[r.node.unit]:
			continue
		case r.node.grouped():
			tried[r.node.unit] = true
		}
		p.admitTogether(r.companions())
	}
}

// againGates are the gates that an earlier start of the same plan may have closed.
var againGates = []gate{haltGate, canaryGate, quorumGate}

func (p *round) firstTurnObstacle(r *rebootView) model.Verdict {
	if v := firstObstacle(p.planning, r, againGates); !v.OK() {
		return v
	}
	return firstObstacle(p, r, turnGates)
}

// start begins attempts that go together. Their workloads and what their helpers say about the hosts have to be known first, and a policy
// that only observes starts nothing; all count as unavailable regardless, so that what comes after them is planned as it would be.
func (p *round) start(together []*rebootView) {
	var wait model.Verdict
	for _, r := range together {
		p.countStart(r)
		if v := p.beforeStart(r); wait.OK() {
			wait = v
		}
	}
	for _, r := range together {
		if r.wait = wait; wait.OK() {
			p.grant(r)
		} else {
			p.limits.starting[r.policy()] = true
		}
	}
}

// beforeStart says what has to be known before an attempt begins, and asks for it.
func (p *round) beforeStart(r *rebootView) model.Verdict {
	if v := consent.Enforced(r.policy().Policy); !v.OK() {
		return v
	}
	if v := p.slotsRefused(r); !v.OK() {
		return v
	}
	if !r.hostKnown() {
		return model.Blocked(v1alpha1.ReasonStarting, "The helper of node %s is asked whether its host can reboot.", r.node.Name)
	}
	if unread := p.of(r.policy()).unread; len(unread) > 0 {
		p.needPods = append(p.needPods, unread...)
		return model.Blocked(v1alpha1.ReasonStarting, "The pods of %s in line are being read, to find out which goes first.",
			model.Count(len(unread), "node"))
	}
	if _, known := p.snapshot.Pods[r.node.Name]; !known {
		p.needPodsFrom(r)
		return model.Blocked(v1alpha1.ReasonStarting, "The pods of node %s are being read.", r.node.Name)
	}
	return model.Verdict{}
}

// maxAhead is of how many nodes the pods are asked for at once.
const maxAhead = 50

// needPodsFrom asks for the pods of a node that is about to start, and of those after it in line: of one more for each that turned out not
// to be drainable. So it takes few rounds to find one that is, however many are not.
func (p *round) needPodsFrom(r *rebootView) {
	p.needPods = append(p.needPods, r.node.Name)
	ahead := min(p.undrainable[r.policy()], maxAhead)
	for _, next := range p.lineAfter(r) {
		if ahead <= 0 {
			return
		}
		if _, known := p.snapshot.Pods[next.node.Name]; known || p.knownUndrainable(next) != nil {
			continue
		}
		ahead--
		p.undrainable[r.policy()]--
		p.needPods = append(p.needPods, next.node.Name)
	}
}

// lineAfter are those that come after one that has its turn, zone by zone.
func (p *round) lineAfter(r *rebootView) []*rebootView {
	whole := p.wholeLine(p.of(r.policy()))
	return whole[slices.Index(whole, r)+1:]
}

// wholeLine are those that have their turn, in order, and then the others, zone by zone.
func (p *round) wholeLine(own *policyRound) []*rebootView {
	if own.wholeLine == nil {
		own.wholeLine = slices.Clone(own.line)
		for _, itsTurn := range []bool{true, false} {
			for _, q := range own.later {
				if (q.controlPlane == own.turn.controlPlane) == itsTurn {
					own.wholeLine = append(own.wholeLine, slices.SortedFunc(slices.Values(q.reboots), compareWaiting)...)
				}
			}
		}
	}
	return own.wholeLine
}
