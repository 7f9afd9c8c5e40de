package gates

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	resourcehelper "k8s.io/component-helpers/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// pageSize is how many objects are read at once; never more of them are in memory.
const pageSize = 500

// inventory is what room there is in the cluster: one look at all nodes and pods. It remembers the pods of those nodes that may leave, and
// those that wait for a node.
type inventory struct {
	// at is when the look ended.
	at    time.Time
	nodes []*roomyNode
	// covers are the nodes whose pods it knows.
	covers  sets.Set[string]
	pods    map[string][]*movingPod
	pending []*movingPod
}

// roomyNode is a node, and what of it is not requested.
type roomyNode struct {
	*corev1.Node
	free amounts
}

// movingPod is a pod that needs room.
type movingPod struct {
	*corev1.Pod
	needs amounts
}

// amounts are thousandths of CPUs, and whole units of everything else.
type amounts map[corev1.ResourceName]int64

func amountsOf(list corev1.ResourceList) amounts {
	a := make(amounts, len(list)+1)
	for name, quantity := range list {
		if name == corev1.ResourceCPU {
			a[name] = quantity.MilliValue()
		} else {
			a[name] = quantity.Value()
		}
	}
	return a
}

func podNeeds(pod *corev1.Pod) amounts {
	needs := amountsOf(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}))
	needs[corev1.ResourcePods] = 1
	return needs
}

// have says whether there is enough of everything.
func (a amounts) have(needs amounts) bool {
	for name, need := range needs {
		if need > 0 && need > a[name] {
			return false
		}
	}
	return true
}

func (a amounts) take(needs amounts) {
	for name, need := range needs {
		a[name] -= need
	}
}

// stock keeps the last look at the cluster's nodes and pods, so that several questions about room read them once.
type stock struct {
	// reading is held while all nodes and pods are read.
	reading sync.Mutex

	mu   sync.Mutex
	last *inventory
	// leavers are the nodes whose pods room is looked for.
	leavers sets.Set[string]
}

// note of which nodes the pods have to be known to answer.
func (s *stock) note(asks []model.GateQuery) {
	leavers := sets.New[string]()
	for _, ask := range asks {
		if ask.Kind == model.GateCapacity {
			leavers.Insert(ask.Nodes...).Insert(leaving(ask)...)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leavers = leavers
}

// keep forgets what was read if none of the questions is about room.
func (s *stock) keep(asks []model.GateQuery) {
	if slices.ContainsFunc(asks, func(ask model.GateQuery) bool { return ask.Kind == model.GateCapacity }) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = nil
}

// leaving are the nodes that are under way.
func leaving(ask model.GateQuery) []string {
	if ask.About == "" {
		return nil
	}
	return strings.Split(ask.About, ",")
}

// inventory returns the last look if it is fresh and knows the pods of all nodes in question, else a new one.
func (a *Asker) inventory(ctx context.Context) (*inventory, error) {
	s := &a.stock
	s.reading.Lock()
	defer s.reading.Unlock()
	now := a.options.Clock.Now()
	s.mu.Lock()
	last, needed := s.last, s.leavers
	s.mu.Unlock()
	if last != nil && now.Before(last.at.Add(Interval)) && last.covers.IsSuperset(needed) {
		return last, nil
	}
	next := &inventory{covers: needed, pods: map[string][]*movingPod{}}
	if err := next.read(ctx, a.options.Live); err != nil {
		return nil, err
	}
	next.at = a.options.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = next
	return next, nil
}

func (inv *inventory) read(ctx context.Context, live client.Reader) error {
	byName := map[string]*roomyNode{}
	err := pages(ctx, live, newNodeList, func(list *corev1.NodeList) {
		for i := range list.Items {
			node := stripNode(&list.Items[i])
			byName[node.Name] = &roomyNode{Node: node, free: amountsOf(node.Status.Allocatable)}
			inv.nodes = append(inv.nodes, byName[node.Name])
		}
	})
	if err != nil {
		return fmt.Errorf("list Nodes: %w", err)
	}
	slices.SortFunc(inv.nodes, func(a, b *roomyNode) int { return strings.Compare(a.Name, b.Name) })
	err = pages(ctx, live, newPodList, func(list *corev1.PodList) {
		for i := range list.Items {
			inv.add(&list.Items[i], byName)
		}
	})
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	return nil
}

// add counts one pod.
func (inv *inventory) add(pod *corev1.Pod, nodes map[string]*roomyNode) {
	if ended(pod) {
		return
	}
	needs := podNeeds(pod)
	if node := nodes[pod.Spec.NodeName]; node != nil {
		node.free.take(needs)
	}
	if !moves(pod) {
		return
	}
	switch {
	case pod.Spec.NodeName == "":
		inv.pending = append(inv.pending, &movingPod{stripMovingPod(pod), needs})
	case inv.covers.Has(pod.Spec.NodeName):
		inv.pods[pod.Spec.NodeName] = append(inv.pods[pod.Spec.NodeName], &movingPod{stripMovingPod(pod), needs})
	}
}

// moves: if the pod is evicted, its controller makes another one, which needs room elsewhere. That of a pod which terminates is there
// already.
func moves(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOfNoCopy(pod)
	_, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]
	return owner != nil && owner.Kind != "DaemonSet" && owner.Kind != "Node" && !mirror && pod.DeletionTimestamp.IsZero()
}

// evicted are the pods of a node that a drain with this selector evicts.
func (inv *inventory) evicted(node string, selector selectors.Pods) []*movingPod {
	var pods []*movingPod
	for _, pod := range inv.pods[node] {
		if selector.Matches(pod.Labels, pod.Annotations) {
			pods = append(pods, pod)
		}
	}
	return pods
}

// pages calls what it is given with one page after the other. Each is a list of its own, for parts of it are kept.
func pages[L client.ObjectList](ctx context.Context, live client.Reader, newList func() L, each func(L)) error {
	next := ""
	for {
		list := newList()
		if err := live.List(ctx, list, client.Limit(pageSize), client.Continue(next)); err != nil {
			return err
		}
		each(list)
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}

func newNodeList() *corev1.NodeList { return &corev1.NodeList{} }

func newPodList() *corev1.PodList { return &corev1.PodList{} }

func stripNode(node *corev1.Node) *corev1.Node {
	stripped := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node.Name, Labels: node.Labels}}
	stripped.Spec.Taints, stripped.Spec.Unschedulable = node.Spec.Taints, node.Spec.Unschedulable
	stripped.Status.Allocatable = node.Status.Allocatable
	for i := range node.Status.Conditions {
		if c := &node.Status.Conditions[i]; c.Type == corev1.NodeReady {
			stripped.Status.Conditions = []corev1.NodeCondition{{Type: c.Type, Status: c.Status}}
		}
	}
	return stripped
}

// stripMovingPod keeps what says where a pod may go.
func stripMovingPod(pod *corev1.Pod) *corev1.Pod {
	stripped := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: pod.Namespace, Name: pod.Name, Labels: pod.Labels, Annotations: selectors.Annotations(pod.Annotations),
	}}
	stripped.Spec.NodeName, stripped.Spec.NodeSelector = pod.Spec.NodeName, pod.Spec.NodeSelector
	stripped.Spec.Affinity, stripped.Spec.Tolerations = pod.Spec.Affinity, pod.Spec.Tolerations
	return stripped
}
