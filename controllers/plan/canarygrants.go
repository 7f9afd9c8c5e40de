package plan

import (
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// grantedAttempts are the NodeReboots whose last attempt a policy with canaries granted.
type grantedAttempts struct {
	reboots []*rebootView
	// past are those of the past that were proved.
	past []grantedPast
}

// grantedPast is an attempt of a node.
type grantedPast struct {
	node *nodeView
	*pastAttempt
}

// grantedReboots are the NodeReboots whose last attempt a policy with canaries granted, by its name. Their Nodes may be deleted, or belong
// to another policy by now.
func (p *planning) grantedReboots() map[*policyView]*grantedAttempts {
	if !slices.ContainsFunc(p.policies, func(policy *policyView) bool { return policy.Spec.Rollout.Canary != nil }) {
		return nil
	}
	g := &granting{planning: p, all: map[*policyView]*grantedAttempts{}, since: p.longestRequired(), soaked: p.Now.Add(-p.longestSoak())}
	for _, n := range p.nodeOrder {
		g.add(n.reboots)
		g.addPast(n)
	}
	g.add(p.orphans)
	return g.all
}

// granting collects what policies with canaries granted.
type granting struct {
	*planning
	all map[*policyView]*grantedAttempts
	// Attempts of nodes that go alone, which began before since and ended before soaked, speak for nobody who waits.
	since, soaked time.Time
}

// of the policy with a name; nil if it has no canaries.
func (g *granting) of(name string, likely *policyView) *grantedAttempts {
	policy := g.policyNamed(name, likely)
	if policy == nil || policy.Spec.Rollout.Canary == nil {
		return nil
	}
	if g.all[policy] == nil {
		g.all[policy] = &grantedAttempts{}
	}
	return g.all[policy]
}

func (g *granting) add(reboots []*rebootView) {
	for _, r := range reboots {
		if r.Status.Attempt == nil {
			continue
		}
		if own := g.of(r.grantedBy(), r.policy()); own != nil {
			own.reboots = append(own.reboots, r)
		}
	}
}

func (g *granting) addPast(n *nodeView) {
	for i := range n.past.attempts {
		attempt := &n.past.attempts[i]
		if !attempt.proved || !n.grouped() && attempt.began.Before(g.since) && !attempt.ended.After(g.soaked) {
			continue
		}
		if own := g.of(attempt.policy, n.policy); own != nil {
			own.past = append(own.past, grantedPast{n, attempt})
		}
	}
}

// longestRequired is since when the need exists that has waited longest.
func (p *planning) longestRequired() time.Time {
	longest := p.Now
	for _, r := range p.reboots {
		if since := r.required; !since.IsZero() && r.waiting() && since.Before(longest) {
			longest = since
		}
	}
	return longest
}

// longestSoak of the canaries of any policy.
func (p *planning) longestSoak() time.Duration {
	longest := time.Duration(0)
	for _, policy := range p.policies {
		if canary := policy.Spec.Rollout.Canary; canary != nil {
			longest = max(longest, model.Seconds(canary.SoakSeconds))
		}
	}
	return longest
}

// notePastCanaries adds what attempts of the past say. Those of a node that goes alone are no batch.
func (p *planning) notePastCanaries(policy *policyView, found *canaries, batches map[batchKey]*canary, past []grantedPast) {
	soak := model.Seconds(policy.Spec.Rollout.Canary.SoakSeconds)
	for i := range past {
		n, attempt := past[i].node, past[i].pastAttempt
		own := canary{
			unit: n.unit, node: n.Name, began: attempt.began, soaked: attempt.ended.Add(soak), marked: attempt.marked,
		}
		if n.grouped() {
			key := batchKey{n.unit, attempt.began.UnixMicro()}
			if c := batches[key]; c != nil {
				c.marked = c.marked || own.marked
				c.soak(own.soaked)
			} else {
				batches[key] = &own
			}
			continue
		}
		if p.Now.Before(own.soaked) {
			found.pending = append(found.pending, own)
			continue
		}
		if last := len(found.alone) - 1; last >= 0 && found.alone[last].unit == n.unit {
			found.alone[last].began = model.Latest(found.alone[last].began, own.began)
			continue
		}
		found.alone = append(found.alone, own)
	}
}
