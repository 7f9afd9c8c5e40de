package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const testNamespace = "operator"

// testClock stands still at testNow.
var testClock = clocktesting.NewFakePassiveClock(testNow)

// testNow is the instant of every test that needs one.
var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func testScheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return scheme
}

// at is testNow and some seconds.
func at(seconds int) *metav1.MicroTime {
	t := metav1.NewMicroTime(testNow.Add(time.Duration(seconds) * time.Second))
	return &t
}

type option[T any] func(T)

func newNode(name string, options ...option[*corev1.Node]) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name)}}
	node.Status.NodeInfo.BootID = "boot-1"
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	for _, o := range options {
		o(node)
	}
	return node
}

func newReboot(name, node string, options ...option[*v1alpha1.NodeReboot]) *v1alpha1.NodeReboot {
	reboot := &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(testNow)},
		Spec:       v1alpha1.NodeRebootSpec{NodeName: node},
	}
	for _, o := range options {
		o(reboot)
	}
	return reboot
}

// byLogind is what a helper says that finds nothing in the way of a reboot.
var byLogind = []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind}}

// able says that the host can reboot.
func able(r *v1alpha1.NodeReboot) {
	r.Status.Report = &v1alpha1.HelperReport{
		Protocol: v1alpha1.ProtocolLevel, BootID: "boot-1", Sentinel: v1alpha1.SentinelRequired, Methods: byLogind,
	}
}

func newPolicy(name string) *v1alpha1.RebootPolicy {
	return &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name)}}
}

// world is a fake API server that remembers what was written, in order, and can refuse.
type world struct {
	client.Client
	mu     sync.Mutex
	writes []string
	bodies map[string]string
	// refuse answers a write with an error; nil lets it through.
	refuse func(write string) error
	// refuseBody does so by what is written, if it is set.
	refuseBody func(write, body string) error
}

// newWorld has the objects, and hands back what a reader would have read.
func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	w := &world{bodies: map[string]string{}, refuse: func(string) error { return nil }}
	base := fake.NewClientBuilder().WithScheme(testScheme(t)).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.NodeReboot{}, &v1alpha1.RebootPolicy{}, &corev1.Node{}).Build()
	w.Client = interceptor.NewClient(base, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return w.write("create", o, nil, func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return w.write("update", o, nil, func() error { return c.Update(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return w.write("delete", o, nil, func() error { return deleteIfSame(ctx, c, o, opts) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return w.write("patch", o, p, func() error { return c.Patch(ctx, o, p, opts...) })
		},
		SubResourcePatch: func(
			ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption,
		) error {
			return w.write("patch "+sub, o, p, func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
	})
	return w
}

// deleteIfSame honors a precondition on the UID, which the fake client does not.
func deleteIfSame(ctx context.Context, c client.Client, o client.Object, opts []client.DeleteOption) error {
	preconditions := (&client.DeleteOptions{}).ApplyOptions(opts).Preconditions
	if preconditions != nil && preconditions.UID != nil {
		stored := &v1alpha1.NodeReboot{}
		if err := c.Get(ctx, client.ObjectKeyFromObject(o), stored); err != nil {
			return err
		}
		if stored.UID != *preconditions.UID {
			return apierrors.NewConflict(schema.GroupResource{}, o.GetName(), errors.New("another UID"))
		}
	}
	return c.Delete(ctx, o, opts...)
}

func (w *world) write(verb string, o client.Object, patch client.Patch, do func() error) error {
	kind := strings.TrimPrefix(fmt.Sprintf("%T", o), "*")
	write := fmt.Sprintf("%s %s %s", verb, kind[strings.LastIndex(kind, ".")+1:], o.GetName())
	w.mu.Lock()
	w.writes = append(w.writes, write)
	if patch != nil {
		data, err := patch.Data(o)
		if err != nil {
			w.mu.Unlock()
			return err
		}
		w.bodies[write] = string(data)
	}
	refused := w.refuse(write)
	if w.refuseBody != nil && refused == nil {
		refused = w.refuseBody(write, w.bodies[write])
	}
	w.mu.Unlock()
	if refused != nil {
		return refused
	}
	return do()
}

// read returns what a reader would read now.
func (w *world) read(t *testing.T) *snapshot {
	t.Helper()
	r := newReader(w, noPods{})
	s, err := r.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) node(t *testing.T, name string) *corev1.Node {
	t.Helper()
	node := &corev1.Node{}
	if err := w.Get(t.Context(), types.NamespacedName{Name: name}, node); err != nil {
		t.Fatal(err)
	}
	return node
}

func (w *world) reboot(t *testing.T, name string) *v1alpha1.NodeReboot {
	t.Helper()
	reboot := &v1alpha1.NodeReboot{}
	if err := w.Get(t.Context(), types.NamespacedName{Name: name}, reboot); err != nil {
		t.Fatal(err)
	}
	return reboot
}

// rebootOf is the NodeReboot of a snapshot.
func rebootOf(t *testing.T, s *snapshot, name string) *v1alpha1.NodeReboot {
	t.Helper()
	for _, reboot := range s.Reboots {
		if reboot.Name == name {
			return reboot
		}
	}
	t.Fatalf("no NodeReboot %s in the snapshot", name)
	return nil
}

// noGates has no gates to ask.
type noGates struct{}

func (noGates) Answer(context.Context, []*v1alpha1.RebootPolicy, []model.GateQuery) map[model.GateKey]model.GateAnswer {
	return nil
}

func (noGates) Keep([]*v1alpha1.RebootPolicy, []model.GateQuery) {}

func (noGates) Invalid([]*v1alpha1.RebootPolicy) map[string]string { return nil }

// noPods knows of no pods.
type noPods struct{ podWatcher }

func (noPods) nameKeys(sets.Set[string]) {}

// newReader reads from c alone; pods may be nil.
func newReader(c client.Reader, pods podWatcher) *reader {
	return &reader{
		cache: c, live: c, pods: pods, gates: noGates{}, maintenances: fakeMaintenances{}, observed: newObserved(testClock),
		interest: &interest{}, namespace: testNamespace, leaseNamespaces: []string{maintenanceLeases},
		slotsKnown: &slotsMemory{},
	}
}

// fakeMaintenances are objects by which other tools say that they maintain nodes, and kinds whose objects are not known.
type fakeMaintenances struct {
	objects []unstructured.Unstructured
	unknown []schema.GroupVersionKind
}

func (f fakeMaintenances) list(context.Context) ([]unstructured.Unstructured, []schema.GroupVersionKind, error) {
	return f.objects, f.unknown, nil
}
