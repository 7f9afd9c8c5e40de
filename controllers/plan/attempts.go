package plan

import (
	"slices"

	"github.com/reboot-operator/reboot-operator/controllers/plan/attempt"
)

// advanceAttempts moves every open attempt on as far as the facts allow.  Those whose hosts were ordered to reboot go first: what becomes
// of them halts a policy, and keeps other nodes that may run etcd from going down.
func (p *planning) advanceAttempts() {
	p.shareEvictions()
	p.advanceThose(told)
	p.countHalts()
	p.advanceThose(func(r *rebootView) bool { return !told(r) })
	p.advanceUnaccounted()
}

// advanceUnaccounted moves those attempts on again for whose missing pods no other attempt could account. By now it shows what others have
// displaced.
func (p *planning) advanceUnaccounted() {
	again := p.unaccounted
	p.shares, p.unaccounted = nil, nil
	for _, r := range p.reboots {
		if again[r] && r.open() {
			p.follow(r, attempt.Advance(p.attemptInput(r)))
		}
	}
}

func (p *planning) advanceThose(which func(r *rebootView) bool) {
	for _, r := range p.reboots {
		if r.open() && !r.advanced && which(r) {
			r.advanced = true
			p.follow(r, attempt.Advance(p.attemptInput(r)))
		}
	}
}

// begin opens an attempt that holds a slot, and takes it as far as it goes.
func (p *planning) begin(r *rebootView, number int32) {
	r.node.open = r
	if !slices.Contains(p.limits.holders, r.node) { // one with a grant is among them already
		p.limits.holders = append(p.limits.holders, r.node)
	}
	in := p.attemptInput(r)
	in.Selected = r.node.selectedBy == r.policy()
	p.follow(r, attempt.Begin(in, number, p.roleOf(r)))
}

func (p *planning) attemptInput(r *rebootView) *attempt.Input {
	in := &attempt.Input{
		Draft: r.Draft, Node: r.modelNode(), Workloads: p.snapshot.Workloads, Answers: p.snapshot.Answers,
		Selected: r.node.selectedBy != nil && r.node.selectedBy.Name() == r.grantedBy(), ControlPlane: r.node.controlPlane,
	}
	if policy := r.policy(); policy != nil {
		in.Policy, in.Halt = policy.Policy, policy.stops(r)
	}
	if !told(r) {
		in.Quorum, in.Refused = p.quorumBefore(r), p.beginRefused(r)
	}
	in.SlotLost = p.slotLost(r)
	if r.node.open == r && !r.node.gone && !told(r) {
		in.Manager = attempt.Manager{Needs: p.managerNeeds(r.node), Namespace: p.snapshot.Namespace}
		in.LastPlace = p.lastPlace(r.node)
	}
	in.Moment, in.Neighbors = p.Moment, neighborsOf{p, r}
	in.Pods, in.PodsKnown = p.snapshot.Pods[r.node.Name]
	in.Retry, in.Hold = p.evictionsOf(r)
	in.BootSeen, in.MissedBoot = p.unrecordedBoot(r)
	r.bootMissed = r.bootMissed || !in.MissedBoot.IsZero()
	return in
}

// follow takes over what an attempt came to.
func (p *planning) follow(r *rebootView, result attempt.Result) {
	r.Draft, r.wait, r.pendingHooks = result.Draft, result.Verdict, result.PendingHooks
	p.settleOffers(r.Status.Attempt.DrainOrderedTime != nil)
	p.Moment = result.Moment
	r.sync()
	r.node.noteBack(r)
	if result.NeedPods {
		p.needPods = append(p.needPods, r.node.Name)
	}
	for _, query := range result.Queries {
		p.query(query)
	}
	// Its slot is free once that is written.
	if result.Freed() && r.node.open == r {
		r.node.open, r.node.endsNow = nil, true
		r.node.changed()
	}
}

// told says that the host was ordered to reboot, or has rebooted, in the open attempt.
func told(r *rebootView) bool {
	current := r.Status.Attempt
	return r.open() && current.RolledBackTime == nil && (current.RebootOrderedTime != nil || current.BackTime != nil)
}
