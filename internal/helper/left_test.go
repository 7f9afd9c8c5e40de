package helper

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const operatorNamespace = "reboot-operator-system"

// leavingManager is an order that leaves the manager's pods.
func leavingManager() v1alpha1.DrainOrder {
	leave := &v1alpha1.PodsOfNamespace{Namespace: operatorNamespace}
	leave.Selector.MatchLabels = map[string]v1alpha1.LabelValue{v1alpha1.ComponentLabel: v1alpha1.ManagerComponent}
	return v1alpha1.DrainOrder{Leave: leave}
}

func component(namespace, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Namespace = namespace
		p.Labels = map[string]string{v1alpha1.ComponentLabel: value, "app.kubernetes.io/name": "reboot-operator"}
	}
}

func TestADrainLeavesThePodsThatTheOrderNamesAndNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(
			newPod("manager-1", component(operatorNamespace, v1alpha1.ManagerComponent)),
			newPod("manager-2", component(operatorNamespace, v1alpha1.ManagerComponent)),
			newPod("other", component(operatorNamespace, "other")),
			newPod("tenant", component("tenant", v1alpha1.ManagerComponent)),
			newPod("ended", component(operatorNamespace, v1alpha1.ManagerComponent), func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }),
		)
		run := startDrain(t, pods, leavingManager())
		pass(time.Second)
		wantAsked(t, pods, "ended", "other", "tenant")
		run.want(t, true, v1alpha1.DrainProgress{Total: 3})
	})
}

func TestWithoutSuchAnOrderTheManagerGoesLikeAnyPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("manager-1", component(operatorNamespace, v1alpha1.ManagerComponent)))
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pass(time.Second)
		wantAsked(t, pods, "manager-1")
		run.want(t, true, v1alpha1.DrainProgress{Total: 1})
	})
}

func TestADrainUnderWayIsDoneWhenAllThatIsLeftIsToStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		going := newPod("going", component(operatorNamespace, v1alpha1.ManagerComponent), terminating(time.Now().Add(time.Hour)))
		pods := newFakePods(newPod("manager-1", component(operatorNamespace, v1alpha1.ManagerComponent)), going)
		pods.refuse["manager-1"] = apierrors.NewTooManyRequests("its budget", 0)
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pass(time.Second)
		run.amend(amendment{order: leavingManager(), deadline: run.began.Add(drainTimeout), protocol: 2})
		pass(time.Second)
		if run.state.get().done {
			t.Error("it does not wait for a pod that was evicted already")
		}
		pods.remove("going")
		pass(time.Second)
		if got := run.state.get(); !got.done || got.err != nil {
			t.Errorf("done is %t, with %v", got.done, got.err)
		}
	})
}
