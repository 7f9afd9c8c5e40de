//go:build linux

package controllers

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	crcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// heldCache is a cache that holds objects as an informer does.
type heldCache struct {
	crcache.Informers
	stores map[string]cache.Store
	// unreadable is the kind of list that fails; empty if none does.
	unreadable string
}

type heldInformer struct {
	cache.SharedIndexInformer
	store cache.Store
}

func (i heldInformer) GetStore() cache.Store { return i.store }

func kindOf(object any) string { return fmt.Sprintf("%T", object) }

func (c *heldCache) add(object client.Object) {
	kind := kindOf(object)
	if c.stores[kind] == nil {
		c.stores[kind] = cache.NewStore(cache.MetaNamespaceKeyFunc)
	}
	_ = c.stores[kind].Add(object)
}

func (c *heldCache) GetInformer(_ context.Context, object client.Object, _ ...crcache.InformerGetOption) (crcache.Informer, error) {
	store := c.stores[kindOf(object)]
	if store == nil {
		store = cache.NewStore(cache.MetaNamespaceKeyFunc)
	}
	return heldInformer{store: store}, nil
}

// List does what the cache of a manager does, with a copy of each object into the list.
func (c *heldCache) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	if c.unreadable == kindOf(list) {
		return apierrors.NewInternalError(fmt.Errorf("%s cannot be read", c.unreadable))
	}
	wanted := (&client.ListOptions{}).ApplyOptions(options)
	store := c.stores[kindOf(list)[:len(kindOf(list))-len("List")]]
	if store == nil {
		return nil
	}
	var objects []kruntime.Object
	for _, object := range store.List() {
		held, is := object.(client.Object)
		if is && (wanted.Namespace == "" || held.GetNamespace() == wanted.Namespace) &&
			(wanted.LabelSelector == nil || wanted.LabelSelector.Matches(labels.Set(held.GetLabels()))) {
			objects = append(objects, held)
		}
	}
	return meta.SetList(list, objects)
}

// Get finds pods.
func (c *heldCache) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	if pod, is := object.(*corev1.Pod); is {
		held, exists, _ := c.stores[kindOf(object)].GetByKey(key.String())
		if held, is := held.(*corev1.Pod); is && exists {
			held.DeepCopyInto(pod)
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

// bigHeldCluster has finished NodeReboots for each node, and one that waits if nodes are to be rebooted.
func bigHeldCluster(nodes int, needed bool) *heldCache {
	c := &heldCache{stores: map[string]cache.Store{}}
	policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "p", Generation: 1}, Spec: v1alpha1.RebootPolicySpec{
		Mode: v1alpha1.ModeEnforce, Nodes: v1alpha1.NodesAll, Taint: v1alpha1.TaintSpec{Effect: v1alpha1.TaintPreferNoSchedule},
		Rollout: v1alpha1.RolloutSpec{
			MaxUnavailable: ptr.To(intstr.FromString("2%")),
			Zones:          v1alpha1.ZonesSpec{TopologyKey: corev1.LabelTopologyZone, Strategy: v1alpha1.ZonesOneAtATime},
		},
		Approval: v1alpha1.Ignore, Schedule: v1alpha1.ScheduleSpec{TimeZone: "UTC"},
		History: v1alpha1.HistorySpec{Succeeded: ptr.To[int32](3), Failed: ptr.To[int32](3)},
	}}
	c.add(policy)
	for i := range nodes {
		name := fmt.Sprintf("node-%05d", i)
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{
			corev1.LabelTopologyZone: fmt.Sprintf("zone-%d", i%3),
		}}}
		for j := range 18 {
			node.Labels[fmt.Sprintf("example.com/label-%d", j)] = "value"
		}
		node.Status.NodeInfo.BootID = "boot-1-" + name
		for _, kind := range []corev1.NodeConditionType{corev1.NodeReady, "MemoryPressure", "DiskPressure", "PIDPressure"} {
			node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: kind, Status: corev1.ConditionTrue})
		}
		c.add(node)
		helper := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: testNamespace, Name: "helper-" + name, Labels: map[string]string{componentLabel: helperComponent},
		}}
		helper.Spec.NodeName = name
		helper.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		c.add(helper)
		for number := range 6 {
			c.add(finishedOf(name, number))
		}
		if needed {
			c.add(neededOf(name))
		}
	}
	return c
}

func neededOf(node string) *v1alpha1.NodeReboot {
	return &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{
			Name: node + "-0", UID: types.UID("now-" + node), Generation: 1, CreationTimestamp: metav1.NewTime(testNow.Add(-time.Hour)),
		},
		Spec: v1alpha1.NodeRebootSpec{NodeName: node, Trigger: v1alpha1.TriggerSentinel},
		Status: v1alpha1.NodeRebootStatus{Report: &v1alpha1.HelperReport{
			Protocol: v1alpha1.ProtocolLevel, BootID: "boot-1-" + node, Sentinel: v1alpha1.SentinelRequired,
			Methods: []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind}},
		}},
	}
}

func finishedOf(node string, number int) *v1alpha1.NodeReboot {
	ended := metav1.NewMicroTime(testNow.Add(-time.Duration(number+1) * 7 * 24 * time.Hour))
	r := neededOf(node)
	r.Name, r.UID = fmt.Sprintf("%s-%x", node, number+1), types.UID(fmt.Sprintf("past-%s-%d", node, number))
	s := &r.Status
	s.Report, s.NodeUID, s.PolicyName, s.CompletionTime, s.RequiredSince = nil, node, "p", &ended, &ended
	s.Before = &v1alpha1.BootInfo{BootID: "boot-0-" + node}
	s.Outcome, s.OutcomeReason = v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved
	if number%2 == 1 {
		s.Outcome, s.OutcomeReason = v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved
	}
	s.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: ended, EndedTime: &ended, BackTime: &ended, Result: s.OutcomeReason, PolicyName: "p"}
	return r
}

