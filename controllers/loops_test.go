package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/decode"
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// brokenReader reads NodeReboots of which a part cannot be read, and fails to list PodDisruptionBudgets if it has an error.
type brokenReader struct {
	client.Reader
	unreadable []string
	budgets    error
}

func (r brokenReader) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if _, is := list.(*policyv1.PodDisruptionBudgetList); is && r.budgets != nil {
		return r.budgets
	}
	err := r.Reader.List(ctx, list, opts...)
	if reboots, is := list.(*v1alpha1.NodeRebootList); is {
		for i := range reboots.Items {
			if slices.Contains(r.unreadable, reboots.Items[i].Name) {
				reboots.Items[i].Unreadable = []decode.Problem{{Path: "status.before"}}
			}
		}
	}
	return err
}

// passesIn makes the passes that follow each other within a time, and returns how many there are.
func passesIn(t *testing.T, r *reconciler, span time.Duration) (passes int) {
	t.Helper()
	clock := clocktesting.NewFakePassiveClock(testNow)
	r.clock = clock
	for now := testNow; now.Before(testNow.Add(span)); passes++ {
		clock.SetTime(now)
		result, err := r.Reconcile(t.Context(), clusterKey)
		again := result.RequeueAfter
		if err != nil {
			again = r.limiter.When(clusterKey)
		} else {
			r.limiter.Forget(clusterKey)
		}
		if again == 0 {
			return passes + 1
		}
		now = now.Add(again)
	}
	return passes
}

// maxPasses is how many passes one thing may cost that goes wrong for a minute.
const maxPasses = 40

func needsByCondition(objects []client.Object) {
	for _, object := range objects {
		switch object := object.(type) {
		case *v1alpha1.RebootPolicy:
			object.Spec.Triggers = &v1alpha1.TriggersSpec{NodeConditions: []v1alpha1.NodeConditionTrigger{{
				Type: "KernelDeadlock", Status: v1alpha1.TriggerStatus(corev1.ConditionTrue),
			}}}
		case *corev1.Node:
			object.Status.Conditions = append(object.Status.Conditions, corev1.NodeCondition{
				Type: "KernelDeadlock", Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(testNow),
			})
		}
	}
}

func deletedReboot(r *v1alpha1.NodeReboot) {
	r.Finalizers = []string{v1alpha1.Finalizer}
	r.DeletionTimestamp = ptr.To(metav1.NewTime(testNow))
}

func cancelledLongAgo(r *v1alpha1.NodeReboot) {
	r.Status.NodeUID, r.Status.Before = "uid-a", &v1alpha1.BootInfo{BootID: "boot-0"}
	r.Status.Outcome, r.Status.OutcomeReason, r.Status.CompletionTime = v1alpha1.OutcomeCancelled, v1alpha1.ReasonSuperseded, at(-90000)
}

func TestWhatIsRefusedOrCannotBeReadCausesNoHotLoop(t *testing.T) {
	webhookDown := answered(http.StatusInternalServerError, metav1.StatusReasonInternalError,
		"Internal error occurred: failed calling webhook \"guard.example.com\": connection refused")
	name := v1alpha1.NodeConditionRebootName("a", "boot-1", "KernelDeadlock")
	for what, test := range map[string]struct {
		change  func([]client.Object) []client.Object
		refused string
		err     error
		reader  brokenReader
	}{
		"a NodeReboot for a condition cannot be created": {
			change:  func(o []client.Object) []client.Object { needsByCondition(o); return o },
			refused: "create NodeReboot " + name, err: errNoCordon,
		},
		"a NodeReboot of another node has the name of one for a condition": {
			change: func(o []client.Object) []client.Object { needsByCondition(o); return append(o, newReboot(name, "b")) },
		},
		"a report about what cannot be read is refused":    {refused: "patch status NodeReboot rb", err: errNoCordon},
		"a report about what cannot be read is not called": {refused: "patch status NodeReboot rb", err: webhookDown},
		"a finalizer of what cannot be read cannot be removed": {
			change: func(o []client.Object) []client.Object {
				for _, object := range o {
					if reboot, is := object.(*v1alpha1.NodeReboot); is && reboot.Name == "rb" {
						deletedReboot(reboot)
					}
				}
				return o
			},
			refused: "patch NodeReboot rb", err: errNoCordon,
		},
		"a status of a NodeReboot whose node is gone cannot be written": {
			change:  func(o []client.Object) []client.Object { return append(o, newReboot("rc", "gone")) },
			refused: "patch status NodeReboot rc", err: webhookDown,
		},
		"a NodeReboot that ended cannot be deleted": {
			change: func(o []client.Object) []client.Object {
				for i := range 3 {
					o = append(o, newReboot(fmt.Sprintf("rc%d", i), "a", cancelledLongAgo))
				}
				return o
			},
			refused: "delete NodeReboot rc1", err: errNoCordon,
		},
		"budgets cannot be listed": {reader: brokenReader{budgets: errors.New("no budgets")}},
	} {
		t.Run(what, func(t *testing.T) {
			objects := fleet(v1alpha1.ModeEnforce, "a")
			if test.change == nil {
				test.change = func(o []client.Object) []client.Object { return o }
			}
			objects = test.change(append(objects, newReboot("rb", "gone")))
			w := newWorld(t, objects...)
			if test.refused != "" {
				w.refuse = refuseWrites(test.err, test.refused)
			}
			r := newReconciler(w, &fakePods{pods: map[string][]*corev1.Pod{"a": {newPod("p")}}})
			test.reader.Reader, test.reader.unreadable = w, []string{"rb"}
			r.reader.cache = test.reader
			gates := &countedGates{}
			r.reader.gates = gates
			passes := passesIn(t, r, time.Minute)
			writes := map[string]int{}
			for _, write := range w.writes {
				writes[write]++
			}
			t.Logf("%d passes, %d questions, writes %v", passes, gates.asked, writes)
			if passes > maxPasses {
				t.Errorf("%d passes in a minute", passes)
			}
			if tries := writes[test.refused]; test.refused != "" && tries < 3 {
				t.Errorf("%s was tried %d times in a minute", test.refused, tries)
			}
			for write, times := range writes {
				if times > 10 {
					t.Errorf("%d times in a minute: %s", times, write)
				}
			}
		})
	}
}

