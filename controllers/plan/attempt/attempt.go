// Package attempt carries one attempt to reboot one node from the grant of its slot to the end: cordon, drain, reboot, recovery, and every
// way in which they can fail. It is a function of what is known of that node, its policy and its NodeReboot; it cannot see budgets, zones
// or other nodes.
package attempt

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// Input is everything that an attempt depends on.
type Input struct {
	// Draft of the NodeReboot. Its status has the open attempt; for Begin, the last one.
	Draft model.Draft
	// Node is nil if there is none with the name.
	Node *model.Node
	// Policy that granted the attempt; if it is gone, the policy that owns the node now, if any.
	Policy *policies.Policy
	// Selected says that the node's labels still give it to that policy.
	Selected bool
	// Halt says why attempts of the policy whose hosts were not ordered to reboot are rolled back.
	Halt model.Verdict
	// ControlPlane says that the node may run etcd, and Quorum what keeps it from going down because others of them are down.
	ControlPlane bool
	Quorum       model.Verdict
	// Manager says whether the manager could run elsewhere while the node is away, and LastPlace that no other node takes ordinary pods.
	Manager   Manager
	LastPlace bool
	// Retry are the node's pods whose eviction a budget refused, and allows now.
	Retry []v1alpha1.PodReference
	// Hold are those whose eviction a budget would refuse.
	Hold []v1alpha1.HeldPod
	// Refused says which write the attempt needs before its reboot is refused.
	Refused model.Verdict
	// BootSeen is when a boot that the attempt has not recorded was first seen; zero if that is now.
	BootSeen time.Time
	// MissedBoot is when another boot was first seen before it that is not recorded either; zero if none was.
	MissedBoot time.Time
	// SlotLost says that the Node does not show the attempt, and that the slots object, which was read for that, holds no grant for it.
	SlotLost bool
	// Neighbors tell what other attempts have displaced; nil is that there are none.
	Neighbors Neighbors
	// Moment of the plan; Result says when to look again.
	Moment model.Moment
	// Pods bound to the node, if they are known.
	Pods      []model.Pod
	PodsKnown bool
	// Workloads that the pods and the NodeReboot refer to.
	Workloads map[model.WorkloadKey]model.Workload
	// Answers of gates.
	Answers map[model.GateKey]model.GateAnswer
}

// Result is the outcome of an attempt.
type Result struct {
	Draft model.Draft
	// Verdict says what the attempt waits for; after its end, why it ended before its reboot.
	Verdict model.Verdict
	// Moment has the earliest instant at which time alone would change the result.
	Moment model.Moment
	// NeedPods says that the pods of the node have to be known.
	NeedPods bool
	// Queries are what gates have to be asked.
	Queries []model.GateQuery
	// PendingHooks are awaited.
	PendingHooks []string
}

// Freed says that the attempt has ended and its slot is free.
func (r *Result) Freed() bool { return !r.Draft.Open() }

// attempt is the working state of one call.
type attempt struct {
	model.Draft
	model.Moment
	*Input
	wait                    model.Verdict
	needPods                bool
	queries                 []model.GateQuery
	pendingHooks, lateHooks []string
	// blockedTooLong says that what keeps the host from rebooting had its time.
	blockedTooLong bool
	neighbors      Neighbors
	// elsewhere counts the workloads of which pods are missing that other attempts displaced and wait for.
	elsewhere int
}

// Neighbors are the other attempts under way, as far as pods of the same workloads matter. Nothing says which new pod replaces which, so
// what counts is how many pods each attempt has displaced.
type Neighbors interface {
	// Account says that others have displaced at least so many pods of a workload, and wait until at least so many of it are ready.
	Account(workload model.WorkloadKey, missing, ready int32) bool
	// Before is how many pods of a workload were ready before the others displaced any: no fewer than are now.
	Before(workload model.WorkloadKey, ready int32) int32
}

// noNeighbors are none.
type noNeighbors struct{}

// Account implements Neighbors.
func (noNeighbors) Account(model.WorkloadKey, int32, int32) bool { return false }

// Before implements Neighbors.
func (noNeighbors) Before(_ model.WorkloadKey, ready int32) int32 { return ready }

func newAttempt(in *Input) *attempt {
	a := &attempt{Draft: in.Draft, Moment: in.Moment, Input: in, neighbors: in.Neighbors}
	if a.neighbors == nil {
		a.neighbors = noNeighbors{}
	}
	return a
}

func (a *attempt) result() Result {
	return Result{
		Draft: a.Draft, Verdict: a.wait, Moment: a.Moment, NeedPods: a.needPods, Queries: a.queries, PendingHooks: a.pendingHooks,
	}
}

// Begin opens an attempt that holds a slot, and takes it as far as it goes.
func Begin(in *Input, number int32, role v1alpha1.AttemptRole) Result {
	a := newAttempt(in)
	next := a.Edit()
	next.Attempt = &v1alpha1.Attempt{
		Number: number, PolicyName: next.PolicyName, Zone: next.Zone, Role: role, GrantedTime: *a.Stamp(),
		StaleConditions: staleConditions(next.Conditions), Containers: containersOf(a.Pods),
	}
	if a.ControlPlane {
		next.Attempt.NodeRole = v1alpha1.NodeRoleControlPlane
	}
	next.Before, next.After = a.Node.Boot(), nil
	next.Workloads = a.captureWorkloads(a.Pods)
	a.wait = model.Blocked(v1alpha1.ReasonStarting, "Node %s is being cordoned.", a.Node.Name)
	a.advance()
	return a.result()
}

