package helper

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

func TestMain(m *testing.M) {
	// The default handlers slow errors down by a clock that is outside of every bubble.
	utilruntime.ErrorHandlers = nil
	code := m.Run()
	stopAPIServer()
	os.Exit(code)
}

// shared is a value that the test and the helper use.
type shared[T any] struct {
	mu    sync.Mutex
	value T
}

func (s *shared[T]) get() T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value
}

func (s *shared[T]) set(value T) {
	s.edit(func(v *T) { *v = value })
}

func (s *shared[T]) edit(change func(*T)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.value)
}

// pass lets the bubble's clock run for d, then waits until everything that follows from it is done. Nothing sleeps for real.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

type list interface {
	runtime.Object
	metav1.ListInterface
}

// fakeStore is an API server for one kind of object: it has resource versions, and watches that begin with what there is.
type fakeStore[T object] struct {
	newList  func() list
	mu       sync.Mutex
	version  int
	objects  map[string]T
	watchers map[*watch.RaceFreeFakeWatcher]bool
	watchErr error
	// held are events that watchers get later.
	held    []func()
	holding bool
}

func newFakeStore[T object](newList func() list) *fakeStore[T] {
	return &fakeStore[T]{newList: newList, objects: map[string]T{}, watchers: map[*watch.RaceFreeFakeWatcher]bool{}}
}

func (s *fakeStore[T]) ListWithContext(context.Context, metav1.ListOptions) (runtime.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchErr != nil {
		return nil, s.watchErr
	}
	items := make([]runtime.Object, 0, len(s.objects))
	for _, o := range s.objects {
		items = append(items, o.DeepCopyObject())
	}
	list := s.newList()
	list.SetResourceVersion(strconv.Itoa(s.version + 1))
	return list, meta.SetList(list, items)
}

func (s *fakeStore[T]) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchErr != nil {
		return nil, s.watchErr
	}
	w := watch.NewRaceFreeFake()
	if options.SendInitialEvents != nil && *options.SendInitialEvents {
		for _, o := range s.objects {
			w.Add(o.DeepCopyObject())
		}
		w.Action(watch.Bookmark, s.bookmark())
	}
	s.watchers[w] = true
	context.AfterFunc(ctx, func() { s.forget(w) })
	return w, nil
}

// bookmark marks the end of what there is.
func (s *fakeStore[T]) bookmark() runtime.Object {
	var o object
	switch any(*new(T)).(type) {
	case *corev1.Pod:
		o = &corev1.Pod{}
	default:
		o = &v1alpha1.NodeReboot{}
	}
	o.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	o.SetResourceVersion(strconv.Itoa(s.version + 1))
	return o
}

func (s *fakeStore[T]) forget(w *watch.RaceFreeFakeWatcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, w)
}

// breakWatches ends all watches, as a connection that breaks does, and makes new ones fail with err.
func (s *fakeStore[T]) breakWatches(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchErr = err
	for w := range s.watchers {
		w.Stop()
		delete(s.watchers, w)
	}
}

func (s *fakeStore[T]) put(o T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.putLocked(o)
}

func (s *fakeStore[T]) putLocked(o T) T {
	s.version++
	o = o.DeepCopyObject().(T)
	o.SetResourceVersion(strconv.Itoa(s.version))
	_, existed := s.objects[o.GetName()]
	s.objects[o.GetName()] = o
	event := watch.Added
	if existed {
		event = watch.Modified
	}
	s.send(event, o)
	return o
}

func (s *fakeStore[T]) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects[name]
	delete(s.objects, name)
	s.send(watch.Deleted, o)
}

// replace puts an object in the place of another one with its name. Watchers learn of the new one first: else what they do in between
// depends on how fast they are.
func (s *fakeStore[T]) replace(o T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.objects[o.GetName()]
	delete(s.objects, o.GetName())
	s.putLocked(o)
	s.send(watch.Deleted, old)
}

func (s *fakeStore[T]) send(event watch.EventType, o T) {
	for w := range s.watchers {
		deliver := func() { w.Action(event, o.DeepCopyObject()) }
		if s.holding {
			s.held = append(s.held, deliver)
			continue
		}
		deliver()
	}
}

