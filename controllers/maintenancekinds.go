package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// maintenanceKinds are the kinds by which other tools say that they maintain a node, by the name of their CustomResourceDefinition.
var maintenanceKinds = maintenanceDefinitions()

func maintenanceDefinitions() map[string]schema.GroupVersionKind {
	definitions := map[string]schema.GroupVersionKind{}
	for _, kind := range projection.MaintenanceKinds() {
		definitions["nodemaintenances."+kind.Group] = kind
	}
	return definitions
}

const (
	// firstLook is how soon a kind is looked for again that is installed and cannot be read yet; the time doubles up to lastLook.
	firstLook, lastLook = 100 * time.Millisecond, time.Minute
	// quietLooks is how often that may fail before it is logged: a kind is served a moment after its definition is there.
	quietLooks = 8
	// lookTimeout bounds one look.
	lookTimeout = 10 * time.Second
)

// maintenanceWatcher watches the kinds of maintenanceKinds, each only while its CustomResourceDefinition is there: a watch of a kind that
// does not exist never begins, and would hold up all others. As a source of the controller it lives and dies with it.
type maintenanceWatcher struct {
	cache cache.Cache
	// live reads from the API server.
	live    client.Reader
	changed func()
	// queue has the names of definitions that may have changed.
	queue workqueue.TypedRateLimitingInterface[string]
	// looked is closed when each kind has been looked for once.
	looked chan struct{}

	// mu is held while an informer begins or ends, so that list never begins one.
	mu sync.RWMutex
	// installed are the kinds whose definition is there.
	installed map[string]*maintenanceKind
}

// maintenanceKind is a kind that is installed.
type maintenanceKind struct {
	gvk schema.GroupVersionKind
	// uid of the definition: another one of the same name is another kind.
	uid types.UID
	// known: its objects are in the cache.
	known bool
}

func newMaintenanceWatcher(c cache.Cache, live client.Reader) *maintenanceWatcher {
	return &maintenanceWatcher{
		cache: c, live: live, looked: make(chan struct{}), installed: map[string]*maintenanceKind{},
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstLook, lastLook)),
	}
}

// definition is a CustomResourceDefinition, of which only the metadata is read.
func definition() *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	return object
}

// stripDefinition keeps what says that there is one.
func stripDefinition(object *metav1.PartialObjectMetadata) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta:   object.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{Name: object.Name, UID: object.UID, ResourceVersion: object.ResourceVersion},
	}
}

// Start implements source.Source.
func (w *maintenanceWatcher) Start(ctx context.Context, queue passQueue) error {
	w.changed = func() { queue.AddAfter(clusterKey, burst) }
	informer, err := w.cache.GetInformer(ctx, definition(), cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watch CustomResourceDefinitions: %w", err)
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    w.definitionChanged,
		UpdateFunc: func(_, after any) { w.definitionChanged(after) },
		DeleteFunc: w.definitionChanged,
	})
	if err != nil {
		return fmt.Errorf("watch CustomResourceDefinitions: %w", err)
	}
	go func() {
		<-ctx.Done()
		w.queue.ShutDown()
	}()
	go func() {
		if !toolscache.WaitForCacheSync(ctx.Done(), registration.HasSynced) {
			return
		}
		for name := range maintenanceKinds {
			w.look(ctx, name)
		}
		close(w.looked)
		for w.next(ctx) {
		}
	}()
	return nil
}

// WaitForSync implements source.SyncingSource: the first pass knows of the maintenances.
func (w *maintenanceWatcher) WaitForSync(ctx context.Context) error {
	select {
	case <-w.looked:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("look for the kinds of maintenances: %w", ctx.Err())
	}
}

func (w *maintenanceWatcher) definitionChanged(object any) {
	if gone, is := object.(toolscache.DeletedFinalStateUnknown); is {
		object = gone.Obj
	}
	name := ""
	if found, is := object.(client.Object); is {
		name = found.GetName()
	}
	if _, is := maintenanceKinds[name]; is {
		w.queue.Forget(name)
		w.queue.Add(name)
	}
}

