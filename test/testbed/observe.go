package testbed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Observer records every version of nodes, NodeReboots, applications and their pods, as an outsider sees them.
type Observer struct {
	client  client.WithWatch
	clock   clock.PassiveClock
	log     logr.Logger
	hosts   func() []*Host
	cancel  context.CancelFunc
	ended   sync.WaitGroup
	changes chan struct{}

	mu        sync.Mutex
	recording Recording
}

// Observe begins to record. Call it after Install. It returns when everything that exists is recorded; call Stop in the end.
func (c *Cluster) Observe(ctx context.Context) (*Observer, error) {
	background, cancel := context.WithCancel(c.background)
	observer := &Observer{
		client: c.client, clock: c.clock, log: c.log.WithName("observer"), hosts: c.Hosts, cancel: cancel,
		changes: make(chan struct{}, 1),
	}
	for _, list := range []client.ObjectList{
		&corev1.NodeList{}, &corev1.PodList{}, &appsv1.DeploymentList{}, &appsv1.StatefulSetList{}, &v1alpha1.NodeRebootList{},
	} {
		version, err := observer.list(ctx, list)
		if err != nil {
			observer.Stop()
			return nil, err
		}
		observer.ended.Go(func() { observer.follow(background, list, version) })
	}
	return observer, nil
}

// Stop ends the recording, which stays readable.
func (o *Observer) Stop() {
	o.cancel()
	o.ended.Wait()
}

// Changes hints that something was recorded since the last hint was taken.
func (o *Observer) Changes() <-chan struct{} { return o.changes }

// Recording is a copy of what was recorded so far.
func (o *Observer) Recording() Recording {
	hosts := map[string][]HostEvent{}
	for _, host := range o.hosts() {
		hosts[host.Name()] = host.Events()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	recording := Recording{
		Nodes: slices.Clone(o.recording.Nodes), Reboots: slices.Clone(o.recording.Reboots),
		Apps: slices.Clone(o.recording.Apps), Pods: slices.Clone(o.recording.Pods), Hosts: hosts,
	}
	sortByVersion(recording.Nodes)
	sortByVersion(recording.Reboots)
	sortByVersion(recording.Apps)
	sortByVersion(recording.Pods)
	return recording
}

// Summary judges what was recorded so far.
func (o *Observer) Summary() Summary { return Summarize(o.Recording()) }

// list records what exists and returns the version of the list.
func (o *Observer) list(ctx context.Context, list client.ObjectList) (string, error) {
	if err := o.client.List(ctx, list); err != nil {
		return "", fmt.Errorf("list %T: %w", list, err)
	}
	return list.GetResourceVersion(), meta.EachListItem(list, func(object runtime.Object) error {
		return o.record(object, false)
	})
}

// follow records changes until ctx ends. If the watch is lost permanently it lists again.
func (o *Observer) follow(ctx context.Context, list client.ObjectList, version string) {
	for ctx.Err() == nil {
		err := o.watch(ctx, list, version)
		if ctx.Err() != nil {
			return
		}
		o.log.Error(err, "the watch was lost", "list", fmt.Sprintf("%T", list))
		if version, err = o.list(ctx, list); err != nil && ctx.Err() == nil {
			o.log.Error(err, "list again")
		}
	}
}

func (o *Observer) watch(ctx context.Context, list client.ObjectList, version string) error {
	watcher, err := watchtools.NewRetryWatcherWithContext(ctx, version, &listWatcher{client: o.client, list: list})
	if err != nil {
		return fmt.Errorf("watch %T: %w", list, err)
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		switch event.Type {
		case watch.Added, watch.Modified:
			err = o.record(event.Object, false)
		case watch.Deleted:
			err = o.record(event.Object, true)
		case watch.Error:
			err = fmt.Errorf("watch %T: %v", list, event.Object)
		case watch.Bookmark:
		}
		if err != nil {
			return err
		}
	}
	return errors.New("the watch ended")
}

// listWatcher watches one kind from where a list ended.
type listWatcher struct {
	client client.WithWatch
	list   client.ObjectList
}

// WatchWithContext starts a watch with the options of its caller.
func (w *listWatcher) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return w.client.Watch(ctx, w.list, &client.ListOptions{Raw: &options})
}

func (o *Observer) record(object runtime.Object, gone bool) error {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return fmt.Errorf("record %T: %w", object, err)
	}
	version, err := parseVersion(accessor.GetResourceVersion())
	if err != nil {
		return fmt.Errorf("record %T %s: %w", object, accessor.GetName(), err)
	}
	o.mu.Lock()
	o.recording.add(Moment{At: o.clock.Now(), Version: version}, object, gone)
	o.mu.Unlock()
	select {
	case o.changes <- struct{}{}:
	default: // the last hint was not taken yet
	}
	return nil
}

func (r *Recording) add(moment Moment, object runtime.Object, gone bool) {
	switch object := object.(type) {
	case *corev1.Node:
		r.Nodes = append(r.Nodes, newNodeRecord(moment, object, gone))
	case *v1alpha1.NodeReboot:
		r.Reboots = append(r.Reboots, newRebootRecord(moment, object, gone))
	case *appsv1.Deployment:
		app := AppKey{Kind: Deployment, Namespace: object.Namespace, Name: object.Name}
		r.Apps = append(r.Apps, AppRecord{Moment: moment, App: app, Replicas: replicas(object.Spec.Replicas), Gone: gone})
	case *appsv1.StatefulSet:
		app := AppKey{Kind: StatefulSet, Namespace: object.Namespace, Name: object.Name}
		r.Apps = append(r.Apps, AppRecord{Moment: moment, App: app, Replicas: replicas(object.Spec.Replicas), Gone: gone})
	case *corev1.Pod:
		if record, ok := newPodRecord(moment, object, gone); ok {
			r.Pods = append(r.Pods, record)
		}
	}
}

// replicas is 1 where nothing is said.
func replicas(count *int32) int32 {
	if count == nil {
		return 1
	}
	return *count
}
