package helper

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
)

// watchTimeout is for how long at least the API server is asked to serve a watch, and up to twice as long: as long as it does unless asked.
// The timeout of client-go is a sixth of it, which makes thousands of idle nodes open many watches.
const watchTimeout = 30 * time.Minute

// object is a pointer to an API type.
type object interface {
	runtime.Object
	metav1.Object
}

// mirror holds the objects that a watch sees, by UID: an object that was deleted and made again under the same name is another one. It is
// filled by a client-go reflector, which recovers from watches that expire and connections that break.
type mirror[T object] struct {
	// changed has a value when something changed since it was last received from.
	changed chan struct{}
	// slim reduces an object to what is kept of it; nil keeps all of it. The objects of other people may be large.
	slim func(T) T
	// spread waits a while before all objects are read again; nil waits for nothing.
	spread func(ctx context.Context)

	mu      sync.Mutex
	objects map[types.UID]T
	synced  bool
	err     error
}

func newMirror[T object]() *mirror[T] {
	return &mirror[T]{changed: make(chan struct{}, 1), objects: map[types.UID]T{}}
}

// run fills the mirror until ctx ends.
func (m *mirror[T]) run(ctx context.Context, log logr.Logger, source toolscache.ListerWatcherWithContext, example T) {
	reflector := toolscache.NewReflectorWithOptions(&toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			m.spreadOut(ctx)
			list, err := source.ListWithContext(ctx, options)
			return list, m.noteError("list", err)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			if options.SendInitialEvents != nil && *options.SendInitialEvents {
				m.spreadOut(ctx)
			}
			events, err := source.WatchWithContext(ctx, options)
			return events, m.noteError("watch", err)
		},
	}, example, m, toolscache.ReflectorOptions{Logger: &log, MinWatchTimeout: watchTimeout})
	reflector.RunWithContext(logr.NewContext(ctx, log))
}

// spreadOut waits before objects that were known are read again. All helpers lose their watches at the same time when an API server
// restarts, and each such read looks at the NodeReboots of all nodes.
func (m *mirror[T]) spreadOut(ctx context.Context) {
	m.mu.Lock()
	again := m.synced
	m.mu.Unlock()
	if again && m.spread != nil {
		m.spread(ctx)
	}
}

// spreadOf a node is the same each time, and evenly distributed over all nodes.
func spreadOf(nodeName string) time.Duration {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(nodeName))
	return time.Duration(sum.Sum64() % uint64(maxSpread))
}

// ofNode limits a list or watch to one node's objects, on the server.
func ofNode(nodeName string) fields.Selector {
	return fields.OneTermEqualSelector("spec.nodeName", nodeName)
}

func (m *mirror[T]) noteError(verb string, err error) error {
	m.mu.Lock()
	changed := (m.err == nil) != (err == nil)
	m.err = nil
	if err != nil {
		m.err = fmt.Errorf("%s: %w", verb, err)
	}
	m.mu.Unlock()
	if changed {
		m.notify()
	}
	return err
}

// snapshot returns the objects, which must not be changed, and whether they are complete. The error is that of the last request.
func (m *mirror[T]) snapshot() (objects map[types.UID]T, synced bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	objects = make(map[types.UID]T, len(m.objects))
	for uid, o := range m.objects {
		objects[uid] = o
	}
	return objects, m.synced, m.err
}

func (m *mirror[T]) notify() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// keep is what is kept of an object. What was kept of it before stays the same.
func (m *mirror[T]) keep(o T) T {
	if m.slim != nil {
		return m.slim(o)
	}
	o.SetManagedFields(nil)
	return o
}

// Transformer implements toolscache.TransformingStore: the reflector holds no first list of whole objects.
func (m *mirror[T]) Transformer() toolscache.TransformFunc {
	return func(obj any) (any, error) {
		if o, ok := obj.(T); ok {
			return m.keep(o), nil
		}
		return obj, nil
	}
}

// Add implements toolscache.ReflectorStore.
func (m *mirror[T]) Add(obj any) error {
	o, ok := obj.(T)
	if !ok {
		return fmt.Errorf("unexpected object %T", obj)
	}
	o = m.keep(o)
	m.mu.Lock()
	m.objects[o.GetUID()] = o
	m.mu.Unlock()
	m.notify()
	return nil
}

// Update implements toolscache.ReflectorStore.
func (m *mirror[T]) Update(obj any) error {
	return m.Add(obj)
}

// Delete implements toolscache.ReflectorStore.
func (m *mirror[T]) Delete(obj any) error {
	o, ok := obj.(T)
	if !ok {
		return fmt.Errorf("unexpected object %T", obj)
	}
	m.mu.Lock()
	delete(m.objects, o.GetUID())
	m.mu.Unlock()
	m.notify()
	return nil
}

// Replace implements toolscache.ReflectorStore.
func (m *mirror[T]) Replace(list []any, _ string) error {
	objects := make(map[types.UID]T, len(list))
	for _, obj := range list {
		o, ok := obj.(T)
		if !ok {
			return fmt.Errorf("unexpected object %T", obj)
		}
		objects[o.GetUID()] = m.keep(o)
	}
	m.mu.Lock()
	m.objects, m.synced = objects, true
	m.mu.Unlock()
	m.notify()
	return nil
}

// Resync implements toolscache.ReflectorStore.
func (m *mirror[T]) Resync() error {
	return nil
}
