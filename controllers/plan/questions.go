package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// GateKind says in which list of a policy a gate stands that is asked outside of this package.
type GateKind string

// The kinds of gates that are asked.
const (
	GatePods         GateKind = "gates.pods"
	GatePrometheus   GateKind = "gates.prometheus"
	GateAlertmanager GateKind = "gates.alertmanager"
	GateObjects      GateKind = "gates.objects"
	GateCapacity     GateKind = "gates.capacity"
	GateRecovery     GateKind = "recovery.objects"
)

// Question is what a plan has to know from a gate before it can go on.
type Question struct {
	// Policy that the gate stands in, and the generation of its spec: an answer about an older one says nothing.
	Policy     string
	Generation int64
	Kind       GateKind
	// Gate is the gate's name; the one of capacity has none.
	Gate string
	// About is, for capacity, which nodes are under way and not back yet, separated by commas. For recovery it is the attempt, so that
	// no answer of before the reboot is taken for one of after it.
	About string
}

// Ask is a Question, and for capacity the nodes for which it is asked, in the order in which they are to start.
type Ask struct {
	Question
	Nodes []string
}

// Answer is what a gate says. It has to be the same for as long as nothing changes, for what it says is written to NodeReboots.
type Answer struct {
	// Obstacle is what is in the way, as a sentence; empty is nothing.
	Obstacle string
	// Nodes has what is in the way of single nodes. Of pods, a node that is missing has nothing in its way. Of capacity, it was not looked
	// at; one that may go is there with an empty sentence.
	Nodes map[string]string
	// Failure is why the gate could not be asked, and Since when that has been so.
	Failure string
	Since   time.Time
	// Until is when the gate is to be asked again; zero if it is being asked, or tells by itself when something changes.
	Until time.Time
}

// ask puts a question, and returns the answer if it is known.
func (p *pass) ask(ask Ask) (Answer, bool) {
	if _, asked := p.questions[ask.Question]; !asked {
		if p.questions == nil {
			p.questions = map[Question]Ask{}
		}
		p.questions[ask.Question] = ask
	}
	answer, known := p.snapshot.Answers[ask.Question]
	return answer, known
}

func question(policy *policyView, kind GateKind, gate string) Question {
	return Question{Policy: policy.obj.Name, Generation: policy.obj.Generation, Kind: kind, Gate: gate}
}

// asked are all questions of the pass, in an order that does not change.
func (p *pass) asked() []Ask {
	asks := make([]Ask, 0, len(p.questions))
	for _, ask := range p.questions {
		asks = append(asks, ask)
	}
	slices.SortFunc(asks, func(a, b Ask) int { return compareQuestions(a.Question, b.Question) })
	return asks
}

// externalGate is one gate of a policy that is asked outside.
type externalGate struct {
	kind    GateKind
	name    string
	onError v1alpha1.OnGateError
	// reason of what it has in the way.
	reason string
}

// externalGates of a policy, in the order of its spec; they say the same about each of its nodes.
func (policy *policyView) externalGates() []externalGate {
	spec := &policy.spec.Gates
	gates := make([]externalGate, 0, len(spec.Prometheus)+len(spec.Alertmanager)+len(spec.Objects))
	for i := range spec.Prometheus {
		g := &spec.Prometheus[i]
		reason := v1alpha1.ReasonBlockedByQuery
		if g.Alerts != nil {
			reason = v1alpha1.ReasonBlockedByAlert
		}
		gates = append(gates, externalGate{GatePrometheus, g.Name, g.OnError, reason})
	}
	for i := range spec.Alertmanager {
		g := &spec.Alertmanager[i]
		gates = append(gates, externalGate{GateAlertmanager, g.Name, g.OnError, v1alpha1.ReasonBlockedByAlert})
	}
	for i := range spec.Objects {
		g := &spec.Objects[i]
		gates = append(gates, externalGate{GateObjects, g.Name, g.OnError, v1alpha1.ReasonBlockedByObject})
	}
	return gates
}

