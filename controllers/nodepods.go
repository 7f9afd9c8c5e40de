package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	kwatch "k8s.io/apimachinery/pkg/watch"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/controllers/projection"
	"github.com/reboot-operator/reboot-operator/internal/podstream"
)

const (
	// podSyncTimeout is how long a pass waits for the pods of nodes that it asks for the first time.
	podSyncTimeout = 10 * time.Second
	// lingering is for how long the watch of a node continues that no plan needs anymore, or yet, and maxLingering how many do at most: a plan
	// that compares nodes, and an attempt that waits for the boot of its host, need the same pods again soon. What such a watch sees asks for
	// no pass.
	lingering    = 2 * time.Minute
	maxLingering = 50
)

// nodePods watches the pods of single nodes. A cache of all pods of a cluster would be most of the manager's memory, and pods matter only
// on the few nodes that start or recover. As a source of the controller it lives and dies with it. Its methods belong to the one worker.
type nodePods struct {
	client typedcorev1.PodsGetter
	// listPods makes what is kept of each pod while it reads the list.
	listPods podstream.Lister
	// strip makes what is kept of a pod, which are among others the labels and annotations with those keys.
	strip func(*corev1.Pod, sets.Set[string]) *corev1.Pod
	// named are keys of labels and annotations that are kept of every pod, however many it has.
	named sets.Set[string]
	// ctx ends the watches; it is the controller's.
	ctx     context.Context
	changed func()
	clock   clock.WithDelayedExecution
	// lingering is for how long watches that no plan needs continue.
	lingering time.Duration
	watches   map[string]*nodePodWatch
	// unneeded are the nodes whose watches linger, the longest first.
	unneeded []string
}

// nodePodWatch is the watch of one node's pods.
type nodePodWatch struct {
	ctx    context.Context
	store  cache.Store
	synced <-chan struct{}
	stop   context.CancelFunc
	// needed by the last plan. One that is not ends with a timer.
	needed atomic.Bool
	end    clock.Timer
}

func newNodePods(client typedcorev1.CoreV1Interface) *nodePods {
	return &nodePods{
		client: client, listPods: podstream.Of(client.RESTClient()), strip: projection.StripPod, named: alwaysNamed,
		watches: map[string]*nodePodWatch{}, clock: clock.RealClock{}, lingering: lingering,
	}
}

// alwaysNamed are the labels that tell the Deployment of a pod, and the manager's own pods.
var alwaysNamed = sets.New(appsv1.DefaultDeploymentUniqueLabelKey, componentLabel)

// nameKeys implements podWatcher. What was cut off is gone, so pods are read again when something else matters.
func (p *nodePods) nameKeys(keys sets.Set[string]) {
	if p.named.IsSuperset(keys) {
		return
	}
	p.named = keys.Union(alwaysNamed)
	for node := range p.watches {
		p.drop(node)
	}
}

// Start implements source.Source.
func (p *nodePods) Start(ctx context.Context, queue passQueue) error {
	p.ctx = ctx
	p.changed = func() { queue.AddAfter(clusterKey, burst) }
	return nil
}

// watch implements podWatcher.
func (p *nodePods) watch(ctx context.Context, nodes []string) error {
	for _, node := range nodes {
		p.open(node, true)
	}
	return p.waitForSync(ctx, nodes)
}

// open starts the watch of a node if there is none that continues. A watch that reads ahead is never marked as needed, because its first
// pods would ask for a pass.
func (p *nodePods) open(node string, needed bool) {
	if p.prolong(node) {
		p.watches[node].needed.Store(needed)
		return
	}
	p.drop(node)
	p.watches[node] = p.start(node, needed)
}

// prolong lets an existing watch continue, and reports whether there is one. A timer that cannot be stopped has ended it, or is about to.
func (p *nodePods) prolong(node string) bool {
	w := p.watches[node]
	if w == nil {
		return false
	}
	if w.end != nil {
		if !w.end.Stop() {
			return false
		}
		w.end = nil
		p.unneeded = slices.DeleteFunc(p.unneeded, func(other string) bool { return other == node })
	}
	return w.ctx.Err() == nil
}

// keep implements podWatcher.
func (p *nodePods) keep(nodes sets.Set[string]) {
	for node, w := range p.watches {
		switch {
		case w.ctx.Err() != nil:
			p.drop(node)
		case !nodes.Has(node) && w.needed.Load():
			p.linger(node)
		}
	}
}

