package attempt

import (
	"fmt"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
	"github.com/reboot-operator/reboot-operator/controllers/plan/protocol"
)

// Manager is what is known of the manager's pods, as far as a node matters to them.
type Manager struct {
	Needs ManagerNeeds
	// Namespace of the pods.
	Namespace string
}

// ManagerNeeds says how much the manager depends on a node.
type ManagerNeeds int

const (
	// ManagerElsewhere means that no pod of the manager is on the node, or that one on another node is Ready.
	ManagerElsewhere ManagerNeeds = iota
	// ManagerMayMove means that no manager on another node is Ready, and that another node could take one. The budget keeps the last Ready
	// manager from being evicted in the meantime.
	ManagerMayMove
	// ManagerNeedsNode means that no other node could take a manager, or that there is no other pod: if it found no room, nothing would
	// continue.
	ManagerNeedsNode
)

// moveTime is how long the manager may take to be Ready on another node once the drain has begun. Whether there is room for it, and whether
// it works there, shows only then.
const moveTime = time.Minute

// keepManager decides whether the manager's pods stay on the node. Once they do, they do for the whole attempt.
func (a *attempt) keepManager() {
	if !a.managerStays() && a.managerHasNoOtherPlace() {
		a.EditAttempt(func(at *v1alpha1.Attempt) { at.Manager = v1alpha1.ManagerStays })
	}
}

func (a *attempt) managerStays() bool { return a.Status.Attempt.Manager == v1alpha1.ManagerStays }

func (a *attempt) managerHasNoOtherPlace() bool {
	current, drain := a.Status.Attempt, &a.Policy.Spec.Drain
	switch {
	case a.Manager.Needs != ManagerMayMove:
		return a.Manager.Needs == ManagerNeedsNode
	case drain.Mode == v1alpha1.DrainModeSkip || current.DrainedTime != nil:
		return true // nothing moves it
	case current.DrainOrderedTime == nil:
		return false
	}
	return a.Reached(current.DrainOrderedTime.Add(min(moveTime, model.Seconds(drain.TimeoutSeconds)/2)))
}

// daemonTime is how long DaemonSets may take to make pods that ended in the shutdown of the host again.
const daemonTime = time.Minute

// makesDaemonsAgain says that a DaemonSet that has no pod on the node may make one yet: it made none while the node had the taint in place
// of the cordon.
func (a *attempt) makesDaemonsAgain() bool {
	return a.managerStays() && !a.Reached(a.Status.Attempt.BackTime.Add(daemonTime))
}

// left are the pods that a drain leaves; of no namespace if there are none.
func (a *attempt) left() v1alpha1.PodsOfNamespace {
	if !a.managerStays() {
		return v1alpha1.PodsOfNamespace{}
	}
	pods := v1alpha1.PodsOfNamespace{Namespace: a.Manager.Namespace}
	pods.Selector.MatchLabels = map[string]v1alpha1.LabelValue{v1alpha1.ComponentLabel: v1alpha1.ManagerComponent}
	return pods
}

// drainProtocol is the level of the protocol that an order to drain takes.
func (a *attempt) drainProtocol() int32 {
	level := protocol.Needed(a.Policy.Spec)
	if a.managerStays() {
		level = max(level, protocol.Leave)
	}
	return level
}

// WithPods says how to reboot a node with its pods. It is for a node whose pods have nowhere else to go.
func WithPods(node string, policy *policies.Policy) string {
	return fmt.Sprintf("No other node takes pods now: to reboot node %s with its pods, write drain.mode: Skip in RebootPolicy %s.",
		node, policy.Name())
}

// withPods is that, after other sentences; empty if it does not apply.
func (a *attempt) withPods() string {
	if !a.LastPlace {
		return ""
	}
	return " " + WithPods(a.Node.Name, a.Policy)
}
