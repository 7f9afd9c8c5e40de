package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

const (
	kubeletWorkers = 8
	// kubeletRetry is the pause after a failed write.
	kubeletRetry = 200 * time.Millisecond
	// kubeletTimeout is how long a kubelet waits for an answer.
	kubeletTimeout = 10 * time.Second
	// lastWords is how long a host that goes down waits for its last writes.
	lastWords = 2 * time.Second
	byNode    = "node"
)

// kubelets plays the kubelets of all hosts: it starts the pods that are bound to a host, makes them ready and ends them at the times that
// their annotations name. Nothing of that happens on a host that is down. Like a kubelet it insists: a status that someone else changed
// is written again.
type kubelets struct {
	cluster *Cluster
	factory informers.SharedInformerFactory
	pods    cache.SharedIndexInformer
	nodes   cache.SharedIndexInformer
	queue   workqueue.TypedDelayingInterface[string]
	workers sync.WaitGroup
	lastIP  atomic.Uint32

	mu   sync.Mutex
	runs map[types.UID]podRun
}

func newKubelets(cluster *Cluster) *kubelets {
	factory := informers.NewSharedInformerFactoryWithOptions(cluster.kubernetes, 0, informers.WithTransform(withoutManagedFields))
	return &kubelets{
		cluster: cluster,
		factory: factory,
		pods:    factory.Core().V1().Pods().Informer(),
		nodes:   factory.Core().V1().Nodes().Informer(),
		queue:   workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[string]{Clock: cluster.clock}),
		runs:    map[types.UID]podRun{},
	}
}

func withoutManagedFields(object any) (any, error) {
	if accessor, ok := object.(metav1.ObjectMetaAccessor); ok {
		accessor.GetObjectMeta().SetManagedFields(nil)
	}
	return object, nil
}

func (k *kubelets) start(ctx context.Context) error {
	_, podErr := k.pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    k.enqueue,
		UpdateFunc: func(_, object any) { k.enqueue(object) },
		DeleteFunc: k.forget,
	})
	_, nodeErr := k.nodes.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    k.nodeChanged,
		UpdateFunc: func(_, object any) { k.nodeChanged(object) },
		DeleteFunc: k.nodeDeleted,
	})
	indexErr := k.pods.AddIndexers(cache.Indexers{byNode: func(object any) ([]string, error) {
		pod, ok := object.(*corev1.Pod)
		if !ok {
			return nil, fmt.Errorf("%T is not a pod", object)
		}
		return []string{pod.Spec.NodeName}, nil
	}})
	if err := errors.Join(podErr, nodeErr, indexErr); err != nil {
		return fmt.Errorf("watch pods and nodes: %w", err)
	}
	k.factory.StartWithContext(k.cluster.background)
	for range kubeletWorkers {
		k.workers.Go(k.work)
	}
	if !cache.WaitForCacheSync(ctx.Done(), k.pods.HasSynced, k.nodes.HasSynced) {
		return fmt.Errorf("list pods and nodes: %w", context.Cause(ctx))
	}
	return nil
}

func (k *kubelets) stop() {
	k.queue.ShutDown()
	k.workers.Wait()
	k.factory.Shutdown()
}

func (k *kubelets) enqueue(object any) {
	if pod, ok := object.(*corev1.Pod); ok && pod.Spec.NodeName != "" {
		k.queue.Add(cache.MetaObjectToName(pod).String())
	}
}

func (k *kubelets) forget(object any) {
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	k.mu.Lock()
	delete(k.runs, pod.UID)
	k.mu.Unlock()
	if host := k.cluster.Host(pod.Spec.NodeName); host != nil {
		host.helper.podGone(pod.UID)
		host.managers.podGone(pod.UID)
	}
}

func (k *kubelets) nodeChanged(object any) {
	node, ok := object.(*corev1.Node)
	if !ok {
		return
	}
	if host := k.cluster.Host(node.Name); host != nil && host.isNode(node.UID) {
		host.annotated(node.Annotations)
	}
}

func (k *kubelets) nodeDeleted(object any) {
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	node, ok := object.(*corev1.Node)
	if !ok {
		return
	}
	if host := k.cluster.Host(node.Name); host != nil && host.isNode(node.UID) {
		host.removed()
	}
}

// podsOf lists the pods that are bound to a node.
func (k *kubelets) podsOf(node string) []*corev1.Pod {
	objects, err := k.pods.GetIndexer().ByIndex(byNode, node)
	if err != nil {
		k.cluster.log.Error(err, "list pods of a node", "node", node)
		return nil
	}
	pods := make([]*corev1.Pod, 0, len(objects))
	for _, object := range objects {
		if pod, ok := object.(*corev1.Pod); ok {
			pods = append(pods, pod)
		}
	}
	return pods
}

// isUnknown reports whether it is unknown whether a node is Ready.
func (k *kubelets) isUnknown(name string) bool {
	object, exists, err := k.nodes.GetStore().GetByKey(name)
	node, ok := object.(*corev1.Node)
	return err == nil && exists && ok && slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionUnknown
	})
}

// lookAgain has every pod of the node looked at.
func (k *kubelets) lookAgain(node string) {
	for _, pod := range k.podsOf(node) {
		k.enqueue(pod)
	}
}

func (k *kubelets) work() {
	for {
		key, shutdown := k.queue.Get()
		if shutdown {
			return
		}
		ctx, cancel := context.WithTimeout(k.cluster.background, kubeletTimeout)
		wait, err := k.sync(ctx, key)
		cancel()
		if err != nil && !apierrors.IsNotFound(err) && k.cluster.background.Err() == nil {
			k.cluster.log.Error(err, "simulated kubelet", "pod", key)
			wait = kubeletRetry
		}
		k.queue.Done(key)
		if wait > 0 {
			k.queue.AddAfter(key, wait)
		}
	}
}

