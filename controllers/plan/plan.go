package plan

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Compute turns a snapshot into a plan. Nothing in the snapshot is changed.
func Compute(snapshot *Snapshot, now time.Time) *Plan {
	p := newPass(snapshot, now)
	p.assignPolicies()
	p.updateFacts()
	p.keepGrants()
	p.advanceAttempts()
	p.admit()
	p.giveBackGrants()
	return p.plan()
}

// pass is the working state of one Compute.
type pass struct {
	snapshot *Snapshot
	// now has the precision of the API's times, so that a time that is written reads back equal.
	now      time.Time
	policies []*policyView
	nodes    map[string]*nodeView
	// nodeOrder is nodes by name.
	nodeOrder []*nodeView
	// reboots are all that are not at rest, orphans those whose Node is not there.
	reboots, orphans []*rebootView
	// byUID has the NodeReboots of the grants that the slots object holds.
	byUID map[string]*rebootView
	slots map[string]Slot
	asks  []string
	// questions are those that gates were asked.
	questions map[Question]Ask
	// gated: a gate outside has stopped something that could have started otherwise.
	gated  bool
	limits limits
	// outlived are NodeReboots whose approval was for another need.
	outlived []string
	wake     time.Time
	// wants is memory that is used again and again.
	wants []want
}

// nodeView is a node and what belongs to it.
type nodeView struct {
	*Node
	policy *policyView
	zone   string
	// unit is what the node goes with: its group, or itself.
	unit         string
	controlPlane bool
	// leads: the leading manager runs on the node.
	leads   bool
	reboots []*rebootView
	// open is the NodeReboot with an open attempt.
	open *rebootView
	// held: the slots object holds a grant for the node that still counts.
	held bool
	// lastBack is when a reboot of the node was last seen to be over.
	lastBack time.Time
	// lastEnd is when an attempt on the node ended last.
	lastEnd time.Time
	// needed: the node asks for a reboot, as far as the plan leads.
	needed bool
}

// rebootView is a NodeReboot and its next status.
type rebootView struct {
	obj *v1alpha1.NodeReboot
	// next is what was read until something changes: it is changed through edit only.
	next *v1alpha1.NodeRebootStatus
	node *nodeView
	// atRest: see atRest.
	atRest bool
	// done, attempting and deleting say of next and obj what is asked most: whether it is complete, has an open attempt, is being deleted.
	// With thousands of NodeReboots most of the time of a plan would be spent on fetching that from all over the memory.
	done, attempting, deleting bool
	wait                       verdict
	// unsettled: the NodeReboot waits for a fact, and may turn out not to be needed.
	unsettled bool
	// started: it starts, or would start, and is counted as such.
	started bool
	// approvalExpired is when an approval expired that was given; zero if it did not.
	approvalExpired time.Time
	// granted: this plan grants the slot of its attempt.
	granted bool
	// pendingHooks are awaited, lateHooks are not awaited any more although they are not done.
	pendingHooks, lateHooks []string
	// overdue says since when, if the reboot has been required for too long.
	overdue string
	events  []Event
}

// verdict says why something has to wait. The zero value is: it need not.
type verdict struct {
	reason, message string
}

func (v verdict) passed() bool { return v.reason == "" }

func newPass(snapshot *Snapshot, now time.Time) *pass {
	p := &pass{
		snapshot: snapshot,
		now:      now.Truncate(time.Microsecond),
		nodes:    make(map[string]*nodeView, len(snapshot.Nodes)),
		slots:    make(map[string]Slot, len(snapshot.Slots)),
		byUID:    make(map[string]*rebootView, len(snapshot.Slots)),
	}
	p.addNodes(snapshot.Nodes)
	p.addReboots(snapshot.Reboots)
	return p
}

func (p *pass) addNodes(nodes []Node) {
	sorted := make([]*Node, len(nodes))
	for i := range nodes {
		sorted[i] = &nodes[i]
	}
	slices.SortFunc(sorted, func(a, b *Node) int { return cmp.Compare(a.Name, b.Name) })
	views := make([]nodeView, len(nodes))
	p.nodeOrder = make([]*nodeView, len(nodes))
	for i, node := range sorted {
		_, controlPlane := node.Labels[v1alpha1.ControlPlaneLabel]
		views[i] = nodeView{Node: node, controlPlane: controlPlane, leads: node.Name == p.snapshot.LeaderNode}
		p.nodeOrder[i] = &views[i]
		p.nodes[node.Name] = &views[i]
	}
}

