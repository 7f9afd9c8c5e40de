package plan

import (
	"math"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/consent"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
	"github.com/reboot-operator/reboot-operator/controllers/plan/protocol"
)

// gateOf says whether one thing allows a waiting NodeReboot to start.
type gateOf[P any] func(p P, r *rebootView) model.Verdict

// gate of a node, and turnGate of its turn in a round of admission.
type (
	gate     = gateOf[*planning]
	turnGate = gateOf[*round]
)

// nodeGate is a gate, and whether it is about the host: such a gate passes if nothing hinders the host.
type nodeGate struct {
	ask    gate
	ofHost bool
}

// nodeGates are asked in this order about each waiting NodeReboot by itself; the first that does not pass is the reason why it waits. A
// NodeReboot that passes all of them could go if it were its turn, and only such NodeReboots hold up others (turngates.go).
var nodeGates = []nodeGate{
	{ask: ownerGate},
	{ask: skipGate, ofHost: true},
	{ask: func(_ *planning, r *rebootView) model.Verdict { return consent.Valid(r.policy().Policy) }},
	{ask: pauseGate},
	{ask: haltGate},
	{ask: sameNodeGate},
	{ask: backoffGate},
	{ask: minIntervalGate},
	{ask: nodeReadyGate, ofHost: true},
	{ofHost: true, ask: func(_ *planning, r *rebootView) model.Verdict {
		return protocol.Known(r.node.Name, r.policy().Object, r.report())
	}},
	{ask: hostGate, ofHost: true},
	{ask: helperGate, ofHost: true},
	{ask: deletionGate, ofHost: true},
	{ask: otherMaintenanceGate, ofHost: true},
	{ask: func(_ *planning, r *rebootView) model.Verdict {
		return consent.Approval(r.policy().Policy, &r.Draft, r.approvalExpired)
	}},
	{ask: func(p *planning, r *rebootView) model.Verdict {
		return consent.Window(&p.Moment, r.policy().Policy, &r.Draft)
	}},
	{ask: refusedGate},
	{ask: heldGate},
	{ask: podGate},
	{ask: canaryGate},
	{ask: quorumGate},
}

// obstacleOf a waiting NodeReboot by itself.
func (p *planning) obstacleOf(r *rebootView) model.Verdict {
	free := r.isUnhindered()
	for i := range nodeGates {
		if g := &nodeGates[i]; !free || !g.ofHost {
			if v := g.ask(p, r); !v.OK() {
				return v
			}
		}
	}
	return model.Verdict{}
}

// isUnhindered says that all gates about the host pass.
func (r *rebootView) isUnhindered() bool {
	policy := r.policy()
	return r.unhindered && policy != nil && policy.installedMethod
}

func firstObstacle[P any](p P, r *rebootView, gates []gateOf[P]) model.Verdict {
	for _, g := range gates {
		if v := g(p, r); !v.OK() {
			return v
		}
	}
	return model.Verdict{}
}

func ownerGate(_ *planning, r *rebootView) model.Verdict {
	if r.policy() != nil {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonNoPolicy, "No RebootPolicy selects node %s: nothing is done until one does.", r.Object.Spec.NodeName)
}

// skipGate leaves a node alone that a person labeled so.
func skipGate(_ *planning, r *rebootView) model.Verdict {
	if !r.node.record.skipped {
		return model.Verdict{}
	}
	return consent.Skip(r.node.Node)
}

// pauseGate stops what a paused policy owns. One that only observes continues, so that it shows the whole plan; see start.
func pauseGate(_ *planning, r *rebootView) model.Verdict {
	if r.policy().Spec.Mode == v1alpha1.ModeObserve {
		return model.Verdict{}
	}
	return consent.Enforced(r.policy().Policy)
}

func sameNodeGate(_ *planning, r *rebootView) model.Verdict {
	if held := r.node.held; held != nil && r.node.open == nil {
		return model.Blocked(v1alpha1.ReasonSameNode, "NodeReboot %s of the same node cannot be read, and may have an attempt under way: "+
			"repair it, or delete it.", held.Object.Name)
	}
	first := r.node.open
	if first == nil {
		first = r.node.firstWaiting()
	}
	switch {
	case first == r:
		return model.Verdict{}
	case first.open() && r.node.active() == nil:
		return model.Blocked(v1alpha1.ReasonSameNode,
			"The attempt of NodeReboot %s of the same node was rolled back, and its slot is held until the pods that it evicted are "+
				"back.", first.Object.Name)
	}
	return model.Blocked(v1alpha1.ReasonSameNode,
		"NodeReboot %s of the same node goes first; its reboot satisfies this one, too.", first.Object.Name)
}