// settle writes what plans change about NodeReboots, Nodes and policies, until nothing is left to write.
func (c *heldCache) settle(tb testing.TB, r *reconciler) {
	tb.Helper()
	for range 10 {
		s, err := r.reader.read(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		p, _, _ := r.plan(tb.Context(), s, testNow)
		if !c.write(s, p) {
			return
		}
	}
	tb.Fatal("there is always something to write")
}

func (c *heldCache) write(s *snapshot, p *plan.Plan) bool {
	for i := range p.Work {
		work := &p.Work[i]
		for _, change := range work.Reboots {
			object := *change.Object
			object.Status = change.Status
			c.add(&object)
		}
		if node := s.node(work.Node); node != nil && work.Patch != nil {
			patched := *node
			patched.Spec.Taints = work.Patch.Taints
			c.add(&patched)
		}
		if node := s.node(work.Node); node != nil && work.Maintenance != nil {
			held, _, _ := c.stores[kindOf(node)].Get(node)
			patched, _ := held.(*corev1.Node)
			object := *patched
			for kind, condition := range work.Maintenance {
				object.Status.Conditions = append(object.Status.Conditions[:4:4], corev1.NodeCondition{
					Type: kind, Status: corev1.ConditionTrue, Reason: condition.Reason, Message: condition.Message,
				})
			}
			c.add(&object)
		}
	}
	for _, change := range p.Policies {
		object := *change.Object
		object.Status = change.Status
		c.add(&object)
	}
	return len(p.Work)+len(p.Policies) > 0
}

func passCPU(tb testing.TB) time.Duration {
	tb.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkPass is a pass of the manager that has nothing to write, in a large cluster in which one NodeReboot is new: what it reads and
// plans, in processor time with that of the garbage collector.
func BenchmarkPass(b *testing.B) {
	for _, needed := range []bool{false, true} {
		b.Run(fmt.Sprintf("5000 nodes, 30000 finished NodeReboots, rollout %t", needed), func(b *testing.B) {
			c := bigHeldCluster(5000, needed)
			r := &reconciler{numbers: newNumbers(), limiter: newRetryLimiter(), reader: readerOf(c)}
			c.settle(b, r)
			names := c.stores["*v1alpha1.NodeReboot"].ListKeys()
			runtime.GC()
			b.ReportAllocs()
			began := passCPU(b)
			for n := 0; b.Loop(); n++ {
				held, _, _ := c.stores["*v1alpha1.NodeReboot"].GetByKey(names[n%len(names)])
				reboot, _ := held.(*v1alpha1.NodeReboot)
				again := *reboot
				c.add(&again)
				helper, _, _ := c.stores["*v1.Pod"].GetByKey(fmt.Sprintf("%s/helper-node-%05d", testNamespace, n%5000))
				pod, _ := helper.(*corev1.Pod)
				r.reader.interest.sawOwnPod(pod) // in a rollout helpers come and go
				s, err := r.reader.read(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				r.plan(b.Context(), s, testNow)
			}
			b.ReportMetric(float64(passCPU(b)-began)/1e6/float64(b.N), "cpu-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func readerOf(c *heldCache) *reader {
	r := &reader{
		cache: clientOf{c}, live: clientOf{c}, informers: c, pods: &fakePods{}, gates: noGates{}, maintenances: fakeMaintenances{},
		observed: newObserved(testClock), interest: &interest{}, namespace: testNamespace, slotsKnown: &slotsMemory{},
	}
	watches(r.interest, r.observed, nil)
	return r
}

// Plans understand a policy once for each object.
func TestAPolicyThatDidNotChangeIsTheSameObjectInTheNextPass(t *testing.T) {
	r := readerOf(bigHeldCluster(3, false))
	first, second := &snapshot{}, &snapshot{}
	for _, s := range []*snapshot{first, second} {
		if err := r.readPolicies(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if len(first.Policies) == 0 || !slices.Equal(first.Policies, second.Policies) {
		t.Errorf("one pass has the policies %p, and the next %p", first.Policies, second.Policies)
	}
}

func TestMetricsOfAnInformerAreThoseOfAList(t *testing.T) {
	held := bigHeldCluster(5, true)
	elected := make(chan struct{})
	close(elected)
	shown := func(from objectCache) string {
		t.Helper()
		c := &stateCollector{objects: from, clock: testClock, elected: elected, maxNodes: 100}
		text, err := testutil.CollectAndFormat(c, expfmt.TypeTextPlain,
			"reboot_operator_nodereboots", "reboot_operator_policy_oldest_waiting_seconds", "reboot_operator_nodes_left_out")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	listed, taken := shown(objectCache{reader: clientOf{held}}), shown(objectCache{reader: clientOf{held}, informers: held})
	if listed != taken || !strings.Contains(taken, `reboot_operator_nodereboots{phase="",policy="p",reason=""} 30`) {
		t.Errorf("of an informer:\n%s\nof a list:\n%s", taken, listed)
	}
}

// clientOf reads from a cache.
type clientOf struct{ *heldCache }
