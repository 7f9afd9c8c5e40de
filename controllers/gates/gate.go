package gates

import (
	"context"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// kinds of gates, in the order in which they are checked. A new kind is one file that implements gate, and one line here.
var kinds = []struct {
	kind model.GateKind
	// of returns the gates of this kind that a policy has.
	of func(*v1alpha1.RebootPolicy) []gate
}{
	{model.GatePods, podGates},
	{model.GatePrometheus, prometheusGates},
	{model.GateAlertmanager, alertmanagerGates},
	{model.GateObjects, objectGates},
	{model.GateCapacity, capacityGates},
	{model.GateRecovery, recoveryGates},
}

// gate is one gate of a policy. It is also asked or watched.
type gate interface {
	// name of the gate in its list; the gate of capacity has none.
	name() string
	// check says what does not compile, and in which field.
	check() (field string, err error)
}

// asked is a gate that has to be asked repeatedly.
type asked interface {
	gate
	onError() v1alpha1.Requirement
	// timeout bounds how long one answer may take.
	timeout() time.Duration
	ask(ctx context.Context, a *Asker, query model.GateQuery) (reply, error)
}

// reply is an answer that was so at the end of asking.
type reply struct{ model.GateAnswer }

// found is the reply of a gate that says the same about each node.
func found(obstacle string, err error) (reply, error) {
	return reply{GateAnswer: model.GateAnswer{Obstacle: obstacle}}, err
}

// watched is a gate that notices changes by itself.
type watched interface {
	gate
	// sources are what to watch.
	sources() []podSource
	// answer from what the watches know. It is not known before they have begun.
	answer(a *Asker) (answer model.GateAnswer, known bool)
}

// find returns the gate that a question is for; nil if there no longer is one.
func find(policies []*v1alpha1.RebootPolicy, q model.GateKey) gate {
	owner := slices.IndexFunc(policies, func(p *v1alpha1.RebootPolicy) bool { return p.Name == q.Policy && p.Generation == q.Generation })
	if owner < 0 {
		return nil
	}
	for _, k := range kinds {
		if k.kind != q.Kind {
			continue
		}
		for _, g := range k.of(policies[owner]) {
			if g.name() == q.Gate {
				return g
			}
		}
	}
	return nil
}

// gatesOf a list of a policy's spec.
func gatesOf[T any](list []T, gateOf func(*T) gate) []gate {
	gates := make([]gate, 0, len(list))
	for i := range list {
		gates = append(gates, gateOf(&list[i]))
	}
	return gates
}

// longest is how long an answer may take if its gate does not say: the most that one can say.
const longest = time.Minute

func timeoutOf(seconds *int32) time.Duration {
	if seconds == nil {
		return longest
	}
	return time.Duration(*seconds) * time.Second
}
