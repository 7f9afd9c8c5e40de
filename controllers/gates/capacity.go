package gates

import (
	"context"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// capacityGate looks at the nodes in their order, until one may go: whether what a drain would evict from it fits on the others, by the
// rules of the scheduler that package placement has.
type capacityGate struct{ policy *v1alpha1.RebootPolicy }

func capacityGates(policy *v1alpha1.RebootPolicy) []gate { return []gate{capacityGate{policy}} }

func (capacityGate) name() string { return "" }

// check finds nothing: the drain checks its own selector.
func (capacityGate) check() (field string, err error) { return "", nil }

func (capacityGate) onError() v1alpha1.Requirement { return v1alpha1.Require }

// timeout is for a watch that has just been opened when this one is asked.
func (capacityGate) timeout() time.Duration { return lookTimeout }

// evicts selects the pods that the policy's drains evict.
func (g capacityGate) evicts() (selectors.Pods, error) {
	selected, err := selectors.ForPodsOrAll(g.policy.Spec.Drain.Selector)
	if err != nil {
		return selectors.Pods{}, say(err, "drain.selector cannot be read")
	}
	return selected, nil
}

func (g capacityGate) ask(ctx context.Context, a *Asker, query model.GateQuery) (reply, error) {
	selector, err := g.evicts()
	if err != nil {
		return reply{}, err
	}
	watch := a.roomWatch()
	if err := watch.wait(ctx); err != nil {
		return reply{}, err
	}
	lacks, err := watch.lacks(ctx, query, selector)
	return reply{GateAnswer: model.GateAnswer{Nodes: lacks}}, err
}