// heldGate waits until the end of the node's last attempt is written, and its slot is free. It comes late in the order, because that takes
// only moments. A slot that was granted for the next attempt does not block it.
func heldGate(p *planning, r *rebootView) model.Verdict {
	if _, granted := p.grantOf(r); !r.node.endsNow && (granted || !r.node.slotHeld) {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonSameNode, "The last attempt on node %s has just ended.", r.node.Name)
}

// maxBackoff bounds the wait after repeated failures.
const maxBackoff = 24 * time.Hour

// backoffGate waits after a failed attempt, up to a day, for as long as the reboot is needed. A window that opens ends the wait.
func backoffGate(p *planning, r *rebootView) model.Verdict {
	if r.untried || r.Status.Failures == nil {
		return model.Verdict{}
	}
	failures, policy := r.Status.Failures, r.policy()
	until := policy.RetryTime(failures.LastTime.Time, backoff(model.Seconds(policy.Spec.Failure.BackoffSeconds), failures.Count))
	if p.Reached(until) {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonBackingOff, "Attempt %d failed (%s); the next one waits until %s. %s",
		failures.Count, failures.LastReason, policy.Clock.Until(until), failures.LastMessage).Ending(until)
}

// backoff doubles with every failure after the first, up to a day.
func backoff(first time.Duration, failures int32) time.Duration {
	factor := math.Pow(2, float64(failures-1))
	if float64(first)*factor >= float64(maxBackoff) {
		return maxBackoff
	}
	return first * time.Duration(factor)
}

func minIntervalGate(p *planning, r *rebootView) model.Verdict {
	interval := model.Seconds(r.policy().Spec.Rollout.MinIntervalSeconds)
	if r.node.lastBack.IsZero() || interval == 0 {
		return model.Verdict{}
	}
	until, clock := r.node.lastBack.Add(interval), r.policy().Clock
	if p.Reached(until) {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonMinInterval,
		"Node %s was rebooted at %s; it may reboot again at %s.", r.node.Name, clock.At(r.node.lastBack), clock.Until(until)).Ending(until)
}

func nodeReadyGate(_ *planning, r *rebootView) model.Verdict {
	switch {
	case !r.node.Ready:
		return model.Blocked(v1alpha1.ReasonNodeNotReady, "Node %s is not Ready.", r.node.Name)
	case r.node.BootID == "":
		return model.Blocked(v1alpha1.ReasonNodeNotReady, "Node %s reports no boot ID, so a reboot of it could not be proved.", r.node.Name)
	}
	return model.Verdict{}
}

// deletionGate leaves nodes alone that will not be there for long.
func deletionGate(_ *planning, r *rebootView) model.Verdict {
	if r.node.Deleting {
		return model.Blocked(v1alpha1.ReasonMarkedForDeletion, "Node %s is being deleted.", r.node.Name)
	}
	if taint := r.node.DeletionTaint(); taint != "" {
		return model.Blocked(v1alpha1.ReasonMarkedForDeletion,
			"An autoscaler is about to remove node %s: it has the taint %s.", r.node.Name, taint)
	}
	return model.Verdict{}
}

// otherMaintenanceGate waits while another tool maintains the node. It does not say until when: a Lease is renewed repeatedly, and each
// time would be a write.
func otherMaintenanceGate(p *planning, r *rebootView) model.Verdict {
	for _, other := range r.node.OtherMaintenance {
		if other.Until.IsZero() || !p.Reached(other.Until) {
			return model.Blocked(v1alpha1.ReasonForeignMaintenance, "Node %s is maintained by someone else: %s.", r.node.Name, other.Object)
		}
	}
	return model.Verdict{}
}

// podGate keeps a node from starting while it runs a pod that blocks it. Which pods those are is reported by a watch, for all nodes at
// once: so this is a gate of the node, and one that is blocked holds up no other.
func podGate(p *planning, r *rebootView) model.Verdict {
	policy := r.policy()
	for i := range policy.Spec.Gates.Pods {
		if i == len(policy.blockingPods) { // asked once for all nodes
			said := podsSaid{key: policy.Key(model.GatePods, policy.Spec.Gates.Pods[i].Name)}
			said.answer, said.known = p.query(model.GateQuery{GateKey: said.key})
			policy.blockingPods = append(policy.blockingPods, said)
		}
		switch said := &policy.blockingPods[i]; {
		case !said.known:
			return policies.Pending(said.key)
		case said.answer.Failure != "":
			return policy.Failed(&p.Moment, said.key, said.answer)
		case said.answer.Nodes[r.node.Name] != "":
			return model.Verdict{Reason: v1alpha1.ReasonBlockedByPod, Message: said.answer.Nodes[r.node.Name]}
		}
	}
	return model.Verdict{}
}

// podsSaid is what a gate says about the pods that block nodes.
type podsSaid struct {
	key    model.GateKey
	known  bool
	answer model.GateAnswer
}