// countedGates counts the passes in which questions were asked.
type countedGates struct {
	noGates
	asked int
}

func (g *countedGates) Answer(context.Context, []*v1alpha1.RebootPolicy, []model.GateQuery) map[model.GateKey]model.GateAnswer {
	g.asked++
	return nil
}

// stuckPods cannot read the pods of some nodes.
type stuckPods struct {
	fakePods
	stuck []string
}

func (p *stuckPods) watch(_ context.Context, nodes []string) error {
	for _, node := range nodes {
		if slices.Contains(p.stuck, node) {
			return fmt.Errorf("the pods of %s cannot be read", node)
		}
	}
	return nil
}

// recovering: the host of the NodeReboot runs another boot, and what has to recover is not known.
func recovering(r *v1alpha1.NodeReboot) {
	r.Finalizers = []string{v1alpha1.Finalizer}
	r.Status.PolicyName, r.Status.NodeUID, r.Status.RequiredSince = "p", "uid-a", at(-600)
	r.Status.Before = &v1alpha1.BootInfo{BootID: "boot-0"}
	r.Status.Attempt = &v1alpha1.Attempt{
		Number: 1, GrantedTime: *at(-500), DrainOrderedTime: at(-500), DrainedTime: at(-400), RebootOrderedTime: at(-300),
	}
}

func TestPodsThatCannotBeReadKeepNoOtherNodeFromItsGates(t *testing.T) {
	objects := fleet(v1alpha1.ModeEnforce, "a", "b")
	for _, object := range objects {
		switch o := object.(type) {
		case *v1alpha1.RebootPolicy:
			o.Spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt32(2))
			o.Spec.Gates.Objects = []v1alpha1.ObjectGate{{Name: "g"}}
			o.Spec.Recovery.TimeoutSeconds = ptr.To[int32](3600)
		case *v1alpha1.NodeReboot:
			if o.Name == "ra" {
				recovering(o)
			}
		}
	}
	w := newWorld(t, objects...)
	r := newReconciler(w, &stuckPods{fakePods: fakePods{pods: map[string][]*corev1.Pod{"b": {}}}, stuck: []string{"a"}})
	gates := &fakeGates{answers: map[model.GateKind]model.GateAnswer{model.GateObjects: {}}}
	r.reader.gates = gates
	if passes := passesIn(t, r, time.Minute); passes > maxPasses {
		t.Errorf("%d passes in a minute", passes)
	}
	if w.reboot(t, "rb").Status.Order == nil {
		t.Errorf("b waits: %s", w.reboot(t, "rb").Status.Message)
	}
	if phase := w.reboot(t, "ra").Status.Phase; phase != v1alpha1.PhaseRecovering {
		t.Errorf("a is %s", phase)
	}
}

// taintCordoned does to a node what the node lifecycle controller of Kubernetes does, and says whether there was something to do.
func taintCordoned(t *testing.T, w *world, name string) bool {
	t.Helper()
	node := w.node(t, name)
	isIt := func(taint corev1.Taint) bool { return taint.Key == corev1.TaintNodeUnschedulable }
	tainted := slices.ContainsFunc(node.Spec.Taints, isIt)
	switch {
	case node.Spec.Unschedulable == tainted:
		return false
	case tainted:
		node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, isIt)
	default:
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
	}
	if err := w.Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	return true
}

// Kubernetes taints a node that is cordoned, and removes the taint when it is uncordoned. That is no change that makes a
// refused write pass.
func TestANodeThatCannotBeExcludedIsNotCordonedAgainAndAgain(t *testing.T) {
	objects := fleet(v1alpha1.ModeEnforce, "a")
	for _, object := range objects {
		if policy, is := object.(*v1alpha1.RebootPolicy); is {
			policy.Spec.Drain.ExcludeFromLoadBalancers = &v1alpha1.LoadBalancerExclusion{}
		}
	}
	w := newWorld(t, objects...)
	w.refuseBody = func(write, body string) error {
		if write == "patch Node a" && strings.Contains(body, v1alpha1.ExcludeLabel+`":"`) {
			return errNoCordon
		}
		return nil
	}
	r := newReconciler(w, &fakePods{pods: map[string][]*corev1.Pod{"a": {}}})
	clock := clocktesting.NewFakePassiveClock(testNow)
	r.clock = clock
	cordons, cordoned := 0, false
	for now := testNow; now.Before(testNow.Add(time.Minute)); {
		clock.SetTime(now)
		result, err := r.Reconcile(t.Context(), clusterKey)
		if err != nil {
			t.Fatal(err)
		}
		if is := w.node(t, "a").Spec.Unschedulable; is != cordoned {
			cordoned, cordons = is, cordons+1
		}
		again := result.RequeueAfter
		if taintCordoned(t, w, "a") {
			again = burst
		}
		if again == 0 {
			break
		}
		now = now.Add(again)
	}
	if cordons > 10 {
		t.Errorf("the node was cordoned or uncordoned %d times in a minute", cordons)
	}
	if cordons == 0 {
		t.Error("nothing was tried")
	}
}
