package controllers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func newReconciler(w *world, pods podWatcher) *reconciler {
	e, _ := newExecutor(w)
	reader := newReader(w, pods)
	reader.slotsKnown = e.slotsKnown
	return &reconciler{
		clock:    clocktesting.NewFakePassiveClock(testNow),
		reader:   reader,
		executor: e, numbers: e.numbers, limiter: newRetryLimiter(),
	}
}

// fleet is a policy and nodes with a helper that need a reboot.
func fleet(mode v1alpha1.Mode, nodes ...string) []client.Object {
	policy := newPolicy("p")
	policy.Spec = v1alpha1.RebootPolicySpec{
		Approval: v1alpha1.Ignore, Gates: v1alpha1.GatesSpec{Capacity: v1alpha1.Ignore},
		Mode: mode, Nodes: v1alpha1.NodesAll, Taint: v1alpha1.TaintSpec{Effect: v1alpha1.TaintPreferNoSchedule},
		Rollout: v1alpha1.RolloutSpec{MaxUnavailable: ptr.To(intstr.FromInt32(1))},
		Drain:   v1alpha1.DrainSpec{TimeoutSeconds: ptr.To[int32](600)},
		Failure: v1alpha1.FailureSpec{MaxFailures: ptr.To(intstr.FromInt32(1)), MaxAttempts: ptr.To[int32](3)},
	}
	objects := []client.Object{policy}
	for _, node := range nodes {
		helper := newPod("helper-"+node, labeled(componentLabel, helperComponent), ready(corev1.ConditionTrue, testNow))
		helper.Namespace, helper.Spec.NodeName = testNamespace, node
		objects = append(objects, newNode(node), newReboot("r"+node, node, able), helper)
	}
	return objects
}

func TestReconcileTriesAgainSoonAndQuietlyAfterAConflictAndRestsWhenAllIsWritten(t *testing.T) {
	w := newWorld(t, fleet(v1alpha1.ModePaused, "a")...)
	conflicts := 2
	w.refuse = func(write string) error {
		if write == "patch Node a" && conflicts > 0 {
			conflicts--
			return apierrors.NewConflict(schema.GroupResource{}, "a", errors.New("changed"))
		}
		return nil
	}
	r := newReconciler(w, &fakePods{})
	for i, want := range []any{firstRetry, 2 * firstRetry} {
		result, err := r.Reconcile(t.Context(), clusterKey)
		if err != nil || result.RequeueAfter != want {
			t.Errorf("pass %d: again after %s, error %v; want %s and no error", i, result.RequeueAfter, err, want)
		}
	}
	// That a reboot is planned is a condition of the node after a minute.
	if result, err := r.Reconcile(t.Context(), clusterKey); err != nil || result.RequeueAfter != time.Minute {
		t.Errorf("again after %s, error %v; want rest for a minute", result.RequeueAfter, err)
	}
	if len(w.node(t, "a").Spec.Taints) != 1 {
		t.Errorf("taints %v", w.node(t, "a").Spec.Taints)
	}
	w.writes = nil
	if _, err := r.Reconcile(t.Context(), clusterKey); err != nil || len(w.writes) > 0 {
		t.Errorf("a pass over what is as it should be: error %v, writes %v", err, w.writes)
	}
	if again := r.limiter.afterStale(clusterKey); again != firstRetry {
		t.Errorf("the next conflict waits %s, want %s again", again, firstRetry)
	}
}

// A need that was withdrawn may come back when everything else is at rest, and another manager wrote the slots object in the meantime.
func TestWhatIsRememberedOfTheSlotsObjectIsReadAgainWhenItTurnsOutToBeOld(t *testing.T) {
	objects := append(fleet(v1alpha1.ModeEnforce, "a"),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: v1alpha1.SlotsName}})
	for _, object := range objects {
		if reboot, ok := object.(*v1alpha1.NodeReboot); ok {
			reboot.Status = v1alpha1.NodeRebootStatus{
				NodeUID: "uid-a", Before: &v1alpha1.BootInfo{BootID: "boot-1"},
				Outcome: v1alpha1.OutcomeCancelled, OutcomeReason: v1alpha1.ReasonNeedWithdrawn, CompletionTime: ptr.To(metav1.NewMicroTime(testNow)),
				Report: &v1alpha1.HelperReport{
					Protocol: v1alpha1.ProtocolLevel, BootID: "boot-1", Sentinel: v1alpha1.SentinelRequired, Methods: byLogind,
				},
			}
		}
	}
	for name, unread := range map[string]error{"all is read": nil, "the pods of another node are not": errors.New("no pods")} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, objects...)
			r := newReconciler(w, &fakePods{pods: map[string][]*corev1.Pod{"a": nil}, err: unread})
			r.reader.slotsKnown.known = true
			for range 3 {
				if _, err := r.Reconcile(t.Context(), clusterKey); err != nil && !errors.Is(err, unread) {
					t.Fatal(err)
				}
			}
			if reboot := w.reboot(t, "ra"); reboot.Status.Phase != v1alpha1.PhaseDraining {
				t.Errorf("phase %s, reason %s: want a reboot that was started", reboot.Status.Phase, reboot.Status.Reason)
			}
		})
	}
}

