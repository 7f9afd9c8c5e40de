package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// appLabel is on the pods of the workload.
const appLabel = "app"

// observer follows nodes, NodeReboots, pods and what makes pods: it writes what happens into the journal, and wakes anyone who waits for
// something.
type observer struct {
	cache   cache.Cache
	journal *journal

	mu      sync.Mutex
	changed chan struct{} // closed at the next change
}

// observe starts an observer, which ends with ctx.
func observe(ctx context.Context, cluster *testbed.Cluster, journal *journal) (*observer, error) {
	scheme, err := testbed.Scheme()
	if err != nil {
		return nil, err
	}
	objects, err := cache.New(cluster.Config(), cache.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("make a cache: %w", err)
	}
	o := &observer{cache: objects, journal: journal, changed: make(chan struct{})}
	handlers := map[client.Object]func(before, after any){
		&corev1.Node{}:         o.nodeChanged,
		&corev1.Pod{}:          o.podChanged,
		&appsv1.Deployment{}:   func(any, any) {},
		&appsv1.DaemonSet{}:    func(any, any) {},
		&v1alpha1.NodeReboot{}: o.rebootChanged,
	}
	for object, handle := range handlers {
		informer, err := objects.GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, fmt.Errorf("watch %T: %w", object, err)
		}
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    func(after any) { handle(nil, after); o.wake() },
			UpdateFunc: func(before, after any) { handle(before, after); o.wake() },
			DeleteFunc: func(any) { o.wake() },
		})
		if err != nil {
			return nil, fmt.Errorf("watch %T: %w", object, err)
		}
	}
	go func() { _ = objects.Start(ctx) }()
	if !objects.WaitForCacheSync(ctx) {
		return nil, fmt.Errorf("list what is observed: %w", context.Cause(ctx))
	}
	return o, nil
}

func (o *observer) wake() {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *observer) next() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed
}

// await asks whether holds returns nil: at every change, and every second for what is not observed.
func (o *observer) await(ctx context.Context, within time.Duration, holds func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		changed := o.next()
		err := holds()
		if err == nil {
			return nil
		}
		select {
		case <-changed:
		case <-time.After(time.Second):
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", within, err)
		}
	}
}

func (o *observer) nodeChanged(before, after any) {
	node, ok := after.(*corev1.Node)
	if !ok {
		return
	}
	var was nodeView
	old, known := before.(*corev1.Node)
	if known {
		was = viewOf(old)
	}
	is := viewOf(node)
	o.journal.turned(node.Name, was.tainted, is.tainted, tainted, untainted)
	o.journal.turned(node.Name, was.cordoned, is.cordoned, cordoned, uncordoned)
	if known && was.bootID != is.bootID {
		o.journal.add(node.Name, newBoot, "%s, was %s", is.bootID, was.bootID)
	}
	o.journal.turned(node.Name, false, is.ready && !was.ready, nodeReady, "")
	if known && !is.ready && was.reason != is.reason {
		o.journal.add(node.Name, nodeNotReady, "%s", is.message)
	}
}

// nodeView is what is shown of a Node.
type nodeView struct {
	tainted, cordoned, ready bool
	bootID, reason, message  string
}

func viewOf(node *corev1.Node) nodeView {
	view := nodeView{
		cordoned: node.Spec.Unschedulable,
		bootID:   node.Status.NodeInfo.BootID,
		tainted:  slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha1.TaintKey }),
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			view.ready = condition.Status == corev1.ConditionTrue
			view.reason, view.message = condition.Reason, condition.Message
		}
	}
	return view
}

// podChanged tells how the pods of the workload end.
func (o *observer) podChanged(before, after any) {
	pod, ok := after.(*corev1.Pod)
	old, known := before.(*corev1.Pod)
	if !ok || !known || pod.Labels[appLabel] == "" {
		return
	}
	if end := endOf(pod); end != nil && endOf(old) == nil {
		o.journal.add(pod.Spec.NodeName, podEnded, "%s, exit code %d", pod.Name, end.ExitCode)
	}
}

// endOf is how the one container of a pod ended, or nil.
func endOf(pod *corev1.Pod) *corev1.ContainerStateTerminated {
	for _, status := range pod.Status.ContainerStatuses {
		return status.State.Terminated
	}
	return nil
}

func (o *observer) rebootChanged(before, after any) {
	reboot, ok := after.(*v1alpha1.NodeReboot)
	if !ok {
		return
	}
	old, known := before.(*v1alpha1.NodeReboot)
	if !known {
		old = &v1alpha1.NodeReboot{}
	}
	node := reboot.Spec.NodeName
	was, is := attemptOf(old), attemptOf(reboot)
	if was.DrainedTime == nil && is.DrainedTime != nil {
		o.journal.add(node, drained, "")
	}
	if was.RebootOrderedTime == nil && is.RebootOrderedTime != nil {
		o.journal.add(node, toldToReboot, "")
	}
	if old.Status.Phase != reboot.Status.Phase || old.Status.Reason != reboot.Status.Reason {
		o.journal.add(node, phaseIs, "%s, %s: %s", reboot.Status.Phase, reboot.Status.Reason, reboot.Status.Message)
	}
}

// attemptOf is the attempt under way, or an empty one.
func attemptOf(reboot *v1alpha1.NodeReboot) v1alpha1.Attempt {
	if reboot.Status.Attempt == nil {
		return v1alpha1.Attempt{}
	}
	return *reboot.Status.Attempt
}
