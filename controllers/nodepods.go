package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	kwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/apimachinery/pkg/util/sets"
)

// podSyncTimeout is how long a pass waits for the pods of nodes that it asks for the first time.
const podSyncTimeout = 10 * time.Second

// nodePods watches the pods of single nodes. A cache of all pods of a cluster would be most of the manager's memory, and pods matter only
// on the few nodes that start or recover. As a source of the controller it lives and dies with it. Its methods belong to the one worker.
type nodePods struct {
	clientset kubernetes.Interface
	// ctx ends the watches; it is the controller's.
	ctx     context.Context
	changed func()
	watches map[string]*nodePodWatch
}

// nodePodWatch is the watch of one node's pods.
type nodePodWatch struct {
	store  cache.Store
	synced cache.InformerSynced
	stop   context.CancelFunc
}

func newNodePods(clientset kubernetes.Interface) *nodePods {
	return &nodePods{clientset: clientset, watches: map[string]*nodePodWatch{}}
}

// Start implements source.Source.
func (p *nodePods) Start(ctx context.Context, queue passQueue) error {
	p.ctx = ctx
	p.changed = func() { queue.AddAfter(clusterKey, burst) }
	return nil
}

// watch implements podWatcher.
func (p *nodePods) watch(ctx context.Context, nodes []string) error {
	wanted := sets.New(nodes...)
	for node, w := range p.watches {
		if !wanted.Has(node) {
			w.stop()
			delete(p.watches, node)
		}
	}
	for node := range wanted {
		if p.watches[node] != nil {
			continue
		}
		w, err := p.start(node)
		if err != nil {
			return fmt.Errorf("watch the pods of node %s: %w", node, err)
		}
		p.watches[node] = w
	}
	return p.waitForSync(ctx)
}

func (p *nodePods) start(node string) (*nodePodWatch, error) {
	pods := p.clientset.CoreV1().Pods(metav1.NamespaceAll)
	selector := fields.OneTermEqualSelector("spec.nodeName", node).String()
	listWatch := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = selector
			return pods.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (kwatch.Interface, error) {
			options.FieldSelector = selector
			return pods.Watch(ctx, options)
		},
	}
	ctx, stop := context.WithCancel(p.ctx)
	changed := func() {
		// A watch that was stopped may still deliver what it had.
		if ctx.Err() == nil {
			p.changed()
		}
	}
	store, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.ToListWatcherWithWatchListSemantics(listWatch, p.clientset),
		ObjectType:    &corev1.Pod{},
		Transform:     transform(stripPod),
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { changed() },
			UpdateFunc: func(_, _ any) { changed() },
			DeleteFunc: func(any) { changed() },
		},
	})
	go informer.RunWithContext(ctx)
	return &nodePodWatch{store: store, synced: informer.HasSynced, stop: stop}, nil
}

func (p *nodePods) waitForSync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, podSyncTimeout)
	defer cancel()
	var errs []error
	for node, w := range p.watches {
		if !cache.WaitForCacheSync(ctx.Done(), w.synced) {
			errs = append(errs, fmt.Errorf("the pods of node %s could not be read in time", node))
		}
	}
	return errors.Join(errs...)
}

// list implements podWatcher.
func (p *nodePods) list(node string) ([]*corev1.Pod, bool) {
	w := p.watches[node]
	if w == nil || !w.synced() {
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