// addReboots orders NodeReboots by node and name; those whose Node is not there come last.
func (p *pass) addReboots(objects []*v1alpha1.NodeReboot) {
	granted := make(map[string]bool, len(p.snapshot.Slots))
	for _, slot := range p.snapshot.Slots {
		granted[slot.UID] = true
	}
	views := make([]rebootView, len(objects))
	for i, obj := range objects {
		r := &views[i]
		r.obj, r.next, r.node, r.atRest = obj, &obj.Status, p.nodes[obj.Spec.NodeName], atRest(obj)
		r.done, r.deleting = obj.Status.CompletionTime != nil, !obj.DeletionTimestamp.IsZero()
		r.attempting = openAttemptOf(&obj.Status)
		if len(granted) > 0 && granted[string(obj.UID)] {
			p.byUID[string(obj.UID)] = r
		}
		if r.node == nil {
			p.orphans = append(p.orphans, r)
			continue
		}
		r.node.reboots = append(r.node.reboots, r)
	}
	for _, n := range p.nodeOrder {
		p.addInOrder(n.reboots)
		n.noteReboots()
	}
	p.addInOrder(p.orphans)
}

func (p *pass) addInOrder(reboots []*rebootView) {
	slices.SortFunc(reboots, func(a, b *rebootView) int { return cmp.Compare(a.obj.Name, b.obj.Name) })
	for _, r := range reboots {
		if !r.atRest {
			p.reboots = append(p.reboots, r)
		}
	}
}

// atRest: the NodeReboot succeeded and everything about it is written. Nearly all are, in the long run.
func atRest(obj *v1alpha1.NodeReboot) bool {
	s := &obj.Status
	return s.CompletionTime != nil && s.Outcome == v1alpha1.OutcomeSucceeded && s.Phase == v1alpha1.PhaseSucceeded &&
		s.ObservedGeneration == obj.Generation && !slices.Contains(obj.Finalizers, v1alpha1.Finalizer)
}

// noteReboots finds out what the NodeReboots of a node say about it.
func (n *nodeView) noteReboots() {
	for _, r := range n.reboots {
		attempt := r.next.Attempt
		if attempt == nil {
			continue
		}
		if r.open() {
			n.open = r
		}
		if attempt.BackTime != nil && attempt.BackTime.After(n.lastBack) {
			n.lastBack = attempt.BackTime.Time
		}
		if attempt.EndedTime != nil && attempt.EndedTime.After(n.lastEnd) {
			n.lastEnd = attempt.EndedTime.Time
		}
	}
}

// underWay: the node may be going down, is down, or recovers. What has ended in this very pass is under way until that is written.
func (n *nodeView) underWay() bool { return n.open != nil || n.held }

// policy that owns the reboot's node; nil if there is none.
func (r *rebootView) policy() *policyView {
	if r.node == nil {
		return nil
	}
	return r.node.policy
}

// complete: the NodeReboot ended.
func (r *rebootView) complete() bool { return r.done }

// open: an attempt is under way and holds a slot.
func (r *rebootView) open() bool { return r.attempting }

// waiting: the NodeReboot waits to be started.
func (r *rebootView) waiting() bool { return !r.complete() && !r.open() && !r.deleted() }

func (r *rebootView) deleted() bool { return r.deleting }

// edit returns the next status to change it: the first time, a copy of what was read. What it points to is shared, and only ever replaced.
func (r *rebootView) edit() *v1alpha1.NodeRebootStatus {
	if r.next == &r.obj.Status {
		next := r.obj.Status
		r.next = &next
	}
	return r.next
}

// editAttempt changes a copy of the current attempt.
func (r *rebootView) editAttempt(change func(*v1alpha1.Attempt)) {
	attempt := *r.next.Attempt
	change(&attempt)
	r.edit().Attempt = &attempt
}

func (r *rebootView) emit(event Event) {
	event.Message = bounded(event.Message)
	r.events = append(r.events, event)
}

// wakeAt asks for a look at t, if that is still to come.
func (p *pass) wakeAt(t time.Time) {
	if t.After(p.now) && (p.wake.IsZero() || t.Before(p.wake)) {
		p.wake = t
	}
}

// passed says whether t is over, and asks for a look at t if not.
func (p *pass) passed(t time.Time) bool {
	p.wakeAt(t)
	return !p.now.Before(t)
}

func (p *pass) stamp() *metav1.MicroTime {
	t := metav1.NewMicroTime(p.now)
	return &t
}

func seconds(s *int32) time.Duration {
	if s == nil {
		return 0
	}
	return time.Duration(*s) * time.Second
}

func (p *pass) plan() *Plan {
	slices.Sort(p.asks)
	plan := &Plan{Asks: slices.Compact(p.asks), Questions: p.asked()}
	plan.Slots, plan.SlotsChanged = p.desiredSlots()
	plan.Work = p.work()
	plan.Policies = p.policyChanges()
	plan.Creates = p.creates()
	plan.Prune = p.prune()
	plan.Wake = p.wake
	return plan
}