// hold keeps events from the watchers until it is called with false.
func (s *fakeStore[T]) hold(holding bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = holding
	if holding {
		return
	}
	for _, deliver := range s.held {
		deliver()
	}
	s.held = nil
}

func (s *fakeStore[T]) get(name string) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[name]
	return o, ok
}

// edit changes an object as another client would.
func (s *fakeStore[T]) edit(t *testing.T, name string, change func(T)) {
	t.Helper()
	o, ok := s.get(name)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	o = o.DeepCopyObject().(T)
	change(o)
	s.put(o)
}

// fakeReboots is the API of NodeReboots.
type fakeReboots struct {
	reporting sync.Mutex // of two reports on one version, one is made
	*fakeStore[*v1alpha1.NodeReboot]
	writes atomic.Int32
	// finds is how often a NodeReboot was looked for, and onFind runs before.
	finds  atomic.Int32
	onFind shared[func() error]
	// others are NodeReboots of other nodes, by name: the helper's watch does not bring them.
	others shared[map[string]*v1alpha1.NodeReboot]
	// onCreate runs before a NodeReboot is made.
	onCreate shared[func(reboot *v1alpha1.NodeReboot) error]
	// onReport runs before a report is written, afterReport when it was.
	onReport    shared[func(report *v1alpha1.HelperReport) error]
	afterReport shared[func(report *v1alpha1.HelperReport)]
}

var rebootResource = schema.GroupResource{Group: "reboot-operator.io", Resource: "nodereboots"}

func (f *fakeReboots) Create(_ context.Context, reboot *v1alpha1.NodeReboot) error {
	f.writes.Add(1)
	if onCreate := f.onCreate.get(); onCreate != nil {
		if err := onCreate(reboot); err != nil {
			return err
		}
	}
	if _, exists := f.find(reboot.Name); exists {
		return apierrors.NewAlreadyExists(rebootResource, reboot.Name)
	}
	reboot = reboot.DeepCopy()
	reboot.UID = "uid-" + "made"
	f.put(reboot)
	return nil
}

func (f *fakeReboots) Find(_ context.Context, name string) (*v1alpha1.NodeReboot, error) {
	f.finds.Add(1)
	if onFind := f.onFind.get(); onFind != nil {
		if err := onFind(); err != nil {
			return nil, err
		}
	}
	found, _ := f.find(name)
	return found, nil
}

func (f *fakeReboots) find(name string) (*v1alpha1.NodeReboot, bool) {
	if other := f.others.get()[name]; other != nil {
		return other, true
	}
	return f.get(name)
}

func (f *fakeReboots) Report(_ context.Context, reboot *v1alpha1.NodeReboot, report *v1alpha1.HelperReport) (string, error) {
	if onReport := f.onReport.get(); onReport != nil {
		if err := onReport(report); err != nil {
			return "", err
		}
	}
	if f.writes.Add(1) > 10_000 {
		panic("helpers write over each other's reports for ever") // without a pause, so no test would end
	}
	f.reporting.Lock()
	defer f.reporting.Unlock()
	stored, ok := f.get(reboot.Name)
	if !ok {
		return "", apierrors.NewNotFound(rebootResource, reboot.Name)
	}
	if stored.ResourceVersion != reboot.ResourceVersion {
		return "", apierrors.NewConflict(rebootResource, reboot.Name, errors.New("the object has been modified"))
	}
	stored = stored.DeepCopy()
	stored.Status.Report = report.DeepCopy()
	stored = f.put(stored)
	if afterReport := f.afterReport.get(); afterReport != nil {
		afterReport(report)
	}
	return stored.ResourceVersion, nil
}

// fakePods is the API of a node's pods. Evictions are accepted, and the pod is gone at once, unless refuse says otherwise, or keep, with
// which it has an hour to end.
type fakePods struct {
	*fakeStore[*corev1.Pod]
	mu         sync.Mutex
	asked      []string
	refuse     map[string]error
	daemonSets map[string]error
	grace      shared[[]*int64]
	keep       atomic.Bool
	lookups    atomic.Int32
	// onEvict runs when an eviction was accepted, before it is answered.
	onEvict shared[func(pod *corev1.Pod)]
}

