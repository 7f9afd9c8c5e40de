package policies

import (
	"fmt"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// Gate is one gate of a policy that is asked outside of the plan.
type Gate struct {
	Key     model.GateKey
	onError v1alpha1.Requirement
	// reason of what it has in the way.
	reason string
}

// Key of a gate of the policy; the gate of capacity has no name.
func (p *Policy) Key(kind model.GateKind, name string) model.GateKey {
	return model.GateKey{Policy: p.Name(), Generation: p.Object.Generation, Kind: kind, Gate: name}
}

// kinds of gates that say the same about each node of a policy, in the order in which they are asked.
var kinds = []func(*Policy) []Gate{
	(*Policy).prometheusGates,
	(*Policy).alertmanagerGates,
	(*Policy).objectGates,
}

// Gates of the policy that say the same about each of its nodes, in the order of its spec.
func (p *Policy) Gates() []Gate {
	var gates []Gate
	for _, of := range kinds {
		gates = append(gates, of(p)...)
	}
	return gates
}

func (p *Policy) prometheusGates() []Gate {
	return gatesOf(p.Spec.Gates.Prometheus, func(g *v1alpha1.PrometheusGate) Gate {
		reason := v1alpha1.ReasonBlockedByQuery
		if g.Alerts != nil {
			reason = v1alpha1.ReasonBlockedByAlert
		}
		return Gate{p.Key(model.GatePrometheus, g.Name), g.OnError, reason}
	})
}

func (p *Policy) alertmanagerGates() []Gate {
	return gatesOf(p.Spec.Gates.Alertmanager, func(g *v1alpha1.AlertmanagerGate) Gate {
		return Gate{p.Key(model.GateAlertmanager, g.Name), g.OnError, v1alpha1.ReasonBlockedByAlert}
	})
}

func (p *Policy) objectGates() []Gate {
	return gatesOf(p.Spec.Gates.Objects, func(g *v1alpha1.ObjectGate) Gate {
		return Gate{p.Key(model.GateObjects, g.Name), g.OnError, v1alpha1.ReasonBlockedByObject}
	})
}

// RecoveryGates have to hold after a reboot. They are asked about one attempt, so that no answer of before the reboot is taken for one of
// after it.
func (p *Policy) RecoveryGates(attempt string) []Gate {
	return gatesOf(p.Spec.Recovery.Objects, func(g *v1alpha1.ObjectGate) Gate {
		key := p.Key(model.GateRecovery, g.Name)
		key.About = attempt
		return Gate{key, g.OnError, v1alpha1.ReasonRecoveryGateFailing}
	})
}

func gatesOf[T any](list []T, gateOf func(*T) Gate) []Gate {
	gates := make([]Gate, 0, len(list))
	for i := range list {
		gates = append(gates, gateOf(&list[i]))
	}
	return gates
}

// Judge makes a verdict of an answer.
func (g *Gate) Judge(moment *model.Moment, answer model.GateAnswer) model.Verdict {
	switch {
	case answer.Failure != "" && g.onError == v1alpha1.Ignore:
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
