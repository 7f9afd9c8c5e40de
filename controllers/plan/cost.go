package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const (
	// maxCompared is of how many of the nodes that have their turn the pods are read to compare what their drains cost, for each policy.
	maxCompared = 16
	// maxOvertaken bounds how a node can be overtaken: only by nodes whose reboots were required no more than this later.
	maxOvertaken = time.Hour
)

// drainCost is what the drain of a node costs.
type drainCost struct {
	// refused is how many evictions PodDisruptionBudgets would refuse now, because other nodes are drained or pods are missing.
	refused int32
	// pods have to go elsewhere, with this priority at most and in all.
	pods     int
	highest  int32
	priority int64
}

// compare puts the drain first that has the fewest evictions to wait for: while a drain waits, its slot is of no use to others. Each of
// these nodes is drained in the end, so this hardly changes how many pods move.
func (c drainCost) compare(other drainCost) int {
	return cmp.Or(
		cmp.Compare(c.refused, other.refused),
		cmp.Compare(c.pods, other.pods), cmp.Compare(c.highest, other.highest), cmp.Compare(c.priority, other.priority),
	)
}

// fewestMoves: the policy's nodes go in the order of what their drains displace.
func (policy *policyView) fewestMoves() bool {
	return policy.Spec.Rollout.NodeOrder == v1alpha1.NodeOrderFewestMoves && policy.Spec.Drain.Mode != v1alpha1.DrainModeSkip
}

// costOf draining the node of a NodeReboot; false if it is not known.
func (p *planning) costOf(r *rebootView) (drainCost, bool) {
	var cost drainCost
	pods, known := p.snapshot.Pods[r.node.Name]
	for i := range pods {
		pod := &pods[i]
		if !displaces(r, pod) {
			continue
		}
		if cost.pods++; cost.pods == 1 || pod.Priority > cost.highest {
			cost.highest = pod.Priority
		}
		cost.priority += int64(pod.Priority)
	}
	return cost, known
}

// displaces says that the drain for a NodeReboot evicts a pod that is on its node.
func displaces(r *rebootView, pod *model.Pod) bool {
	return !pod.Finished && !pod.Terminating && !pod.Stays() && r.policy().Drained.Matches(pod.Labels, pod.Annotations)
}

// orderLine orders the NodeReboots whose turn it is. Among the first few whose needs are of about the same age, the cheapest drain goes
// first, as soon as the cost is known for all of them that can be read. From then on their pods are part of the plan: what a drain costs
// changes with the pods, and with what other drains need of budgets.
func (p *round) orderLine(policy *policyView, own *policyRound) {
	p.sortWaiting(own.line)
	if !policy.fewestMoves() || len(own.line) < 2 {
		return
	}
	left, going := maxCompared, &goingFirst{needs: p.budgetsInUse(), counted: map[*rebootView]bool{}}
	for begin := 0; begin < len(own.line) && left > 0; {
		equals, class := equalsIn(own.line[begin:], left)
		left -= len(equals)
		if len(equals) > 1 {
			p.compareCosts(own, equals, going)
		} else {
			p.countGoing(equals[0], going)
		}
		begin += class
	}
}

// equalsIn are the first of a line that may go in any order, and how many of the line are of their class.
func equalsIn(line []*rebootView, most int) (equals []*rebootView, class int) {
	first := line[0]
	until := first.required.Add(maxOvertaken)
	same := 0
	for class < len(line) && compareClass(first, line[class]) == 0 {
		if !line[class].required.After(until) {
			same = class + 1 // the line is in the order of needs
		}
		class++
	}
	return line[:min(same, most)], class
}

// goingFirst are the drains under way and those that go first in a line, and what they need of budgets.
type goingFirst struct {
	needs   budgetNeeds
	counted map[*rebootView]bool
}

// countGoing counts a NodeReboot, and those that go together with it, each once, as far as the pods of their nodes are known.
func (p *round) countGoing(r *rebootView, going *goingFirst) {
	for _, other := range r.companions() {
		if !going.counted[other] {
			going.counted[other] = true
			going.needs.add(p.needsOf(other))
		}
	}
}

// compareCosts orders NodeReboots by what the drains of their nodes cost while others need what they need of budgets, or notes whose pods
// have to be read for that. Each goes as if those before it went as well.
func (p *round) compareCosts(own *policyRound, equals []*rebootView, going *goingFirst) {
	costs := make(map[*rebootView]drainCost, len(equals))
	needs := make(map[*rebootView]budgetNeeds, len(equals))
	var unknown []string
	for _, r := range equals {
		cost, known := p.costOf(r)
		switch {
		case known:
			p.needPods = append(p.needPods, r.node.Name)
			costs[r], needs[r] = cost, p.needsOf(r)
		case !p.snapshot.PodsUnread[r.node.Name] && p.knownUndrainable(r) == nil:
			unknown = append(unknown, r.node.Name)
		}
	}
	if len(unknown) > 0 {
		own.unread = append(own.unread, unknown...)
		return
	}
	for ; len(equals) > 0; equals = equals[1:] {
		next := slices.MinFunc(equals, func(a, b *rebootView) int {
			x, knownX := costs[a]
			y, knownY := costs[b]
			x.refused, y.refused = p.refusedNow(needs[a], going.needs), p.refusedNow(needs[b], going.needs)
			return cmp.Or(compareFalseFirst(!knownX, !knownY), x.compare(y))
		})
		at := slices.Index(equals, next)
		copy(equals[1:at+1], equals[:at])
		equals[0] = next
		p.countGoing(next, going)
	}
}
