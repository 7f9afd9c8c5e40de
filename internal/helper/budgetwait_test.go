package helper

import (
	"errors"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// heldPod has the order hold a pod because of the budget web.
func heldPod(name string) v1alpha1.HeldPod {
	return v1alpha1.HeldPod{Namespace: "default", Name: name, Budget: "web"}
}

func (r *drainRun) wantBudgetWait(t *testing.T, want time.Duration) {
	t.Helper()
	if got := time.Duration(r.state.get().progress.BudgetWaitMilliseconds) * time.Millisecond; got != want {
		t.Errorf("the drain waited for budgets for %s, want %s", got, want)
	}
}

func TestADrainSaysHowMuchEarlierItWouldHaveEndedWithoutBudgets(t *testing.T) {
	for name, test := range map[string]struct {
		order  v1alpha1.DrainOrder
		refuse map[string]error
		play   func(run *drainRun, pods *fakePods)
		want   time.Duration
	}{
		"no budget refuses anything": {
			play: func(_ *drainRun, pods *fakePods) {
				pass(20 * time.Second)
				pods.remove("a")
				pass(10 * time.Second)
				pods.remove("b")
			},
		},
		"a pod that the order holds delays the drain": {
			order: v1alpha1.DrainOrder{Hold: []v1alpha1.HeldPod{heldPod("a")}},
			play: func(run *drainRun, pods *fakePods) {
				pass(5 * time.Second)
				pods.remove("b")
				pass(15 * time.Second)
				run.amend(amendment{deadline: run.deadline})
				pass(5 * time.Second)
				pods.remove("a")
			},
			want: 20 * time.Second,
		},
		"while a pod is held, another one takes longer to end": {
			order: v1alpha1.DrainOrder{Hold: []v1alpha1.HeldPod{heldPod("a")}},
			play: func(run *drainRun, pods *fakePods) {
				pass(10 * time.Second)
				run.amend(amendment{deadline: run.deadline})
				pass(5 * time.Second)
				pods.remove("a")
				pass(15 * time.Second)
				pods.remove("b")
			},
		},
		"a pod that is held ends after another one that takes long": {
			order: v1alpha1.DrainOrder{Hold: []v1alpha1.HeldPod{heldPod("a")}},
			play: func(run *drainRun, pods *fakePods) {
				pass(20 * time.Second)
				run.amend(amendment{deadline: run.deadline})
				pods.remove("b")
				pass(10 * time.Second)
				pods.remove("a")
			},
			want: 10 * time.Second, // without the budget a ends after 10 s, and b after 20
		},
		"a budget refuses an eviction": {
			refuse: map[string]error{"a": budgetRefusal("web")},
			play: func(run *drainRun, pods *fakePods) {
				pods.remove("b")
				pass(12 * time.Second)
				pods.allow("a")
				run.amend(amendment{
					deadline: run.deadline, order: v1alpha1.DrainOrder{Retry: []v1alpha1.PodReference{{Namespace: "default", Name: "a"}}},
				})
				pass(time.Second)
				pods.remove("a")
			},
			want: 12 * time.Second,
		},
		"something else refuses an eviction": {
			refuse: map[string]error{"a": apierrors.NewInternalError(errors.New("no"))},
			play: func(_ *drainRun, pods *fakePods) {
				pods.remove("b")
				pass(30 * time.Second)
				pods.allow("a")
				pass(time.Minute)
				pods.remove("a")
			},
		},
		"someone deletes a pod that a budget holds": {
			order: v1alpha1.DrainOrder{Hold: []v1alpha1.HeldPod{heldPod("a")}},
			play: func(_ *drainRun, pods *fakePods) {
				pods.remove("b")
				pass(8 * time.Second)
				pods.replace(newPod("a", terminating(time.Now().Add(time.Minute))))
				pass(30 * time.Second)
				pods.remove("a")
			},
			want: 8 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pods := newFakePods(newPod("a"), newPod("b"))
				pods.keep.Store(true)
				maps.Copy(pods.refuse, test.refuse)
				run := startDrain(t, pods, test.order)
				test.play(run, pods)
				pass(0)
				run.want(t, true, v1alpha1.DrainProgress{Total: 2})
				run.wantBudgetWait(t, test.want)
			})
		})
	}
}

// The pod is evicted when the helper tries again, half a minute later, and takes two minutes to end, which no budget is to blame for.
func TestTheWaitForABudgetEndsWithTheEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"))
		pods.keep.Store(true)
		pods.refuse["a"] = budgetRefusal("web")
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pass(0)
		pods.allow("a")
		pass(40 * time.Second)
		wantAsked(t, pods, "a", "a")
		pass(2 * time.Minute)
		pods.remove("a")
		pass(0)
		run.want(t, true, v1alpha1.DrainProgress{Total: 1})
		if got := run.state.get().progress.BudgetWaitMilliseconds; got < 30_000 || got > 36_000 {
			t.Errorf("the drain waited for budgets for %d ms, want 30 to 36 s", got)
		}
	})
}

func TestTheWaitForBudgetsIsThatOfAllStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(tiers()...)
		pods.keep.Store(true)
		order := threeStages
		order.Hold = []v1alpha1.HeldPod{heldPod("front-1"), heldPod("back"), heldPod("other")}
		run := startDrain(t, pods, order)
		pods.remove("front-2")
		letGo := func(name string) {
			pass(5 * time.Second)
			order.Hold = order.Hold[1:]
			run.amend(amendment{deadline: run.deadline, order: order})
			pass(time.Second)
			pods.remove(name)
			pass(0)
		}
		letGo("front-1")
		letGo("back")
		letGo("other")
		run.want(t, true, v1alpha1.DrainProgress{Total: 4})
		run.wantBudgetWait(t, 15*time.Second)
	})
}

func TestTheWaitForBudgetsIsNotReportedBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"), newPod("b"))
		pods.keep.Store(true)
		run := startDrain(t, pods, v1alpha1.DrainOrder{Hold: []v1alpha1.HeldPod{heldPod("a")}})
		pods.remove("b")
		pass(20 * time.Second)
		run.want(t, false, v1alpha1.DrainProgress{Total: 2, Remaining: 1})
		run.wantBudgetWait(t, 0)
	})
}