// A cordon without its attempt may be a leftover, or that of an attempt that this manager has not seen yet: the slots object says which.
func TestACordonIsTakenForALeftoverOnlyAfterALiveReadOfTheSlotsObject(t *testing.T) {
	for name, test := range map[string]struct {
		slot string
		want bool
	}{
		"another manager has granted the slot": {`{"nodeReboot":"ra","uid":"uid-ra","attempt":1}`, true},
		"no one has":                           {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			slots := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: v1alpha1.SlotsName}}
			if test.slot != "" {
				slots.Data = map[string]string{"a": test.slot}
			}
			cordoned := newNode("a", func(n *corev1.Node) {
				n.Spec.Unschedulable, n.Annotations = true, map[string]string{v1alpha1.CordonAnnotation: "uid-ra"}
			})
			w := newWorld(t, cordoned, slots)
			r := newReconciler(w, &fakePods{})
			var reads []string
			r.reader.live = liveReads(newWorld(t, slots, newReboot("ra", "a")), &reads) // the cache has not seen the NodeReboot
			r.reader.slotsKnown.known = true                                            // and there was none when this manager last looked
			for range 2 {
				if _, err := r.Reconcile(t.Context(), clusterKey); err != nil {
					t.Fatal(err)
				}
			}
			if !test.want {
				reads = slices.DeleteFunc(reads, func(name string) bool { return name != v1alpha1.SlotsName })
				if len(reads) != 1 {
					t.Errorf("%d live reads of the slots object, want one for the leftover", len(reads))
				}
			}
			if got := w.node(t, "a").Spec.Unschedulable; got != test.want {
				t.Errorf("cordoned: %t, want %t", got, test.want)
			}
		})
	}
}

func TestReconcileReturnsErrorsOfWritesAndKeepsThePlansWakeUpTime(t *testing.T) {
	w := newWorld(t, fleet(v1alpha1.ModeEnforce, "a")...)
	w.refuse = func(write string) error {
		if write == "patch status RebootPolicy p" {
			return apierrors.NewInternalError(errors.New("down"))
		}
		return nil
	}
	r := newReconciler(w, &fakePods{pods: map[string][]*corev1.Pod{"a": {}}})
	if _, err := r.Reconcile(t.Context(), clusterKey); err == nil {
		t.Error("no error")
	}
	if wake := r.limiter.wake.Load(); wake <= 0 {
		t.Error("the wake-up time at the end of the drain was forgotten")
	}
}

func TestReconcileReturnsErrorsOfReads(t *testing.T) {
	w := newWorld(t, fleet(v1alpha1.ModePaused, "a")...)
	base, _ := w.Client.(client.WithWatch)
	r := newReconciler(w, &fakePods{})
	r.reader.live = interceptor.NewClient(base, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return apierrors.NewInternalError(errors.New("down"))
		},
	})
	if _, err := r.Reconcile(t.Context(), clusterKey); err == nil || !strings.Contains(err.Error(), "slots") || len(w.writes) > 0 {
		t.Errorf("error %v, writes %v; want one about the slots and no writes", err, w.writes)
	}
}

func TestAPassThatEndsBecauseTheManagerStopsIsNoError(t *testing.T) {
	for name, test := range map[string]struct {
		// ends is why the context of the pass ends.
		ends    error
		wantErr bool
	}{
		"the manager stops":   {context.Canceled, false},
		"the pass takes long": {context.DeadlineExceeded, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fleet(v1alpha1.ModePaused, "a")...)
			base, _ := w.Client.(client.WithWatch)
			r := newReconciler(w, &fakePods{})
			ctx := &endingContext{Context: t.Context()}
			r.reader.live = interceptor.NewClient(base, interceptor.Funcs{
				Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
					ctx.ended = test.ends
					return test.ends
				},
			})
			if result, err := r.Reconcile(ctx, clusterKey); (err != nil) != test.wantErr || result.RequeueAfter != 0 {
				t.Errorf("result %+v, error %v, want one: %t", result, err, test.wantErr)
			}
		})
	}
}

// endingContext has ended once it has an error.
type endingContext struct {
	context.Context
	ended error
}

func (c *endingContext) Err() error { return c.ended }

func TestReconcileForgetsTheNumbersOfAPolicyThatIsGone(t *testing.T) {
	w := newWorld(t, newPolicy("p"))
	r := newReconciler(w, &fakePods{})
	r.numbers.reboots.WithLabelValues("p", "Succeeded", "Proved").Inc()
	for _, want := range []bool{true, false} {
		if _, err := r.Reconcile(t.Context(), clusterKey); err != nil {
			t.Fatal(err)
		}
		if got := testutil.CollectAndCount(r.numbers.reboots) > 0; got != want {
			t.Errorf("has counters: %t, want %t", got, want)
		}
		if err := w.Delete(t.Context(), newPolicy("p")); client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
	}
}