// ahead implements podWatcher: the watches linger from the beginning, until a plan needs them.
func (p *nodePods) ahead(nodes []string) {
	for _, node := range nodes {
		p.open(node, false)
		p.linger(node)
	}
}

// linger has a watch end after a while that no plan needs.
func (p *nodePods) linger(node string) {
	w := p.watches[node]
	w.needed.Store(false)
	w.end = p.clock.AfterFunc(p.lingering, w.stop)
	p.unneeded = append(p.unneeded, node)
	for len(p.unneeded) > maxLingering {
		p.drop(p.unneeded[0])
	}
}

// drop ends the watch of a node, if there is one, and forgets its pods.
func (p *nodePods) drop(node string) {
	w := p.watches[node]
	if w == nil {
		return
	}
	w.stop()
	if w.end != nil {
		w.end.Stop()
	}
	delete(p.watches, node)
	p.unneeded = slices.DeleteFunc(p.unneeded, func(other string) bool { return other == node })
}

func (p *nodePods) start(node string, needed bool) *nodePodWatch {
	pods := p.client.Pods(metav1.NamespaceAll)
	named := p.named
	strip := func(pod *corev1.Pod) *corev1.Pod { return p.strip(pod, named) }
	selector := fields.OneTermEqualSelector("spec.nodeName", node).String()
	listWatch := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = selector
			options.ResourceVersion, options.Limit = "", 0 // as new as a pass can know it, from the cache of the API server
			return p.listPods(ctx, metav1.NamespaceAll, options, strip)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (kwatch.Interface, error) {
			options.FieldSelector = selector
			watch, err := pods.Watch(ctx, options)
			if err != nil && ctx.Err() != nil {
				return kwatch.NewProxyWatcher(nil), nil // it was stopped, which is no error to log
			}
			return watch, err
		},
	}
	ctx, stop := context.WithCancel(p.ctx)
	w := &nodePodWatch{ctx: ctx, stop: stop}
	w.needed.Store(needed)
	changed := func() {
		// A watch that was stopped may still deliver what it had.
		if ctx.Err() == nil && w.needed.Load() {
			p.changed()
		}
	}
	store, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: listedFirst{listWatch},
		ObjectType:    &corev1.Pod{},
		Transform:     transform(strip),
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { changed() },
			UpdateFunc: func(before, after any) {
				if podChanged(before, after) {
					changed()
				}
			},
			DeleteFunc: func(any) { changed() },
		},
	})
	go informer.RunWithContext(ctx)
	w.store, w.synced = store, informer.HasSyncedChecker().Done()
	return w
}

// listedFirst has a watch begin with a list. An API server that streams the list instead says once a second which of its streams are
// complete, and a pass, and the next order with it, would wait for that.
type listedFirst struct{ *cache.ListWatch }

// IsWatchListSemanticsUnSupported is what client-go asks.
func (listedFirst) IsWatchListSemanticsUnSupported() bool { return true }

// podChanged says whether a plan could see the difference between two states of a pod that projection.StripPod made. Most of what the
// kubelet and controllers write makes none.
func podChanged(before, after any) bool {
	from, was := before.(*corev1.Pod)
	to, is := after.(*corev1.Pod)
	if !was || !is {
		return true
	}
	same := *from
	same.ResourceVersion, same.Generation = to.ResourceVersion, to.Generation
	return !equality.Semantic.DeepEqual(&same, to)
}

func (p *nodePods) waitForSync(ctx context.Context, nodes []string) error {
	ctx, cancel := context.WithTimeout(ctx, podSyncTimeout)
	defer cancel()
	var errs []error
	for _, node := range nodes {
		select {
		case <-p.watches[node].synced:
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("wait for the pods of node %s: %w", node, ctx.Err()))
		}
	}
	return errors.Join(errs...)
}

// list implements podWatcher.
func (p *nodePods) list(node string) ([]*corev1.Pod, bool) {
	w := p.watches[node]
	if w == nil {
		return nil, false
	}
	select {
	case <-w.synced:
	default:
		return nil, false
	}
	objects := w.store.List()
	pods := make([]*corev1.Pod, 0, len(objects))
	for _, object := range objects {
		if pod, ok := object.(*corev1.Pod); ok {
			pods = append(pods, pod)
		}
	}
	return pods, true
}