// sync brings one pod on by what is due, and says after how long something is due again.
func (k *kubelets) sync(ctx context.Context, key string) (time.Duration, error) {
	object, exists, err := k.pods.GetStore().GetByKey(key)
	if err != nil || !exists {
		return 0, err
	}
	pod, ok := object.(*corev1.Pod)
	if !ok || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return 0, nil
	}
	host := k.cluster.Host(pod.Spec.NodeName)
	if host == nil {
		return 0, nil
	}
	times, err := timesOf(pod)
	if err != nil {
		return 0, err
	}
	host.power.RLock()
	defer host.power.RUnlock()
	switch {
	case host.isGone() && pod.DeletionTimestamp != nil:
		return 0, k.end(ctx, pod) // there is no kubelet to wait for
	case !host.up:
		return 0, nil
	case pod.DeletionTimestamp != nil:
		host.managers.podGone(pod.UID)
		return k.terminate(ctx, pod, host.boot, times)
	default:
		return k.run(ctx, host, pod, times)
	}
}

// run starts a pod and makes it ready in time.
func (k *kubelets) run(ctx context.Context, host *Host, pod *corev1.Pod, times podTimes) (time.Duration, error) {
	readyAt := func(run podRun) time.Time { return k.readyAt(host, pod, run, times) }
	run, wait := k.runOf(pod.UID).advance(host.boot, host.healthy(pod), readyAt, k.cluster.clock.Now())
	if run.ip == "" {
		run.ip = k.newIP()
	}
	k.remember(pod.UID, run)
	status := run.status(pod)
	if !shows(pod.Status, status) {
		if err := k.writeStatus(ctx, pod, status); err != nil {
			return 0, err
		}
	}
	switch {
	case k.cluster.isHelper(pod):
		host.helper.podRunning(pod)
	case k.cluster.isManager(pod):
		host.managers.podRunning(pod)
	}
	return wait, nil
}

// readyAt is when a pod that is healthy is found ready.
func (k *kubelets) readyAt(host *Host, pod *corev1.Pod, run podRun, times podTimes) time.Time {
	serves := run.started.Add(times.readyAfter)
	if k.cluster.probes == nil {
		return serves
	}
	if run.healthy.After(serves) {
		serves = run.healthy
	}
	return k.cluster.probes.readyAt(probed{
		pod: pod, boot: run.boot, kubelet: host.kubeletSince, started: run.started, serves: serves,
	})
}

// terminate deletes a pod when it has had its time to end. A reboot ends every container, so a pod that was ending before has ended.
func (k *kubelets) terminate(ctx context.Context, pod *corev1.Pod, boot int, times podTimes) (time.Duration, error) {
	now := k.cluster.clock.Now()
	run := k.runOf(pod.UID)
	if run.terminating.IsZero() {
		run.terminating = now
		k.remember(pod.UID, run)
	}
	remaining := run.terminating.Add(times.terminateAfter).Sub(now)
	if remaining > 0 && run.boot == boot {
		return remaining, nil
	}
	return 0, k.end(ctx, pod)
}

// end deletes a pod that has ended.
func (k *kubelets) end(ctx context.Context, pod *corev1.Pod) error {
	none := int64(0)
	err := k.cluster.kubernetes.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &none, Preconditions: metav1.NewUIDPreconditions(string(pod.UID)),
	})
	if err != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete pod: %w", err)
	}
	return nil
}

func (k *kubelets) runOf(uid types.UID) podRun {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.runs[uid]
}

func (k *kubelets) remember(uid types.UID, run podRun) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.runs[uid] = run
}

// notReady shows every pod of a node as not ready, as the node lifecycle controller does a few seconds after a node is lost.
func (k *kubelets) notReady(ctx context.Context, node string) error {
	now := metav1.NewTime(k.cluster.clock.Now())
	var errs []error
	for _, pod := range k.podsOf(node) {
		if !isReady(pod.Status) {
			continue
		}
		err := k.writeStatus(ctx, pod, corev1.PodStatus{Conditions: readiness(false, now, "NodeNotReady")})
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// shutDown ends every pod of a node but those that the kubelet runs from files.
func (k *kubelets) shutDown(ctx context.Context, node string) error {
	now := metav1.NewTime(k.cluster.clock.Now())
	var errs []error
	for _, pod := range k.podsOf(node) {
		if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
			continue
		}
		err := k.writeStatus(ctx, pod, corev1.PodStatus{
			Phase: corev1.PodFailed, Reason: "Terminated", Message: "Pod was terminated in response to imminent node shutdown.",
			Conditions: readiness(false, now, "PodFailed"),
		})
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// writeStatus patches the status. The UID in the patch keeps it from a pod of the same name that came after.
func (k *kubelets) writeStatus(ctx context.Context, pod *corev1.Pod, status corev1.PodStatus) error {
	patch, err := json.Marshal(newStatusPatch(pod, status))
	if err != nil {
		return fmt.Errorf("encode a pod's status: %w", err)
	}
	pods := k.cluster.kubernetes.CoreV1().Pods(pod.Namespace)
	_, err = pods.Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("patch the status of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// newIP is the next address of 10.128.0.0/9.
func (k *kubelets) newIP() string {
	number := k.lastIP.Add(1)
	return fmt.Sprintf("10.%d.%d.%d", 128|number>>16&0x7f, number>>8&0xff, number&0xff)
}