// podGate keeps a node from starting while it runs a pod that blocks it. Which pods those are is told by a watch, for all nodes at once: so
// this is a gate of the node, and one that is blocked holds up no other.
func podGate(p *pass, r *rebootView) verdict {
	policy := r.policy()
	for i := range policy.spec.Gates.Pods {
		name := policy.spec.Gates.Pods[i].Name
		answer, known := p.ask(Ask{Question: question(policy, GatePods, name)})
		switch {
		case !known:
			return gatePending(GatePods, name)
		case answer.Failure != "":
			return p.gateFailure(policy, GatePods, name, answer)
		case answer.Nodes[r.node.Name] != "":
			return verdict{reason: v1alpha1.ReasonBlockedByPod, message: answer.Nodes[r.node.Name]}
		}
	}
	return verdict{}
}

// policyGates asks the gates that say the same about every node of a policy, once for all of them. They are asked last, so that nothing
// is asked for nodes that cannot go anyway. The first node in line is told what is in the way; for the others that would be a write each
// time when it changes.
func policyGates(p *pass, r *rebootView) verdict {
	policy := r.policy()
	if policy.outside == nil {
		v := p.askPolicyGates(policy)
		policy.outside = &v
		p.gated = p.gated || !v.passed()
		return v
	}
	v := *policy.outside
	if !v.passed() {
		v.message = fmt.Sprintf("A gate of RebootPolicy %s does not let nodes start; the first node in line tells more.", policy.obj.Name)
	}
	return v
}

// askPolicyGates puts all questions at once. What is known to be in the way counts before what is not known yet.
func (p *pass) askPolicyGates(policy *policyView) verdict {
	var first, pending verdict
	for _, gate := range policy.externalGates() {
		answer, known := p.ask(Ask{Question: question(policy, gate.kind, gate.name)})
		v := gatePending(gate.kind, gate.name)
		if known {
			v = p.judge(policy, gate, answer)
		}
		switch {
		case v.passed():
		case !known && pending.passed():
			pending = v
		case known && first.passed():
			first = v
		}
	}
	if first.passed() {
		return pending
	}
	return first
}

// judge makes a verdict of an answer.
func (p *pass) judge(policy *policyView, gate externalGate, answer Answer) verdict {
	switch {
	case answer.Failure != "" && gate.onError == v1alpha1.OnErrorIgnore:
		return verdict{}
	case answer.Failure != "":
		return p.gateFailure(policy, gate.kind, gate.name, answer)
	case answer.Obstacle != "":
		p.wakeAt(answer.Until)
		return verdict{reason: gate.reason, message: answer.Obstacle}
	}
	return verdict{}
}

func (p *pass) gateFailure(policy *policyView, kind GateKind, gate string, answer Answer) verdict {
	p.wakeAt(answer.Until)
	return verdict{reason: v1alpha1.ReasonGateError, message: fmt.Sprintf("%s of RebootPolicy %s has given no answer since %s: %s",
		gateName(kind, gate), policy.obj.Name, clockTime(answer.Since), answer.Failure)}
}

func gatePending(kind GateKind, gate string) verdict {
	return verdict{reason: v1alpha1.ReasonGatePending, message: gateName(kind, gate) + " is being asked."}
}

func gateName(kind GateKind, gate string) string {
	if gate == "" {
		return "Gate " + string(kind)
	}
	return fmt.Sprintf("Gate %s of %s", gate, kind)
}

// objectProof says which object is not as it has to be before the slot may be freed, once everything else has recovered.
func (p *pass) objectProof(r *rebootView) verdict {
	policy := r.policy()
	if policy == nil {
		return verdict{}
	}
	var first verdict
	for i := range policy.spec.Recovery.Objects {
		object := &policy.spec.Recovery.Objects[i]
		q := question(policy, GateRecovery, object.Name)
		q.About = fmt.Sprintf("%s/%d", r.obj.UID, r.next.Attempt.Number)
		answer, known := p.ask(Ask{Question: q})
		v := gatePending(GateRecovery, object.Name)
		if known {
			v = p.judge(policy, externalGate{GateRecovery, object.Name, object.OnError, v1alpha1.ReasonRecoveryGateFailing}, answer)
		}
		if first.passed() {
			first = v
		}
	}
	return first
}
