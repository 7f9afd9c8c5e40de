package gates

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	kwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/controllers/gates/placement"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

const (
	// pageSize is how many objects are read by one request where the API server does not stream them.
	pageSize = 500
	// livePods are those that use something: the API server leaves out what has ended.
	livePods = "status.phase!=Succeeded,status.phase!=Failed"
)

// roomWatch keeps up to date what room there is in the cluster. Only what counts is kept of each object, as soon as it has been read.
type roomWatch struct {
	// annotations are those of pods that it knows.
	annotations sets.Set[string]
	clock       clock.PassiveClock
	stop        context.CancelFunc
	stopped     <-chan struct{}
	// synced are closed when all objects of a kind are known.
	synced []<-chan struct{}

	mu      sync.Mutex
	cluster *placement.Cluster
	// problems are why kinds cannot be read, by kind, and news is closed when there is a further one.
	problems map[string]problem
	news     chan struct{}
}

// problem is why a kind cannot be read, and since when.
type problem struct {
	err   error
	since time.Time
}

func newRoomWatch(ctx context.Context, options Options, annotations sets.Set[string]) *roomWatch {
	ctx, stop := context.WithCancel(ctx)
	w := &roomWatch{
		annotations: annotations, clock: options.Clock, stop: stop, stopped: ctx.Done(), cluster: placement.NewCluster(),
		problems: map[string]problem{}, news: make(chan struct{}),
	}
	c, core, storage := w.cluster, options.Core, options.Storage
	named := sets.List(annotations)
	w.watchPods(ctx, options, func(pod *corev1.Pod) *placement.Pod { return placement.NewPod(pod, named) })
	observe(ctx, w, core, "Nodes", roomStore[*corev1.Node, *placement.Node]{
		project: placement.NewNode, set: c.SetNode, remove: c.DeleteNode, replace: c.ReplaceNodes,
	}, listed(core.Nodes().List, func(l *corev1.NodeList) []corev1.Node { return l.Items }, placement.NewNode), core.Nodes().Watch)
	observe(ctx, w, core, "Namespaces", roomStore[*corev1.Namespace, *placement.Namespace]{
		project: placement.NewNamespace, set: c.SetNamespace, remove: c.DeleteNamespace, replace: c.ReplaceNamespaces,
	}, listed(core.Namespaces().List, func(l *corev1.NamespaceList) []corev1.Namespace { return l.Items }, placement.NewNamespace),
		core.Namespaces().Watch)
	claims := core.PersistentVolumeClaims(metav1.NamespaceAll)
	observe(ctx, w, core, "PersistentVolumeClaims", roomStore[*corev1.PersistentVolumeClaim, *placement.Claim]{
		project: placement.NewClaim, set: c.SetClaim, remove: c.DeleteClaim, replace: c.ReplaceClaims,
	}, listed(claims.List, func(l *corev1.PersistentVolumeClaimList) []corev1.PersistentVolumeClaim { return l.Items }, placement.NewClaim),
		claims.Watch)
	volumes := core.PersistentVolumes()
	observe(ctx, w, core, "PersistentVolumes", roomStore[*corev1.PersistentVolume, *placement.Volume]{
		project: placement.NewVolume, set: c.SetVolume, remove: c.DeleteVolume, replace: c.ReplaceVolumes,
	}, listed(volumes.List, func(l *corev1.PersistentVolumeList) []corev1.PersistentVolume { return l.Items }, placement.NewVolume),
		volumes.Watch)
	limits := storage.CSINodes()
	observe(ctx, w, core, "CSINodes", roomStore[*storagev1.CSINode, *placement.Limits]{
		project: placement.NewLimits, set: c.SetLimits, remove: c.DeleteLimits, replace: c.ReplaceLimits,
	}, listed(limits.List, func(l *storagev1.CSINodeList) []storagev1.CSINode { return l.Items }, placement.NewLimits), limits.Watch)
	return w
}

func (w *roomWatch) watchPods(ctx context.Context, options Options, project func(*corev1.Pod) *placement.Pod) {
	list := func(ctx context.Context, page metav1.ListOptions) (metav1.ListInterface, []runtime.Object, error) {
		page.FieldSelector = livePods
		var kept []runtime.Object
		list, err := options.ListPods(ctx, metav1.NamespaceAll, page, func(pod *corev1.Pod) *corev1.Pod {
			kept = append(kept, project(pod))
			return &corev1.Pod{}
		})
		return list, kept, err
	}
	watch := func(ctx context.Context, all metav1.ListOptions) (kwatch.Interface, error) {
		all.FieldSelector = livePods
		return options.Core.Pods(metav1.NamespaceAll).Watch(ctx, all)
	}
	observe(ctx, w, options.Core, "Pods", roomStore[*corev1.Pod, *placement.Pod]{
		project: project, set: w.cluster.SetPod, remove: w.cluster.DeletePod, replace: w.cluster.ReplacePods,
	}, list, watch)
}

// pageLister reads one page, and returns what is kept of it.
type pageLister func(context.Context, metav1.ListOptions) (metav1.ListInterface, []runtime.Object, error)

// listed makes a pageLister of a client's List.
func listed[L metav1.ListInterface, T any, K runtime.Object](
	list func(context.Context, metav1.ListOptions) (L, error), items func(L) []T, project func(*T) K,
) pageLister {
	return func(ctx context.Context, page metav1.ListOptions) (metav1.ListInterface, []runtime.Object, error) {
		found, err := list(ctx, page)
		if err != nil {
			return nil, nil, err
		}
		all := items(found)
		kept := make([]runtime.Object, 0, len(all))
		for i := range all {
			kept = append(kept, project(&all[i]))
		}
		return found, kept, nil
	}
}