func newFakePods(pods ...*corev1.Pod) *fakePods {
	f := &fakePods{
		fakeStore:  newFakeStore[*corev1.Pod](func() list { return &corev1.PodList{} }),
		refuse:     map[string]error{},
		daemonSets: map[string]error{},
	}
	for _, pod := range pods {
		f.put(pod)
	}
	return f
}

// Pods implements podAPI.
func (f *fakePods) Pods(func(*corev1.Pod) *corev1.Pod) toolscache.ListerWatcherWithContext {
	return f.fakeStore
}

func (f *fakePods) Evict(_ context.Context, pod *corev1.Pod, grace *int64) error {
	f.mu.Lock()
	f.asked = append(f.asked, pod.Name)
	f.grace.edit(func(g *[]*int64) { *g = append(*g, grace) })
	err := f.refuse[pod.Name]
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if f.keep.Load() {
		pod = pod.DeepCopy()
		terminating(time.Now().Add(time.Hour))(pod)
		f.put(pod)
	} else {
		f.remove(pod.Name)
	}
	if onEvict := f.onEvict.get(); onEvict != nil {
		onEvict(pod)
	}
	return nil
}

// allow lets the eviction of a pod pass from now on.
func (f *fakePods) allow(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.refuse, name)
}

// takeAsked returns the pods whose eviction was asked for since it was called last.
func (f *fakePods) takeAsked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	slices.Sort(asked)
	return asked
}

func (f *fakePods) DaemonSetExists(_ context.Context, _, name string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lookups.Add(1)
	err, ok := f.daemonSets[name]
	return ok && err == nil, err
}

// fakeHost counts reboots.
type fakeHost struct {
	mu      sync.Mutex
	bootID  string
	methods []v1alpha1.RebootMethod
	// onReboot is what the host does about an order to reboot, other than accepting it.
	onReboot shared[func() error]
	obstacle shared[string]
	kind     shared[v1alpha1.ObstacleKind]
	about    shared[HostDescription]
	via      shared[string]
	// asked are the paths by which it was ordered to reboot.
	asked shared[[]string]
	// slow: the host does not say what is in the way of a reboot.
	slow atomic.Bool
}

func (h *fakeHost) BootID() (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bootID == "" {
		return "", errors.New("no /proc")
	}
	return h.bootID, nil
}

func (h *fakeHost) setBootID(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bootID = id
}

func (h *fakeHost) BootTime() (time.Time, error) {
	return bootedAt.Time, nil
}

func (h *fakeHost) Methods(ctx context.Context) []v1alpha1.MethodReport {
	if h.slow.Load() {
		<-ctx.Done()
	}
	return []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind, Obstacle: h.obstacle.get(), Kind: h.kind.get()}}
}

func (h *fakeHost) Describe(context.Context) HostDescription { return h.about.get() }

func (h *fakeHost) Reboot(_ context.Context, bootID string, order rebooter.Order) (via string, err error) {
	if running, _ := h.BootID(); bootID != running {
		return "", errors.New("the order is about another boot")
	}
	h.mu.Lock()
	h.methods = append(h.methods, v1alpha1.RebootMethod(order.Method))
	h.mu.Unlock()
	h.asked.edit(func(paths *[]string) { *paths = append(*paths, order.Via) })
	if onReboot := h.onReboot.get(); onReboot != nil {
		return h.via.get(), onReboot()
	}
	return h.via.get(), nil
}

// reboots returns the methods by which the host was ordered to reboot.
func (h *fakeHost) reboots() []v1alpha1.RebootMethod {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.methods)
}

// fakeSentinel says what a test has it say.
type fakeSentinel struct {
	mu      sync.Mutex
	reading reading
	changes chan struct{}
}

func newFakeSentinel(state v1alpha1.SentinelState) *fakeSentinel {
	return &fakeSentinel{reading: reading{state: state, message: "libc6"}, changes: make(chan struct{}, 1)}
}

func (s *fakeSentinel) Check(context.Context) (v1alpha1.SentinelState, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reading.state, s.reading.message
}

func (s *fakeSentinel) Changes() <-chan struct{} { return s.changes }

func (s *fakeSentinel) set(state v1alpha1.SentinelState, hint bool) {
	s.mu.Lock()
	s.reading.state = state
	s.mu.Unlock()
	if hint {
		s.changes <- struct{}{}
	}
}
