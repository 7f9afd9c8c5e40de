package helper

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// A message with one of these prefixes is about the present only. It is made each time and never carried over.
const (
	notePrefix     = "order not carried out: "
	sentinelPrefix = "sentinel unknown: "
	takenPrefix    = "names that were taken when this NodeReboot was created: "
)

// facts is all that decide looks at.
type facts struct {
	now      time.Time
	nodeName string
	// version of this helper.
	version  string
	boot     boot
	sentinel reading
	// clockOffset is how far the host's clock is ahead of the API server's; nil while that is not known.
	clockOffset *time.Duration
	// methods say what is in the way of a reboot, and about what else is known of the host.
	methods []v1alpha1.MethodReport
	about   HostDescription
	// self is this run of the helper.
	self v1alpha1.HelperInstance
	// evictionObstacle is why the helper may not evict; empty if nothing is known to be in the way.
	evictionObstacle string
	// reboots are all NodeReboots of the node.
	reboots []*v1alpha1.NodeReboot
	// behind holds those NodeReboots whose copy is older than what this process wrote itself.
	behind map[types.UID]bool
	// jobs are the orders that this process carries out or carried out.
	jobs map[types.UID]job
	// taken says which of the node's names NodeReboots of other nodes have, for people; empty if this process found none.
	taken string
}

// boot is the boot that the host runs.
type boot struct {
	id   string
	time *metav1.MicroTime
}

// reading is what the sentinel said last.
type reading struct {
	state   v1alpha1.SentinelState
	message string
}

// job is the progress of this process with one order.
type job struct {
	sequence int64
	// order is the order that a drain under way follows; nil when there is none.
	order   *v1alpha1.RebootOrder
	state   v1alpha1.OrderState
	message string
	drain   *v1alpha1.DrainProgress
	// via is the path by which the host said that it reboots.
	via v1alpha1.RebootVia
	// refusal is what the host had against the reboot that it refused; nil if it named nothing that the manager waits for.
	refusal *v1alpha1.MethodReport
}

// silent reports whether there is nothing to say about the job yet.
func (j job) silent() bool {
	return j.state == v1alpha1.OrderStarted && j.drain == nil && j.message == ""
}

// decision is what to do, in the order of its fields.
type decision struct {
	// successor is a run of the helper that takes the place of this one, which then does nothing else.
	successor *v1alpha1.HelperInstance
	// stop lists the NodeReboots whose order is not in force anymore.
	stop []types.UID
	// amend lists the NodeReboots whose order was changed while its drain is under way.
	amend []*v1alpha1.NodeReboot
	// create is a NodeReboot for a need that has none, and names are those that it may get, in the order in which they are tried.
	create *v1alpha1.NodeReboot
	names  []string
	// steps hold at most one entry for each NodeReboot.
	steps []step
}

// step is what to do for one NodeReboot.
type step struct {
	reboot *v1alpha1.NodeReboot
	// report is to be written; nil when nothing changed.
	report *v1alpha1.HelperReport
	// start means to carry out the order: an order to reboot after the report was written on exactly the version of the object that was read,
	// an order to drain after a check that it is in force.
	start bool
}

// urgent reports whether the report is about an order, or is the first one of a NodeReboot, of a boot or of a run of the helper. What
// others do limits the number of such reports; reports on the progress of a drain have their own pace.
func (s step) urgent() bool {
	before, after := s.reboot.Status.Report, s.report
	return s.start || before == nil || before.BootID != after.BootID || before.Instance != after.Instance ||
		before.Sequence != after.Sequence || before.State != after.State || !equality.Semantic.DeepEqual(before.Drain, after.Drain)
}

// decide says what to create, to write and to start. It is idempotent: on the result of its own steps it decides to do nothing.
func decide(f facts) decision {
	if successor := f.successor(); successor != nil {
		return decision{successor: successor}
	}
	d := decision{stop: f.obsolete(), amend: f.amended(), create: f.missing()}
	if d.create != nil {
		d.names = f.freeNames()
	}
	for _, reboot := range f.reboots {
		if f.behind[reboot.UID] {
			continue
		}
		if s := f.step(reboot); s.report != nil || s.start {
			d.steps = append(d.steps, s)
		}
	}
	return d
}