func TestReconcileReadsThePodsThatAPlanAsksForWithinThePass(t *testing.T) {
	w := newWorld(t, fleet(v1alpha1.ModeEnforce, "a", "b")...)
	pods := &fakePods{pods: map[string][]*corev1.Pod{"a": {}, "b": {}}}
	r := newReconciler(w, pods)
	if _, err := r.Reconcile(t.Context(), clusterKey); err != nil {
		t.Fatal(err)
	}
	order := w.reboot(t, "ra").Status.Order
	if order == nil || order.Action != v1alpha1.ActionDrain {
		t.Errorf("order %v, want a drain", order)
	}
	if len(pods.kept) > 0 {
		t.Errorf("pods of %v are still known", pods.kept)
	}
}

func TestReconcileStartsNothingWithoutThePodsAndDoesTheRest(t *testing.T) {
	w := newWorld(t, fleet(v1alpha1.ModeEnforce, "a")...)
	unread := errors.New("no pods")
	r := newReconciler(w, &fakePods{err: unread})
	if _, err := r.Reconcile(t.Context(), clusterKey); !errors.Is(err, unread) {
		t.Errorf("error %v, want that of the pods", err)
	}
	node := w.node(t, "a")
	if node.Spec.Unschedulable || len(node.Spec.Taints) != 1 {
		t.Errorf("cordoned %t, taints %v; want the taint alone", node.Spec.Unschedulable, node.Spec.Taints)
	}
}

// The next leader makes the plan again, and finds everything as it was.
func TestNothingOfAPlanIsCarriedOutWithWhichTheLeadIsHandedOver(t *testing.T) {
	managerOn := func(node string) *corev1.Pod {
		pod := newPod("manager-"+node, labeled(componentLabel, v1alpha1.ManagerComponent), ready(corev1.ConditionTrue, testNow))
		pod.Namespace, pod.Spec.NodeName = testNamespace, node
		return pod
	}
	objects := append(fleet(v1alpha1.ModeEnforce, "a"), newNode("b"), managerOn("a"), managerOn("b"))
	for name, test := range map[string]struct {
		leader   string
		handOver func() bool
		carried  bool
	}{
		"it is":                     {leader: "a", handOver: func() bool { return true }},
		"it cannot be":              {leader: "a", handOver: func() bool { return false }, carried: true},
		"nobody could":              {leader: "a", carried: true},
		"the leader is not touched": {leader: "b", handOver: func() bool { panic("asked for nothing") }, carried: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, objects...)
			r := newReconciler(w, &fakePods{pods: map[string][]*corev1.Pod{"a": {}}})
			r.reader.leaderNode, r.handOver = test.leader, test.handOver
			for range 3 {
				if _, err := r.Reconcile(t.Context(), clusterKey); err != nil {
					t.Fatal(err)
				}
				r.clock = clocktesting.NewFakePassiveClock(r.clock.Now().Add(10 * time.Second)) // a node with a manager waits for others
			}
			status := w.reboot(t, "ra").Status
			if ordered := status.Order != nil; ordered != test.carried || w.node(t, "a").Spec.Unschedulable != test.carried {
				t.Errorf("ordered: %t, cordoned: %t, reason %s; want %t", ordered, w.node(t, "a").Spec.Unschedulable, status.Reason, test.carried)
			}
		})
	}
}

func TestAQuestionIsAskedOncePerPassUnlessItIsAboutOtherNodes(t *testing.T) {
	calm := model.GateKey{Kind: model.GatePrometheus, Gate: "calm"}
	room := func(nodes ...string) model.GateQuery {
		return model.GateQuery{GateKey: model.GateKey{Kind: model.GateCapacity, Policy: "p"}, Nodes: nodes}
	}
	asked := map[model.GateKey]model.GateQuery{}
	for i, step := range []struct {
		asks []model.GateQuery
		want bool
	}{
		{nil, false},
		{[]model.GateQuery{{GateKey: calm}}, true},
		{[]model.GateQuery{{GateKey: calm}}, false},
		{[]model.GateQuery{{GateKey: calm}, room("a")}, true},
		{[]model.GateQuery{room("a")}, false},
		{[]model.GateQuery{{GateKey: calm}, room("a", "b")}, true},
		{[]model.GateQuery{room("a", "b"), {GateKey: calm}}, false},
	} {
		if got := news(asked, step.asks); got != step.want {
			t.Errorf("step %d: something new is asked: %t, want %t", i, got, step.want)
		}
	}
	if got := asked[room().GateKey].Nodes; len(asked) != 2 || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("asked was %v", asked)
	}
}
