package gates

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// podGate is pods that block the node they run on until they have ended.
type podGate struct{ *v1alpha1.PodGate }

func podGates(policy *v1alpha1.RebootPolicy) []gate {
	return gatesOf(policy.Spec.Gates.Pods, func(g *v1alpha1.PodGate) gate { return podGate{g} })
}

func (g podGate) name() string { return g.Name }

func (g podGate) check() (field string, err error) {
	_, err = selectors.ForPods(g.Selector)
	return "selector", err
}

// podSource is which pods are watched. The API server selects by labels: all others cost nothing.
type podSource struct {
	// namespace is empty for all.
	namespace, selector string
	// annotations that a pod must have to block its node, as selectors.Pods writes them.
	annotations string
}

// podWatch is a watch of pods that block their node.
type podWatch struct {
	store  cache.Store
	synced <-chan struct{}
	stop   context.CancelFunc
	// readable is called when pods can be read again.
	readable func()

	mu sync.Mutex
	// failure is why the pods could not be read, since when.
	failure string
	since   time.Time
}

// sources of the gate; none if its selector cannot be understood.
func (g podGate) sources() []podSource {
	pods, err := selectors.ForPodsOrAll(g.Selector)
	if err != nil {
		return nil
	}
	namespaces := g.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	sources := make([]podSource, 0, len(namespaces))
	for _, namespace := range namespaces {
		sources = append(sources, podSource{namespace, pods.LabelText(), pods.AnnotationText()})
	}
	return sources
}

// watch pods. It returns what to wait for until those are known that were not watched before.
func (a *Asker) watch(sources []podSource) []<-chan struct{} {
	var awaited []<-chan struct{}
	for _, source := range sources {
		if a.pods[source] == nil {
			a.pods[source] = a.startWatch(source)
			awaited = append(awaited, a.pods[source].synced)
		}
	}
	return awaited
}

func (a *Asker) startWatch(source podSource) *podWatch {
	ctx, stop := context.WithCancel(a.ctx)
	changed := func() {
		// A watch that was stopped may still deliver what it had.
		if ctx.Err() == nil {
			a.changed()
		}
	}
	w := &podWatch{stop: stop, readable: changed}
	pods, filter := a.options.Pods.Pods(source.namespace), newAnnotationFilter(source.annotations)
	listWatch := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.LabelSelector = source.selector
			list, err := a.options.ListPods(ctx, source.namespace, options, filter.keep)
			w.note(err, a.options.Clock.Now())
			return filter.list(list), err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (kwatch.Interface, error) {
			options.LabelSelector = source.selector
			events, err := pods.Watch(ctx, options)
			w.note(err, a.options.Clock.Now())
			return filter.watch(events, options), err
		},
	}
	store, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.ToListWatcherWithWatchListSemantics(listWatch, a.options.Pods),
		ObjectType:    &corev1.Pod{},
		Transform:     stripPod,
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { changed() },
			DeleteFunc: func(any) { changed() },
			UpdateFunc: func(before, after any) {
				if blocksWhere(before) != blocksWhere(after) {
					changed()
				}
			},
		},
	})
	w.store, w.synced = store, informer.HasSyncedChecker().Done()
	go informer.RunWithContext(ctx)
	go func() {
		// That there is no such pod is news, too.
		select {
		case <-w.synced:
			changed()
		case <-ctx.Done():
		}
	}()
	return w
}

// note remembers why the pods cannot be read; nil is that they can.
func (w *podWatch) note(err error, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil && w.failure != "":
		w.failure = ""
		w.readable()
	case err == nil:
	case w.failure == "":
		w.since = now
		fallthrough
	default:
		w.failure = sentence(unreadable("Pods", err))
	}
}

// pods returns those that are known, and whether all are.
func (w *podWatch) pods() ([]any, bool) {
	select {
	case <-w.synced:
		return w.store.List(), true
	default:
		return nil, false
	}
}

func (a *Asker) keepPods(sources map[podSource]bool) {
	for source, w := range a.pods {
		if !sources[source] {
			w.stop()
			delete(a.pods, source)
		}
	}
}

// answer names, of each node, the pod that has been there longest, so that the answer seldom changes.
func (g podGate) answer(a *Asker) (answer model.GateAnswer, known bool) {
	oldest := map[string]*corev1.Pod{}
	sources := g.sources()
	for _, source := range sources {
		pods, known := a.pods[source].pods()
		failure, since := a.pods[source].failing()
		// Answers from before the failure are valid for as long as any other answer.
		old := !a.options.Clock.Now().Before(since.Add(Interval))
		switch {
		case failure != "" && (!known || old):
			return model.GateAnswer{Failure: failure, Since: since}, true
		case !known:
			return answer, false
		}
		for _, object := range pods {
			pod, ok := object.(*corev1.Pod)
			if node := blocksWhere(object); ok && node != "" && older(pod, oldest[node]) {
				oldest[node] = pod
			}
		}
	}
	if len(sources) == 0 {
		return answer, false
	}
	nodes := make(map[string]string, len(oldest))
	for node, pod := range oldest {
		nodes[node] = fmt.Sprintf("Pod %s/%s runs on node %s: gate %s waits for it to end.", pod.Namespace, pod.Name, node, g.Name)
	}
	return model.GateAnswer{Nodes: nodes}, true
}

func (w *podWatch) failing() (failure string, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure, w.since
}

func older(a, b *corev1.Pod) bool {
	switch {
	case b == nil:
		return true
	case !a.CreationTimestamp.Equal(&b.CreationTimestamp):
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Namespace+"/"+a.Name < b.Namespace+"/"+b.Name
}

// blocksWhere is the node that a pod blocks: the node that it is bound to, until it has ended or is gone. A terminating pod still runs.
func blocksWhere(object any) string {
	pod, ok := object.(*corev1.Pod)
	if !ok || ended(pod) {
		return ""
	}
	return pod.Spec.NodeName
}

func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// stripPod keeps what blocksWhere and older look at.
func stripPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	return strippedPod(pod), nil
}

func strippedPod(pod *corev1.Pod) *corev1.Pod {
	stripped := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion, CreationTimestamp: pod.CreationTimestamp,
	}}
	stripped.Spec.NodeName, stripped.Status.Phase = pod.Spec.NodeName, pod.Status.Phase
	return stripped
}