// keptList is a list of what is kept.
type keptList struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []runtime.Object
}

// DeepCopyObject implements runtime.Object. What is kept does not change, so it is its own copy.
func (l *keptList) DeepCopyObject() runtime.Object { return l }

// pages reads one page after the other.
func (read pageLister) pages(ctx context.Context) (*keptList, error) {
	all := &keptList{}
	for next := ""; ; {
		page, kept, err := read(ctx, metav1.ListOptions{Limit: pageSize, Continue: next})
		if err != nil {
			return nil, err
		}
		all.Items = append(all.Items, kept...)
		all.ResourceVersion = page.GetResourceVersion()
		if next = page.GetContinue(); next == "" {
			return all, nil
		}
	}
}

// observe keeps a store up to date.
func observe[T, K runtime.Object](ctx context.Context, w *roomWatch, client any, kind string, store roomStore[T, K], read pageLister,
	watch func(context.Context, metav1.ListOptions) (kwatch.Interface, error)) {
	synced := make(chan struct{})
	w.synced = append(w.synced, synced)
	store.mu, store.synced = &w.mu, sync.OnceFunc(func() { close(synced) })
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, _ metav1.ListOptions) (runtime.Object, error) {
			list, err := read.pages(ctx)
			w.note(kind, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (kwatch.Interface, error) {
			events, err := watch(ctx, options)
			if !apierrors.IsInvalid(err) { // An API server that does not stream says so, and is asked for a list.
				w.note(kind, err)
			}
			return events, err
		},
	}
	var expected T
	reflector := cache.NewReflectorWithOptions(cache.ToListWatcherWithWatchListSemantics(lw, client), expected, &store,
		cache.ReflectorOptions{Name: "room for " + kind})
	go reflector.RunWithContext(ctx)
}

// note remembers why a kind cannot be read; nil is that it can.
func (w *roomWatch) note(kind string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		delete(w.problems, kind)
		return
	}
	since := w.clock.Now()
	if known, is := w.problems[kind]; is {
		since = known.since
	}
	w.problems[kind] = problem{err: say(err, "%s", unreadable(kind, err)), since: since}
	close(w.news)
	w.news = make(chan struct{})
}

// wait until all is known.
func (w *roomWatch) wait(ctx context.Context) error {
	for _, synced := range w.synced {
		w.mu.Lock()
		news, err := w.news, w.problem(0)
		w.mu.Unlock()
		select {
		case <-synced:
			continue
		default:
		}
		if err != nil {
			return err
		}
		select {
		case <-synced:
		case <-news:
			w.mu.Lock()
			err := w.problem(0)
			w.mu.Unlock()
			if err != nil {
				return err
			}
		case <-w.stopped:
			return errNobodyAsks
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// problem says why kinds cannot be read, if one of them could not for so long; the caller holds the lock.
func (w *roomWatch) problem(long time.Duration) error {
	for _, p := range w.problems {
		if !w.clock.Now().Before(p.since.Add(long)) {
			return p.err
		}
	}
	return nil
}

// lacks says about nodes, in their order, what finds no room if they leave, until one may go. What is known from before the API server
// could not be read is good for as long as any other answer.
func (w *roomWatch) lacks(ctx context.Context, query model.GateQuery, selector selectors.Pods) (map[string]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.problem(Interval); err != nil {
		return nil, err
	}
	room := w.cluster.Room(leaving(query))
	lacks := map[string]string{}
	for _, node := range query.Nodes {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		lacks[node] = room.Lack(node, selector)
		if lacks[node] == "" {
			break
		}
	}
	return lacks, nil
}

// roomStore is where a reflector puts what is kept.
type roomStore[T, K runtime.Object] struct {
	project func(T) K
	set     func(K)
	remove  func(namespace, name string)
	replace func([]K)
	mu      sync.Locker
	synced  func()
}

// Transformer implements cache.TransformingStore.
func (s *roomStore[T, K]) Transformer() cache.TransformFunc {
	return func(object any) (any, error) {
		if whole, is := object.(T); is {
			return s.project(whole), nil
		}
		return object, nil
	}
}

// Add implements cache.ReflectorStore.
func (s *roomStore[T, K]) Add(object any) error {
	kept, is := s.keep(object)
	if !is {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(kept)
	return nil
}

func (s *roomStore[T, K]) keep(object any) (K, bool) {
	if whole, is := object.(T); is {
		return s.project(whole), true
	}
	kept, is := object.(K)
	return kept, is
}

// Update implements cache.ReflectorStore.
func (s *roomStore[T, K]) Update(object any) error { return s.Add(object) }

// Delete implements cache.ReflectorStore.
func (s *roomStore[T, K]) Delete(object any) error {
	gone, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(gone.GetNamespace(), gone.GetName())
	return nil
}

// Replace implements cache.ReflectorStore.
func (s *roomStore[T, K]) Replace(objects []any, _ string) error {
	all := make([]K, 0, len(objects))
	for _, object := range objects {
		if kept, is := s.keep(object); is {
			all = append(all, kept)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replace(all)
	s.synced()
	return nil
}

// Resync implements cache.ReflectorStore. There is nothing to send again.
func (*roomStore[T, K]) Resync() error { return nil }
