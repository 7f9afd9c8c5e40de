package forecast

import (
	"cmp"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// cluster is the model of the cluster that one run changes. What it shares with the snapshot, and with other runs, is never changed: an
// object that is new has another address.
type cluster struct {
	snapshot plan.Snapshot
	now      time.Time
	// said is what the last plan said of NodeReboots other than what is written to them, by name. writesAll has everything written.
	said      map[string]saying
	writesAll bool
	// created numbers what is made.
	created int
}

// saying is why a NodeReboot waits.
type saying struct {
	reason, message string
	until           time.Time
}

// newCluster is a model of what is in the snapshot, in which everything is known.
func newCluster(s *plan.Snapshot, now time.Time) *cluster {
	c := &cluster{snapshot: *s, now: now, said: map[string]saying{}}
	own := &c.snapshot
	own.Nodes = slices.SortedFunc(slices.Values(s.Nodes), func(a, b *model.Node) int { return cmp.Compare(a.Name, b.Name) })
	own.Reboots = slices.SortedFunc(slices.Values(s.Reboots), compareReboots)
	own.SlotsLive, own.Deferred, own.LetGo, own.Undrainable, own.PodsUnread = true, nil, nil, nil, nil
	own.NotificationProblems, own.SilenceFailures, own.Forecasts = nil, nil, nil
	own.TellPlaces = false
	own.Slots, own.Pods, own.Workloads = maps.Clone(s.Slots), maps.Clone(s.Pods), maps.Clone(s.Workloads)
	if own.Slots == nil {
		own.Slots = map[string]plan.Slot{}
	}
	if own.Pods == nil {
		own.Pods = map[string][]model.Pod{}
	}
	if own.Workloads == nil {
		own.Workloads = map[model.WorkloadKey]model.Workload{}
	}
	for key, workload := range own.Workloads { // what is not known for a moment is assumed to be as it was
		workload.Stale = false
		own.Workloads[key] = workload
	}
	return c
}

func compareReboots(a, b *v1alpha1.NodeReboot) int { return cmp.Compare(a.Name, b.Name) }

// copied is a cluster of its own, which shares the objects.
func (c *cluster) copied() *cluster {
	other := *c
	s := &other.snapshot
	s.Nodes, s.Reboots = slices.Clone(s.Nodes), slices.Clone(s.Reboots)
	s.Slots, s.Pods, s.Workloads = maps.Clone(s.Slots), maps.Clone(s.Pods), maps.Clone(s.Workloads)
	s.Answers = maps.Clone(s.Answers)
	other.said = maps.Clone(c.said)
	return &other
}

func (c *cluster) nodeIndex(name string) (int, bool) {
	return slices.BinarySearchFunc(c.snapshot.Nodes, name, func(n *model.Node, name string) int { return cmp.Compare(n.Name, name) })
}

func (c *cluster) node(name string) *model.Node {
	if i, found := c.nodeIndex(name); found {
		return c.snapshot.Nodes[i]
	}
	return nil
}

// updateNode changes a copy of a node, if there is one.
func (c *cluster) updateNode(name string, change func(*model.Node)) {
	if i, found := c.nodeIndex(name); found {
		next := *c.snapshot.Nodes[i]
		change(&next)
		c.snapshot.Nodes[i] = &next
	}
}

func (c *cluster) addNode(n *model.Node) {
	if i, found := c.nodeIndex(n.Name); !found {
		c.snapshot.Nodes = slices.Insert(c.snapshot.Nodes, i, n)
	}
}

func (c *cluster) removeNode(name string) {
	if i, found := c.nodeIndex(name); found {
		c.snapshot.Nodes = slices.Delete(c.snapshot.Nodes, i, i+1)
	}
}

func (c *cluster) rebootIndex(name string) (int, bool) {
	return slices.BinarySearchFunc(c.snapshot.Reboots, name, func(r *v1alpha1.NodeReboot, name string) int {
		return cmp.Compare(r.Name, name)
	})
}

func (c *cluster) reboot(name string) *v1alpha1.NodeReboot {
	if i, found := c.rebootIndex(name); found {
		return c.snapshot.Reboots[i]
	}
	return nil
}

// putReboot adds a NodeReboot, or takes it in the place of the one with its name.
func (c *cluster) putReboot(r *v1alpha1.NodeReboot) {
	i, found := c.rebootIndex(r.Name)
	if found {
		c.snapshot.Reboots[i] = r
		return
	}
	c.snapshot.Reboots = slices.Insert(c.snapshot.Reboots, i, r)
}

func (c *cluster) removeReboot(name string) {
	if i, found := c.rebootIndex(name); found {
		c.snapshot.Reboots = slices.Delete(c.snapshot.Reboots, i, i+1)
		delete(c.said, name)
	}
}

// execution is what carrying out a plan came to.
type execution struct {
	// changed are the NodeReboots with another status than before, as they were.
	changed []change
	// again says that something ended, so that a plan at the same instant may say more.
	again bool
}

type change struct{ before, after *v1alpha1.NodeReboot }

// carryOut does to the cluster what a plan says, as the manager does it: every write is made.
func (c *cluster) carryOut(p *plan.Plan) execution {
	var e execution
	clear(c.said)
	for i := range p.Work {
		work := &p.Work[i]
		if work.Patch != nil {
			c.updateNode(work.Node, func(n *model.Node) { patch(n, work.Patch) })
			e.again = e.again || work.Patch.RollsBack()
		}
		if work.Maintenance != nil {
			c.updateNode(work.Node, func(n *model.Node) {
				n.Maintenance = make(map[corev1.NodeConditionType]bool, len(work.Maintenance))
				for t := range work.Maintenance {
					n.Maintenance[t] = true
				}
			})
		}
		for j := range work.Reboots {
			c.write(&work.Reboots[j], &e)
		}
	}
	if p.SlotsChanged {
		c.snapshot.Slots = p.Slots
	}
	for _, reboot := range p.Creates {
		if c.writesAll && c.reboot(reboot.Name) == nil { // what is needed later is not forecast
			c.create(reboot)
			e.again = true
		}
	}
	for _, name := range p.Prune {
		c.removeReboot(name)
	}
	c.snapshot.LetGo = p.LetGo
	return e
}

// write the status of a NodeReboot. One that only says why something waits is remembered, and not written: to make as many objects as
// there are nodes for each plan would take most of the time.
func (c *cluster) write(w *plan.RebootChange, e *execution) {
	finalizer := w.AddFinalizer || w.RemoveFinalizer
	if w.Report != nil || !w.StatusChanged && !finalizer {
		return
	}
	before := w.Object
	if !c.writesAll && !finalizer && explains(&before.Status, &w.Status) {
		c.said[before.Name] = sayingOf(&w.Status)
		return
	}
	after := *before
	after.Status = w.Status
	after.Status.Report = before.Status.Report
	if finalizer {
		after.Finalizers = finalizers(after.Finalizers, w.AddFinalizer)
	}
	if w.RemoveFinalizer && !after.DeletionTimestamp.IsZero() && len(after.Finalizers) == 0 {
		c.removeReboot(after.Name)
		e.again = true
		return
	}
	c.putReboot(&after)
	e.add(before, &after)
}

func (e *execution) add(before, after *v1alpha1.NodeReboot) {
	e.changed = append(e.changed, change{before, after})
	e.again = e.again || model.OpenAttempt(&before.Status) && !model.OpenAttempt(&after.Status)
}

// finalizers with ours, or without it.
func finalizers(before []string, ours bool) []string {
	after := slices.DeleteFunc(slices.Clone(before), func(f string) bool { return f == v1alpha1.Finalizer })
	if ours {
		after = append(after, v1alpha1.Finalizer)
	}
	return after
}

func sayingOf(s *v1alpha1.NodeRebootStatus) saying {
	said := saying{reason: s.Reason, message: model.WithoutPlace(s.Message)}
	if s.UntilTime != nil {
		said.until = s.UntilTime.Time
	}
	return said
}

// says is what a NodeReboot waits for, by the last plan.
func (c *cluster) says(r *v1alpha1.NodeReboot) saying {
	if said, is := c.said[r.Name]; is {
		return said
	}
	return sayingOf(&r.Status)
}

// explains: the status of a NodeReboot that waits says something else, and has no other facts. Equal pointers mean equal objects.
func explains(before, after *v1alpha1.NodeRebootStatus) bool {
	if model.OpenAttempt(before) || model.OpenAttempt(after) || before.RequiredSince == nil || before.CompletionTime != nil {
		return false
	}
	return factsOf(before) == factsOf(after)
}

// facts are the facts about a waiting NodeReboot. Equal pointers mean equal facts.
type facts struct {
	required, completed, tainted, approved *metav1.MicroTime
	attempt                                *v1alpha1.Attempt
	failures                               *v1alpha1.Failures
	order                                  *v1alpha1.RebootOrder
	before                                 *v1alpha1.BootInfo
	nodeUID, policy, zone                  string
}

func factsOf(s *v1alpha1.NodeRebootStatus) facts {
	return facts{
		s.RequiredSince, s.CompletionTime, s.TaintedTime, s.ApprovedTime, s.Attempt, s.Failures, s.Order, s.Before,
		s.NodeUID, s.PolicyName, s.Zone,
	}
}

// create a NodeReboot for a need that the manager sees.
func (c *cluster) create(reboot *v1alpha1.NodeReboot) {
	made := *reboot
	c.created++
	made.UID, made.Generation = uidOf("created", c.created), 1
	made.CreationTimestamp.Time = c.now
	if node := c.node(made.Spec.NodeName); node != nil {
		made.Status.Report = c.reportOf(node)
	}
	c.putReboot(&made)
}

// patch a Node.
func patch(n *model.Node, p *plan.NodePatch) {
	if p.SetTaints {
		n.Taints = p.Taints
	}
	if p.Unschedulable != nil {
		n.Unschedulable = *p.Unschedulable
	}
	if p.CordonedFor != nil {
		n.CordonedFor = *p.CordonedFor
	}
	n.Labels, n.Annotations = patched(n.Labels, p.Labels), patched(n.Annotations, p.Annotations)
}

// patched is a copy with the changes of a merge patch.
func patched(values map[string]string, changes map[string]*string) map[string]string {
	if len(changes) == 0 {
		return values
	}
	next := maps.Clone(values)
	if next == nil {
		next = map[string]string{}
	}
	for key, value := range changes {
		if value == nil {
			delete(next, key)
		} else {
			next[key] = *value
		}
	}
	return next
}