// obsolete lists the jobs whose order was withdrawn, replaced or finished by the manager.
func (f facts) obsolete() []types.UID {
	current := make(map[types.UID]int64, len(f.reboots))
	for _, reboot := range f.reboots {
		if order := orderInForce(reboot); order != nil {
			current[reboot.UID] = order.Sequence
		}
	}
	var stop []types.UID
	for uid, job := range f.jobs {
		if current[uid] != job.sequence {
			stop = append(stop, uid)
		}
	}
	return stop
}

// amended lists the NodeReboots whose drain has to follow a change of its order.
func (f facts) amended() []*v1alpha1.NodeReboot {
	var amended []*v1alpha1.NodeReboot
	for _, reboot := range f.reboots {
		order, job := orderInForce(reboot), f.jobs[reboot.UID]
		if order == nil || job.order == nil || order.Sequence != job.sequence || f.behind[reboot.UID] {
			continue
		}
		if !order.Deadline.Equal(&job.order.Deadline) || order.Protocol != job.order.Protocol ||
			!equality.Semantic.DeepEqual(order.Drain, job.order.Drain) {
			amended = append(amended, reboot)
		}
	}
	return amended
}

// missing returns the NodeReboot that the current need lacks, if any. It has no name yet.
func (f facts) missing() *v1alpha1.NodeReboot {
	if f.sentinel.state != v1alpha1.SentinelRequired {
		return nil
	}
	if slices.ContainsFunc(f.reboots, f.carriesNeed) {
		return nil
	}
	return &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{Finalizers: []string{v1alpha1.Finalizer}}, // or the manager would have to add it with a write of its own
		Spec: v1alpha1.NodeRebootSpec{
			NodeName: f.nodeName,
			Trigger:  v1alpha1.TriggerSentinel,
			BootID:   f.boot.id,
			Reason:   f.sentinel.message,
		},
	}
}

// freeNames are the node's names that no NodeReboot of the node has.
func (f facts) freeNames() []string {
	return slices.DeleteFunc(v1alpha1.SentinelRebootNames(f.nodeName, f.boot.id), func(name string) bool {
		return slices.ContainsFunc(f.reboots, func(reboot *v1alpha1.NodeReboot) bool { return reboot.Name == name })
	})
}

// carriesNeed reports whether the host's need is already known. A NodeReboot that was created for a need of the running boot carries it,
// unless another one replaced it. So does a NodeReboot that is not complete, whatever boot it began with, and a NodeReboot that was given
// up in the running boot: asking again would be a reboot loop.
func (f facts) carriesNeed(reboot *v1alpha1.NodeReboot) bool {
	if reboot.Spec.Trigger != v1alpha1.TriggerSentinel {
		return false
	}
	if reboot.SetAside() {
		return f.gaveUp(reboot) // The manager does nothing for it, so it carries no need.
	}
	superseded := reboot.Status.OutcomeReason == v1alpha1.ReasonSuperseded
	return reboot.Status.CompletionTime == nil || f.ofThisBoot(reboot) && !superseded || f.gaveUp(reboot)
}

// ofThisBoot reports whether the NodeReboot was made for a need of the running boot.
func (f facts) ofThisBoot(reboot *v1alpha1.NodeReboot) bool {
	return reboot.Spec.Trigger == v1alpha1.TriggerSentinel && reboot.Spec.BootID == f.boot.id
}

// gaveUp reports whether the manager gave up on the running boot: it could not end it, or it was the boot after which the host still asked.
func (f facts) gaveUp(reboot *v1alpha1.NodeReboot) bool {
	status := &reboot.Status
	if reboot.Spec.Trigger != v1alpha1.TriggerSentinel || status.Outcome != v1alpha1.OutcomeFailed {
		return false
	}
	return status.Before != nil && status.Before.BootID == f.boot.id || status.After != nil && status.After.BootID == f.boot.id
}

func (f facts) step(reboot *v1alpha1.NodeReboot) step {
	s := step{reboot: reboot}
	if reboot.SetAside() || !f.reported(reboot) {
		return s
	}
	v := f.judge(reboot)
	report := f.report(reboot, v)
	s.start = v.kind == orderBegin || v.kind == orderResume
	// A reboot is recorded in every case: the write fails if the order is no longer in force.
	records := s.start && reboot.Status.Order.Action == v1alpha1.ActionReboot
	if records || !equality.Semantic.DeepEqual(reboot.Status.Report, &report) {
		s.report = &report
	}
	return s
}