// Advance moves an open attempt on as far as the facts allow.
func Advance(in *Input) Result {
	a := newAttempt(in)
	a.advance()
	return a.result()
}

// advance moves the attempt on. A boot ID other than the attempt began with ends the drain or reboot, no matter who caused it: a host that
// lost its power in the middle of a drain has rebooted, too.
func (a *attempt) advance() {
	a.noteNode()
	switch current := a.Status.Attempt; {
	case a.bootedAgain():
		a.recordBoot()
		a.recover()
	case current.RolledBackTime != nil:
		a.awaitPods()
	case a.Node == nil || a.NodeGone(a.Node):
		a.awaitNode()
	case current.BackTime != nil:
		a.recover()
	case current.RebootOrderedTime != nil:
		a.awaitBoot()
	default:
		a.prepare()
	}
}

// bootedAgain says that the node runs a boot that the attempt has not recorded yet.
func (a *attempt) bootedAgain() bool {
	if a.Node == nil || a.NodeGone(a.Node) {
		return false
	}
	known := a.Status.Before
	if a.Status.Attempt.BackTime != nil {
		known = a.Status.After
	}
	return known != nil && a.Node.BootID != "" && a.Node.BootID != known.BootID
}

// recordBoot begins the recovery. Its time runs from the first boot, so that a host that boots repeatedly runs out of it.
func (a *attempt) recordBoot() {
	next := a.Edit()
	next.After, next.Order = a.Node.Boot(), nil
	seen := a.stampAt(a.BootSeen)
	next.After.SeenTime = seen
	if next.Attempt.BackTime != nil || !a.MissedBoot.IsZero() {
		a.noteContainers() // those of the boot before this one
	}
	a.EditAttempt(func(at *v1alpha1.Attempt) {
		// A manager that did not note it yet may have interrupted the attempt.
		interrupt(at, at.StalledTime)
		interrupt(at, at.RolledBackTime)
		at.UncordonedTime, at.RecoveredTime, at.SettlingSince, at.RolledBackTime = nil, nil, nil, nil
		if at.BackTime == nil {
			at.BackTime = seen.DeepCopy()
			if first := a.stampAt(a.MissedBoot); first.Before(at.BackTime) {
				at.BackTime = first
			}
			at.StalledTime, at.Result, at.Message = nil, "", ""
			at.StaleConditions = staleConditions(next.Conditions)
		}
	})
	a.noteVia()
}

// stampAt is the time at which something was first seen, if that is known and was before now; else now.
func (a *attempt) stampAt(seen time.Time) *metav1.MicroTime {
	stamp := a.Stamp()
	if !seen.IsZero() && seen.Before(stamp.Time) {
		stamp.Time = seen
	}
	return stamp
}

// times writes times in the time zone of the policy; of none, in UTC.
func (a *attempt) times() model.Clock {
	if a.Policy == nil {
		return model.Clock{Now: a.Now}
	}
	return a.Policy.Clock
}

// query asks a gate, and returns the answer if it is known.
func (a *attempt) query(key model.GateKey) (model.GateAnswer, bool) {
	a.queries = append(a.queries, model.GateQuery{GateKey: key})
	answer, known := a.Answers[key]
	return answer, known
}

// answer is the helper's report on the current order; nil while there is none.
func (a *attempt) answer() *v1alpha1.HelperReport {
	report, order := a.Status.Report, a.Status.Order
	if report == nil || order == nil || report.Sequence != order.Sequence {
		return nil
	}
	return report
}

// ended says that the helper is done with an order, for better or worse. A state that this manager does not know comes from a newer helper,
// and is taken for one in which it is still at work: the deadline of the order ends that.
func ended(state v1alpha1.OrderState) bool {
	return knownState(state) && state != v1alpha1.OrderStarted
}

func knownState(state v1alpha1.OrderState) bool {
	switch state {
	case v1alpha1.OrderStarted, v1alpha1.OrderDone, v1alpha1.OrderFailed, v1alpha1.OrderTimedOut, "":
		return true
	}
	return false
}

func unknownState(state v1alpha1.OrderState) string {
	return fmt.Sprintf("Its helper reports the state %q, which this manager does not know: it is older than the helper.", state)
}

// order gives the helper a new order for the boot that it is to end.
func (a *attempt) order(order v1alpha1.RebootOrder) {
	next := a.Edit()
	next.LastSequence++
	order.Sequence = next.LastSequence
	order.BootID = next.Before.BootID
	next.Order = &order
	a.WakeAt(order.Deadline.Time)
}

// gate says whether one thing allows the attempt to continue.
type gate func(a *attempt) model.Verdict

func (a *attempt) firstObstacle(gates []gate) model.Verdict {
	for _, g := range gates {
		if v := g(a); !v.OK() {
			return v
		}
	}
	return model.Verdict{}
}
