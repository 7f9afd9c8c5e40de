package policies

import (
	"fmt"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// Gate is one gate of a policy that is asked outside of the plan.
type Gate struct {
	Key     model.GateKey
	onError v1alpha1.OnGateError
	// reason of what it has in the way.
	reason string
}

// Key of a gate of the policy; the gate of capacity has no name.
func (p *Policy) Key(kind model.GateKind, name string) model.GateKey {
	return model.GateKey{Policy: p.Name(), Generation: p.Object.Generation, Kind: kind, Gate: name}
}

// Gates of the policy that say the same about each of its nodes, in the order of its spec.
func (p *Policy) Gates() []Gate {
	spec := &p.Spec.Gates
	gates := make([]Gate, 0, len(spec.Prometheus)+len(spec.Alertmanager)+len(spec.Objects))
	for i := range spec.Prometheus {
		g := &spec.Prometheus[i]
		reason := v1alpha1.ReasonBlockedByQuery
		if g.Alerts != nil {
			reason = v1alpha1.ReasonBlockedByAlert
		}
		gates = append(gates, Gate{p.Key(model.GatePrometheus, g.Name), g.OnError, reason})
	}
	for i := range spec.Alertmanager {
		g := &spec.Alertmanager[i]
		gates = append(gates, Gate{p.Key(model.GateAlertmanager, g.Name), g.OnError, v1alpha1.ReasonBlockedByAlert})
	}
	for i := range spec.Objects {
		g := &spec.Objects[i]
		gates = append(gates, Gate{p.Key(model.GateObjects, g.Name), g.OnError, v1alpha1.ReasonBlockedByObject})
	}
	return gates
}

// RecoveryGates have to hold after a reboot. They are asked about one attempt, so that no answer of before the reboot is taken for one of
// after it.
func (p *Policy) RecoveryGates(attempt string) []Gate {
	objects := p.Spec.Recovery.Objects
	gates := make([]Gate, 0, len(objects))
	for i := range objects {
		key := p.Key(model.GateRecovery, objects[i].Name)
		key.About = attempt
		gates = append(gates, Gate{key, objects[i].OnError, v1alpha1.ReasonRecoveryGateFailing})
	}
	return gates
}

// Judge makes a verdict of an answer.
func (g *Gate) Judge(moment *model.Moment, answer model.GateAnswer) model.Verdict {
	switch {
	case answer.Failure != "" && g.onError == v1alpha1.OnErrorIgnore:
		return model.Verdict{}
	case answer.Failure != "":
		return Failed(moment, g.Key, answer)
	case answer.Obstacle != "":
		moment.WakeAt(answer.Until)
		return model.Verdict{Reason: g.reason, Message: answer.Obstacle}
	}
	return model.Verdict{}
}

// Failed is the verdict on a gate that could not be asked.
func Failed(moment *model.Moment, key model.GateKey, answer model.GateAnswer) model.Verdict {
	moment.WakeAt(answer.Until)
	return model.Blocked(v1alpha1.ReasonGateError, "%s of RebootPolicy %s has given no answer since %s: %s",
		gateName(key), key.Policy, model.ClockTime(answer.Since), answer.Failure)
}

// Pending is the verdict on a gate whose answer is not known yet.
func Pending(key model.GateKey) model.Verdict {
	return model.Verdict{Reason: v1alpha1.ReasonGatePending, Message: gateName(key) + " is being asked."}
}

func gateName(key model.GateKey) string {
	if key.Gate == "" {
		return "Gate " + string(key.Kind)
	}
	return fmt.Sprintf("Gate %s of %s", key.Gate, key.Kind)
}
