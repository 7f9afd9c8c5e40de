package gates

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/sets"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// capacityGate looks at the nodes in their order, until one may go: whether what a drain would evict from it fits on the others. It is no
// scheduler: it looks at requests, node selectors, required node affinity and taints, with the functions of the scheduler's own library,
// and puts the largest pod first on the first node that takes it.
type capacityGate struct{ policy *v1alpha1.RebootPolicy }

func capacityGates(policy *v1alpha1.RebootPolicy) []gate { return []gate{capacityGate{policy}} }

func (capacityGate) name() string { return "" }

// check finds nothing: the selector of the drain is checked by whoever drains.
func (capacityGate) check() (field string, err error) { return "", nil }

func (capacityGate) onError() v1alpha1.Requirement { return v1alpha1.Require }

// timeout is for a look that has just begun when this one is asked.
func (capacityGate) timeout() time.Duration { return lookTimeout }

// evicts selects the pods that the policy's drains evict.
func (g capacityGate) evicts() (selectors.Pods, error) {
	selected, err := selectors.ForPodsOrAll(g.policy.Spec.Drain.Selector)
	if err != nil {
		return selectors.Pods{}, fmt.Errorf("drain.selector: %w", err)
	}
	return selected, nil
}

func (g capacityGate) ask(ctx context.Context, a *Asker, query model.GateQuery) (reply, error) {
	selector, err := g.evicts()
	if err != nil {
		return reply{}, err
	}
	inv, err := a.inventory(ctx)
	if err != nil {
		return reply{}, err
	}
	gone := sets.New(leaving(query)...)
	room := inv.room(gone)
	lacks := map[string]string{}
	for _, node := range query.Nodes {
		if ctx.Err() != nil {
			return reply{}, ctx.Err()
		}
		lacks[node] = inv.lack(room, node, gone, selector)
		if lacks[node] == "" {
			break
		}
	}
	return reply{GateAnswer: model.GateAnswer{Nodes: lacks}, at: inv.at, took: inv.took}, nil
}

// room is what nodes have free. It shares with the inventory all that it does not change: it is looked at for one node after the other.
type room struct {
	nodes []*roomyNode
	// without is a node that gives no room.
	without string
	// free is what is left of those nodes of which something was taken.
	free map[string]amounts
	// arrivals are the pods that wait already, by the node that takes them.
	arrivals map[string][]*movingPod
}

// room of the nodes that are not leaving. Pods that wait already take theirs first, and if there is none for them that is no news.
func (inv *inventory) room(leaving sets.Set[string]) *room {
	r := &room{free: map[string]amounts{}, arrivals: map[string][]*movingPod{}}
	for _, n := range inv.nodes {
		if !leaving.Has(n.Name) && !n.Spec.Unschedulable && ready(n.Node) {
			r.nodes = append(r.nodes, n)
		}
	}
	for _, pod := range largestFirst(inv.pending) {
		if node := r.take(pod); node != "" {
			r.arrivals[node] = append(r.arrivals[node], pod)
		}
	}
	return r
}

// but is the room without one more node. The pods that it was to take go elsewhere.
func (r *room) but(node string) *room {
	rest := &room{nodes: r.nodes, without: node, free: maps.Clone(r.free)}
	for _, pod := range r.arrivals[node] {
		rest.take(pod)
	}
	return rest
}

// lack says which pod would find no room if the node left, besides those that are leaving; empty if all would.
func (inv *inventory) lack(r *room, node string, leaving sets.Set[string], selector selectors.Pods) string {
	rest := r.but(node)
	for _, name := range sets.List(leaving.Clone().Insert(node)) {
		evicts := selector
		if name != node {
			evicts = selectors.AllPods()
		}
		for _, pod := range largestFirst(inv.evicted(name, evicts)) {
			if rest.take(pod) == "" {
				return fmt.Sprintf("Pod %s/%s of node %s (%s) would find no room: %s.", pod.namespace, pod.name, name, pod.needs, rest.why(pod))
			}
		}
	}
	return ""
}

func ready(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

func largestFirst(pods []*movingPod) []*movingPod {
	return slices.SortedFunc(slices.Values(pods), func(a, b *movingPod) int {
		return cmp.Or(
			cmp.Compare(b.needs[corev1.ResourceCPU], a.needs[corev1.ResourceCPU]),
			cmp.Compare(b.needs[corev1.ResourceMemory], a.needs[corev1.ResourceMemory]),
			strings.Compare(a.namespace, b.namespace), strings.Compare(a.name, b.name),
		)
	})
}

func (r *room) left(node *roomyNode) amounts {
	if free, taken := r.free[node.Name]; taken {
		return free
	}
	return node.free
}

// take puts a pod on the first node that takes it, and says on which; empty is on none.
func (r *room) take(pod *movingPod) string {
	for _, node := range r.nodes {
		free := r.left(node)
		if node.Name == r.without || !free.have(pod.needs) || !takes(node, pod.podClass) {
			continue
		}
		free = maps.Clone(free)
		free.take(pod.needs)
		r.free[node.Name] = free
		return node.Name
	}
	return ""
}

// why there is no room for a pod.
func (r *room) why(pod *movingPod) string {
	lacking := sets.New[string]()
	suitable := 0
	if pod.unplaceable {
		return "its node selector, affinity and tolerations take too many bytes to be looked at"
	}
	for _, node := range r.nodes {
		if node.Name == r.without || !takes(node, pod.podClass) {
			continue
		}
		suitable++
		free := r.left(node)
		for name, need := range pod.needs {
			if need > 0 && need > free[name] {
				lacking.Insert(string(name))
			}
		}
	}
	if suitable == 0 {
		return "no other schedulable node takes it, by its node selector, affinity and tolerations"
	}
	return "the schedulable nodes that take it have too little " + strings.Join(sets.List(lacking), " or ")
}

// takes: the node has what the pod selects, and no taint that it does not tolerate.
func takes(node *roomyNode, pods *podClass) bool {
	if pods.unplaceable {
		return false
	}
	matches, err := pods.affinity.Match(node.Node)
	if err != nil || !matches {
		return false
	}
	_, untolerated := corev1helpers.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, pods.tolerations,
		func(t *corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule }, false)
	return !untolerated
}

// String says what a pod asks for.
func (a amounts) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		switch amount := a[name]; {
		case amount == 0 || name == corev1.ResourcePods:
		case name == corev1.ResourceCPU:
			parts = append(parts, fmt.Sprintf("%s %s", name, resource.NewMilliQuantity(amount, resource.DecimalSI)))
		case name == corev1.ResourceMemory || name == corev1.ResourceEphemeralStorage:
			parts = append(parts, fmt.Sprintf("%s %s", name, resource.NewQuantity(amount, resource.BinarySI)))
		default:
			parts = append(parts, fmt.Sprintf("%s %d", name, amount))
		}
	}
	if len(parts) == 0 {
		return "no requests"
	}
	return strings.Join(parts, ", ")
}