// reported says whether the NodeReboot is kept up to date. A complete NodeReboot is not, with two exceptions: a cancelled one is updated
// when the same need comes back or goes again, so that the manager may reopen it; and one that was given up is updated when the need goes,
// so that the node's taint goes, too.
func (f facts) reported(reboot *v1alpha1.NodeReboot) bool {
	status := &reboot.Status
	if status.CompletionTime == nil {
		return true
	}
	withdrawn := status.Outcome == v1alpha1.OutcomeCancelled && f.ofThisBoot(reboot) && status.OutcomeReason != v1alpha1.ReasonSuperseded
	return (withdrawn || f.gaveUp(reboot)) && (status.Report == nil || status.Report.Sentinel != f.sentinel.state)
}

// orderInForce returns the order of a NodeReboot that is neither complete nor being deleted. One that cannot be read has none: nobody knows
// what the order is, whether it was carried out before, or whether it was withdrawn.
func orderInForce(reboot *v1alpha1.NodeReboot) *v1alpha1.RebootOrder {
	if reboot.SetAside() || reboot.DeletionTimestamp != nil || reboot.Status.CompletionTime != nil {
		return nil
	}
	return reboot.Status.Order
}

// verdictKind says what an order asks of this process now.
type verdictKind int

const (
	// orderNone: there is no order, or it is finished.
	orderNone verdictKind = iota
	// orderBegin: it is new. One to reboot is recorded, then carried out.
	orderBegin
	// orderResume: a helper before this one began to drain. Draining is idempotent.
	orderResume
	// orderWorking: this process carries it out, or did.
	orderWorking
	// orderFailed: it cannot be carried out, which is its result.
	orderFailed
	// orderNoted: it is not carried out, and that is no result either: it may be about another boot, or be an order to reboot that was
	// given to the host already.
	orderNoted
)

type verdict struct {
	kind verdictKind
	note string
}

func (f facts) judge(reboot *v1alpha1.NodeReboot) verdict {
	order := orderInForce(reboot)
	if order == nil {
		return verdict{kind: orderNone}
	}
	if f.jobs[reboot.UID].sequence == order.Sequence {
		return verdict{kind: orderWorking}
	}
	var recorded v1alpha1.HelperReport
	if reboot.Status.Report != nil {
		recorded = *reboot.Status.Report
	}
	if order.Sequence > recorded.Sequence {
		return f.judgeNew(order)
	}
	if order.Sequence == recorded.Sequence && recorded.State == v1alpha1.OrderStarted {
		return f.judgeInterrupted(order)
	}
	return verdict{kind: orderNone}
}

func (f facts) judgeNew(order *v1alpha1.RebootOrder) verdict {
	if order.BootID != f.boot.id {
		return f.otherBoot(order)
	}
	if !f.now.Before(order.Deadline.Time) {
		return verdict{orderNoted, fmt.Sprintf("%sthe deadline of order %d was %s", notePrefix, order.Sequence, deadline(order))}
	}
	if err := validate(order); err != nil {
		return f.refuse(order, err)
	}
	return verdict{kind: orderBegin}
}

// judgeInterrupted is about an order that an earlier process recorded and did not bring to an end.
func (f facts) judgeInterrupted(order *v1alpha1.RebootOrder) verdict {
	if order.Action == v1alpha1.ActionReboot {
		if order.BootID != f.boot.id {
			return verdict{kind: orderNone}
		}
		return verdict{orderNoted, fmt.Sprintf("%sorder %d to reboot was recorded before this helper started, and the host still runs boot %s; "+
			"it is never given to the host twice", notePrefix, order.Sequence, f.boot.id)}
	}
	if order.BootID != f.boot.id {
		return f.otherBoot(order)
	}
	if !f.now.Before(order.Deadline.Time) {
		return verdict{orderFailed, fmt.Sprintf("the drain was interrupted, and its deadline %s has passed", deadline(order))}
	}
	if err := validate(order); err != nil {
		return f.refuse(order, err)
	}
	return verdict{kind: orderResume}
}

func (f facts) otherBoot(order *v1alpha1.RebootOrder) verdict {
	return verdict{orderNoted, fmt.Sprintf("%sorder %d is about boot %s, and the host runs boot %s",
		notePrefix, order.Sequence, order.BootID, f.boot.id)}
}

func deadline(order *v1alpha1.RebootOrder) string {
	return order.Deadline.UTC().Format(time.RFC3339)
}
