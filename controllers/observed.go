package controllers

import (
	"maps"
	"slices"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// observed is when this manager first saw what other machines say, by its own clock. Their own times are by clocks that may be off, so they
// are only ever compared for equality, to find out whether something is new. It is kept in memory: after a restart everything is new.
type observed struct {
	clock clock.PassiveClock

	// mu guards all of it: the watch of Leases sees them before a pass does.
	mu         sync.Mutex
	conditions map[types.UID]seenConditions
	// types of conditions that matter besides Ready.
	types   []corev1.NodeConditionType
	scratch []model.NodeCondition
	helpers map[types.UID]seen[bool]
	leases  map[types.UID]seen[renewal]
	// told is what was reported of Leases.
	told map[types.UID]seen[string]
}

// seen is a state, and since when this manager has seen it.
type seen[T comparable] struct {
	state T
	since time.Time
}

// seenConditions are the conditions of a Node that matter, and the object that they are of. A cache replaces an object that changes.
type seenConditions struct {
	node       *corev1.Node
	conditions []model.NodeCondition
}

// renewal tells one renewal of a Lease from the next.
type renewal struct {
	holder string
	micros int64
}

func newObserved(c clock.PassiveClock) *observed {
	return &observed{
		clock: c, conditions: map[types.UID]seenConditions{}, helpers: map[types.UID]seen[bool]{}, leases: map[types.UID]seen[renewal]{},
		told: map[types.UID]seen[string]{},
	}
}

// see returns the time since which the object has had its state.
func see[T comparable](all map[types.UID]seen[T], uid types.UID, state T, now time.Time) time.Time {
	if last, is := all[uid]; is && last.state == state {
		return last.since
	}
	all[uid] = seen[T]{state, now}
	return now
}

// lookFor names the types of conditions that matter besides Ready. A type that is new here counts from now.
func (o *observed) lookFor(types []corev1.NodeConditionType) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if slices.Equal(o.types, types) {
		return
	}
	o.types = types
	for uid, known := range o.conditions {
		o.conditions[uid] = seenConditions{nil, known.conditions}
	}
}

// ofNode returns the conditions of a node that matter.
func (o *observed) ofNode(node *corev1.Node) []model.NodeCondition {
	o.mu.Lock()
	defer o.mu.Unlock()
	known := o.conditions[node.UID]
	if known.node == node {
		return known.conditions
	}
	now := o.clock.Now()
	conditions := o.scratch[:0]
	for i := range node.Status.Conditions {
		c := &node.Status.Conditions[i]
		if !projection.IsWatched(c.Type, o.types) {
			continue
		}
		condition := model.NodeCondition{Type: c.Type, Status: c.Status, Since: now, Transition: c.LastTransitionTime}
		for j := range known.conditions {
			if last := &known.conditions[j]; last.Type == c.Type && sameCondition(last, c) {
				condition = *last
			}
		}
		conditions = append(conditions, condition)
	}
	o.scratch = conditions
	if !slices.Equal(conditions, known.conditions) {
		known.conditions = slices.Clone(conditions)
	}
	o.conditions[node.UID] = seenConditions{node, known.conditions}
	return known.conditions
}

// sameCondition says that the status has not changed in the meantime, not even twice.
func sameCondition(last *model.NodeCondition, c *corev1.NodeCondition) bool {
	return last.Status == c.Status && last.Transition.Equal(&c.LastTransitionTime)
}

// ofHelper returns since when the helper of a node is Ready, or is not.
func (o *observed) ofHelper(node types.UID, ready bool) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return see(o.helpers, node, ready, o.clock.Now())
}

// ofLease returns when the last renewal of a Lease was seen.
func (o *observed) ofLease(lease *coordinationv1.Lease) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	last := renewal{holder: ptr.Deref(lease.Spec.HolderIdentity, ""), micros: ptr.Deref(lease.Spec.RenewTime, metav1.MicroTime{}).UnixMicro()}
	return see(o.leases, lease.UID, last, o.clock.Now())
}

// sawLease notes the renewal of a Lease when it comes. Nobody asks for a pass then, and the next one would see it too late.
func (o *observed) sawLease(lease *coordinationv1.Lease) bool {
	o.ofLease(lease)
	return true
}

// isNews says that this was not the last thing that was reported of a Lease.
func (o *observed) isNews(lease *coordinationv1.Lease, text string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	last, told := o.told[lease.UID]
	see(o.told, lease.UID, text, o.clock.Now())
	return !told || last.state != text
}

// keepNodes forgets Nodes that are gone.
func (o *observed) keepNodes(nodes []*corev1.Node) {
	o.mu.Lock()
	defer o.mu.Unlock()
	uid := func(i int) types.UID { return nodes[i].UID }
	keepOnly(o.conditions, len(nodes), uid)
	keepOnly(o.helpers, len(nodes), uid)
}

// keepLeases forgets Leases that are gone.
func (o *observed) keepLeases(leases []coordinationv1.Lease) {
	o.mu.Lock()
	defer o.mu.Unlock()
	uid := func(i int) types.UID { return leases[i].UID }
	keepOnly(o.leases, len(leases), uid)
	keepOnly(o.told, len(leases), uid)
}

// keepOnly forgets what is not about one of n objects, as soon as there is more than that.
func keepOnly[T any](all map[types.UID]T, n int, uid func(int) types.UID) {
	if len(all) <= n {
		return
	}
	current := sets.New[types.UID]()
	for i := range n {
		current.Insert(uid(i))
	}
	maps.DeleteFunc(all, func(id types.UID, _ T) bool { return !current.Has(id) })
}