// next looks at a definition that may have changed. It is false at the end.
func (w *maintenanceWatcher) next(ctx context.Context) bool {
	name, ended := w.queue.Get()
	if ended {
		return false
	}
	defer w.queue.Done(name)
	w.look(ctx, name)
	return true
}

// look makes what is watched agree with a definition. If that fails it is done again.
func (w *maintenanceWatcher) look(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	err := w.sync(ctx, name)
	if err == nil {
		w.queue.Forget(name)
		return
	}
	if w.queue.NumRequeues(name) == quietLooks {
		logf.FromContext(ctx).Error(err, "Maintenances by others cannot be read, so nothing starts", "customResourceDefinition", name)
	}
	w.queue.AddRateLimited(name)
}

// sync begins or ends the watch of one kind.
func (w *maintenanceWatcher) sync(ctx context.Context, name string) error {
	found := definition()
	if err := w.cache.Get(ctx, types.NamespacedName{Name: name}, found); client.IgnoreNotFound(err) != nil {
		return err
	}
	kind := w.note(ctx, name, found.UID)
	if kind == nil || kind.known {
		return nil
	}
	// Even if its definition exists, the API server may not serve it yet.
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.gvk)
	if err := w.live.List(ctx, list, client.Limit(1)); err != nil {
		return fmt.Errorf("list objects of kind %s: %w", kind.gvk, err)
	}
	if err := w.watch(ctx, kind); err != nil {
		return fmt.Errorf("watch objects of kind %s: %w", kind.gvk, err)
	}
	return nil
}

// note records the current definition of a kind; an empty UID means none. What belongs to an earlier definition is forgotten.
func (w *maintenanceWatcher) note(ctx context.Context, name string, uid types.UID) *maintenanceKind {
	w.mu.Lock()
	defer w.mu.Unlock()
	kind := w.installed[name]
	switch {
	case kind == nil && uid == "":
		return nil
	case kind != nil && kind.uid == uid:
		return kind
	case kind != nil:
		// That there is no such informer is not an error.
		_ = w.cache.RemoveInformer(ctx, objectOf(kind.gvk))
		delete(w.installed, name)
	}
	kind = nil
	if uid != "" {
		kind = &maintenanceKind{gvk: maintenanceKinds[name], uid: uid}
		w.installed[name] = kind
	}
	w.changed()
	return kind
}

func objectOf(gvk schema.GroupVersionKind) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gvk)
	return object
}

// watch begins to watch a kind, and waits until its objects are known.
func (w *maintenanceWatcher) watch(ctx context.Context, kind *maintenanceKind) error {
	informer, err := w.cache.GetInformer(ctx, objectOf(kind.gvk), cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { w.changed() },
		UpdateFunc: w.maintenanceChanged,
		DeleteFunc: func(any) { w.changed() },
	})
	if err != nil {
		return err
	}
	if !toolscache.WaitForCacheSync(ctx.Done(), registration.HasSynced) {
		// Anyone who tries again adds another handler.
		return errors.Join(ctx.Err(), informer.RemoveEventHandler(registration))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	kind.known = true
	w.changed()
	return nil
}

func (w *maintenanceWatcher) maintenanceChanged(before, after any) {
	old, wasOne := before.(*unstructured.Unstructured)
	object, isOne := after.(*unstructured.Unstructured)
	if wasOne && isOne && nodeMaintenanceChanged(old, object) {
		w.changed()
	}
}

// list implements maintenanceLister.
func (w *maintenanceWatcher) list(ctx context.Context) (objects []unstructured.Unstructured, unknown []schema.GroupVersionKind, err error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, name := range slices.Sorted(maps.Keys(w.installed)) {
		kind := w.installed[name]
		if !kind.known {
			unknown = append(unknown, kind.gvk)
			continue
		}
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.gvk)
		if err := w.cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, nil, fmt.Errorf("list objects of kind %s: %w", kind.gvk, err)
		}
		objects = append(objects, list.Items...)
	}
	return objects, unknown, nil
}
