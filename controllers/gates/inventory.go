package gates

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	resourcehelper "k8s.io/component-helpers/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/internal/podstream"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// pageSize is how many objects are read by one request.
const pageSize = 500

// inventory is what room there is in the cluster: one look at all nodes and pods. It remembers the pods that need room when their node
// leaves, and those that wait for a node.
type inventory struct {
	// at is when the look ended, and took how long it took.
	at   time.Time
	took time.Duration
	// keys are the labels and annotations of pods that it knows.
	keys    podKeys
	classes *podClasses
	nodes   []*roomyNode
	pods    map[string][]*movingPod
	pending []*movingPod
}

func newInventory(keys podKeys) *inventory {
	return &inventory{keys: keys, classes: newPodClasses(keys), pods: map[string][]*movingPod{}}
}

// roomyNode is a node, and what of it is not requested.
type roomyNode struct {
	*corev1.Node
	free amounts
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

func (inv *inventory) read(ctx context.Context, live client.Reader, listPods podstream.Lister) error {
	byName := map[string]*roomyNode{}
	err := pages(ctx, live, newNodeList, func(list *corev1.NodeList) error {
		for i := range list.Items {
			node := stripNode(&list.Items[i])
			byName[node.Name] = &roomyNode{Node: node, free: amountsOf(node.Status.Allocatable)}
			inv.nodes = append(inv.nodes, byName[node.Name])
			node.Status.Allocatable = nil // what is left of it is free
		}
		return nil
	})
	if err != nil {
		return say(err, "%s", unreadable("Nodes", err))
	}
	slices.SortFunc(inv.nodes, func(a, b *roomyNode) int { return strings.Compare(a.Name, b.Name) })
	if err := inv.readPods(ctx, listPods, byName); err != nil {
		return say(err, "%s", unreadable("Pods", err))
	}
	inv.classes = nil // their names are needed only while pods are added
	return nil
}

// readPods counts one pod after the other: a page of them may have more than there is memory for.
func (inv *inventory) readPods(ctx context.Context, list podstream.Lister, nodes map[string]*roomyNode) error {
	var failed error
	count := func(pod *corev1.Pod) *corev1.Pod {
		if failed == nil {
			failed = inv.add(pod, nodes)
		}
		return &corev1.Pod{}
	}
	for next := ""; ; {
		page, err := list(ctx, metav1.NamespaceAll, metav1.ListOptions{Limit: pageSize, Continue: next}, count)
		if err := errors.Join(err, failed); err != nil {
			return err
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}

// add counts one pod.
func (inv *inventory) add(pod *corev1.Pod, nodes map[string]*roomyNode) error {
	if ended(pod) {
		return nil
	}
	needs := podNeeds(pod)
	if node := nodes[pod.Spec.NodeName]; node != nil {
		node.free.take(needs)
	}
	if !moves(pod) {
		return nil
	}
	moving, err := inv.classes.of(pod, needs)
	if err != nil {
		return err
	}
	if pod.Spec.NodeName == "" {
		inv.pending = append(inv.pending, moving)
		return nil
	}
	if node := nodes[pod.Spec.NodeName]; node != nil {
		inv.pods[node.Name] = append(inv.pods[node.Name], moving)
	}
	return nil
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
		if selector.Matches(pod.labels, pod.annotations) {
			pods = append(pods, pod)
		}
	}
	return pods
}

// pages calls what it is given with one page after the other. Each is a list of its own, because parts of it are kept.
func pages[L client.ObjectList](ctx context.Context, live client.Reader, newList func() L, each func(L) error) error {
	next := ""
	for {
		list := newList()
		if err := live.List(ctx, list, client.Limit(pageSize), client.Continue(next)); err != nil {
			return err
		}
		if err := each(list); err != nil {
			return err
		}
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}

func newNodeList() *corev1.NodeList { return &corev1.NodeList{} }

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
