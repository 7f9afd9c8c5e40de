package plan

import (
	"github.com/reboot-operator/reboot-operator/controllers/plan/attempt"
)

// advanceAttempts moves every open attempt on as far as the facts allow.
func (p *planning) advanceAttempts() {
	for _, r := range p.reboots {
		if r.open() {
			p.follow(r, attempt.Advance(p.attemptInput(r)))
		}
	}
}

// begin opens an attempt that holds a slot, and takes it as far as it goes.
func (p *planning) begin(r *rebootView, number int32) {
	r.node.open = r
	p.follow(r, attempt.Begin(p.attemptInput(r), number, p.roleOf(r)))
}

func (p *planning) attemptInput(r *rebootView) *attempt.Input {
	in := &attempt.Input{
		Draft: r.Draft, Node: r.modelNode(), Moment: p.Moment, Workloads: p.snapshot.Workloads, Answers: p.snapshot.Answers,
	}
	if policy := r.policy(); policy != nil {
		in.Policy = policy.Policy
	}
	if r.node != nil {
		in.Pods, in.PodsKnown = p.snapshot.Pods[r.node.Name]
	}
	return in
}

// follow takes over what an attempt came to.
func (p *planning) follow(r *rebootView, result attempt.Result) {
	r.Draft, r.wait, r.pendingHooks = result.Draft, result.Verdict, result.PendingHooks
	p.Moment = result.Moment
	r.sync()
	if result.NeedPods {
		p.needPods = append(p.needPods, r.node.Name)
	}
	for _, query := range result.Queries {
		p.query(query)
	}
	if result.Freed() && r.node != nil {
		p.free(r)
	}
}

// free notes that the attempt has ended. Its slot is free once that is written.
func (p *planning) free(r *rebootView) {
	r.node.lastEnd = p.Now
	if r.node.open == r {
		r.node.open = nil
	}
}
