package plan

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Queue names the nodes whose pods a plan needs to see now.
func Queue(snapshot *Snapshot, now time.Time) []string {
	return Compute(snapshot, now).Asks
}

// Compute turns a snapshot into a plan. Nothing in the snapshot is changed.
func Compute(snapshot *Snapshot, now time.Time) *Plan {
	p := newPass(snapshot, now)
	p.assignPolicies()
	p.updateFacts()
	p.recordTaints()
	p.keepGrants()
	p.advanceAttempts()
	p.resumeGrants()
	p.admit()
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
	reboots   []*rebootView
	// byUID has the NodeReboots of the grants that the slots object holds.
	byUID  map[string]*rebootView
	slots  map[string]Slot
	asks   []string
	limits limits
	wake   time.Time
	// wants is memory that is used again and again.
	wants []want
}

// nodeView is a node and what belongs to it.
type nodeView struct {
	*Node
	policy       *policyView
	zone         string
	controlPlane bool
	reboots      []*rebootView
	// open is the NodeReboot with an open attempt.
	open *rebootView
	// held: the slots object holds a grant for the node that still counts.
	held bool
	// lastBack is when a reboot of the node was last seen to be over.
	lastBack time.Time
	// needed: the node asks for a reboot, as far as the plan leads.
	needed bool
}

// rebootView is a NodeReboot and its next status. The next status shares everything with the object that was read until it is replaced:
// nothing may be changed through its pointers and slices.
type rebootView struct {
	obj  *v1alpha1.NodeReboot
	next v1alpha1.NodeRebootStatus
	node *nodeView
	wait verdict
	// unsettled: the NodeReboot waits for a fact, and may turn out not to be needed.
	unsettled bool
	// granted: this plan grants the slot of its attempt.
	granted bool
	events  []Event
}

// verdict says why something has to wait. The zero value is: it need not.
type verdict struct {
	reason, message string
	// until is when time alone may change the verdict; zero if it cannot.
	until time.Time
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
		views[i] = nodeView{Node: node, controlPlane: controlPlane}
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
	var orphans []*rebootView
	for i, obj := range objects {
		r := &views[i]
		r.obj, r.next, r.node = obj, obj.Status, p.nodes[obj.Spec.NodeName]
		if granted[string(obj.UID)] {
			p.byUID[string(obj.UID)] = r
		}
		if r.node == nil {
			orphans = append(orphans, r)
			continue
		}
		r.node.reboots = append(r.node.reboots, r)
	}
	byName := func(a, b *rebootView) int { return cmp.Compare(a.obj.Name, b.obj.Name) }
	p.reboots = make([]*rebootView, 0, len(objects))
	for _, n := range p.nodeOrder {
		slices.SortFunc(n.reboots, byName)
		n.noteReboots()
		p.reboots = append(p.reboots, n.reboots...)
	}
	slices.SortFunc(orphans, byName)
	p.reboots = append(p.reboots, orphans...)
}

// noteReboots finds out what the NodeReboots of a node say about it.
func (n *nodeView) noteReboots() {
	for _, r := range n.reboots {
		if r.open() {
			n.open = r
		}
		if attempt := r.next.Attempt; attempt != nil && attempt.BackTime != nil && attempt.BackTime.After(n.lastBack) {
			n.lastBack = attempt.BackTime.Time
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
func (r *rebootView) complete() bool { return r.next.CompletionTime != nil }

// open: an attempt is under way and holds a slot.
func (r *rebootView) open() bool {
	return !r.complete() && r.next.Attempt != nil && r.next.Attempt.EndedTime == nil
}

// waiting: the NodeReboot waits to be started.
func (r *rebootView) waiting() bool { return !r.complete() && !r.open() && !r.deleted() }

func (r *rebootView) deleted() bool { return !r.obj.DeletionTimestamp.IsZero() }

// editAttempt changes a copy of the current attempt.
func (r *rebootView) editAttempt(change func(*v1alpha1.Attempt)) {
	attempt := *r.next.Attempt
	change(&attempt)
	r.next.Attempt = &attempt
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
	plan := &Plan{Asks: slices.Compact(p.asks)}
	plan.Slots, plan.SlotsChanged = p.desiredSlots()
	plan.Work = p.work()
	plan.Policies = p.policyChanges()
	plan.Prune = p.prune()
	plan.Wake = p.wake
	return plan
}
