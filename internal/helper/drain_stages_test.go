package helper

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

var threeStages = v1alpha1.DrainOrder{Stages: selector.List("tier=front", "tier=back"), Selector: selector.Of("app!=cache")}

// tiers are two pods of the first stage, one of the second, one of none, and one that stays.
func tiers() []*corev1.Pod {
	return []*corev1.Pod{
		newPod("front-1", labeled("tier", "front")), newPod("front-2", labeled("tier", "front")),
		newPod("back", labeled("tier", "back")), newPod("other"), newPod("cache", labeled("app", "cache")),
	}
}

func TestPodsOfAStageAreGoneBeforeTheNextBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(tiers()...)
		pods.keep.Store(true)
		run := startDrain(t, pods, threeStages)
		wantAsked(t, pods, "front-1", "front-2")
		pods.remove("front-1")
		pass(time.Minute)
		wantAsked(t, pods)
		pods.remove("front-2")
		pass(0)
		wantAsked(t, pods, "back")
		pass(time.Minute)
		wantAsked(t, pods)
		pods.remove("back")
		pass(0)
		wantAsked(t, pods, "other")
		pods.remove("other")
		pass(0)
		run.want(t, true, v1alpha1.DrainProgress{Total: 4})
	})
}

func TestAStageMaySelectByAnnotations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("last"), newPod("first", annotated("karpenter.sh/do-not-disrupt", "true")))
		pods.keep.Store(true)
		startDrain(t, pods, v1alpha1.DrainOrder{Stages: []v1alpha1.PodSelector{{
			MatchAnnotations: annotations("karpenter.sh/do-not-disrupt", "true"),
		}}})
		wantAsked(t, pods, "first")
		pods.remove("first")
		pass(0)
		wantAsked(t, pods, "last")
	})
}

func TestARefusedStageHoldsTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(tiers()...)
		pods.refuse["front-1"] = budgetRefusal("web")
		startDrain(t, pods, threeStages)
		pass(500 * time.Millisecond)
		wantAsked(t, pods, "front-1", "front-2")
		pods.allow("front-1")
		pass(36 * time.Second)
		wantAsked(t, pods, "back", "front-1", "other")
	})
}

func TestAPodOfAnEarlierStageThatArrivesGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("back", labeled("tier", "back")), newPod("other"))
		pods.keep.Store(true)
		startDrain(t, pods, threeStages)
		wantAsked(t, pods, "back")
		pods.put(newPod("front", labeled("tier", "front")))
		pods.remove("back")
		pass(0)
		wantAsked(t, pods, "front")
		pods.remove("front")
		pass(0)
		wantAsked(t, pods, "other")
	})
}

func TestAHelperThatIsRestartedGoesOnWithTheRightStage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(tiers()...)
		pods.keep.Store(true)
		pods.refuse["back"] = budgetRefusal("web")
		first := startDrain(t, pods, threeStages)
		pods.remove("front-1")
		pods.remove("front-2")
		pass(0)
		first.cancel()
		pass(time.Second)
		pods.takeAsked()
		second := startDrain(t, pods, threeStages, func(o *drainOptions) { o.gone = 2 })
		wantAsked(t, pods, "back")
		second.want(t, false, v1alpha1.DrainProgress{Total: 4, Remaining: 2})
	})
}

func TestAPodThatIsNotKnownToGoHoldsLaterStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		front := newPod("agent", ownedBy("DaemonSet", "agent"), labeled("tier", "front"))
		pods := newFakePods(front, newPod("back", labeled("tier", "back")))
		pods.daemonSets["agent"] = errors.New("forbidden")
		startDrain(t, pods, threeStages)
		wantAsked(t, pods)
		pods.mu.Lock()
		pods.daemonSets["agent"] = nil
		pods.mu.Unlock()
		pass(2 * time.Second)
		wantAsked(t, pods, "back")
	})
}

func TestAPodThatIsNotWaitedForHoldsNoStage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		order := threeStages
		order.SkipWaitForDeleteSeconds = ptr.To[int32](10)
		pods := newFakePods(newPod("front", labeled("tier", "front"), terminating(time.Now())), newPod("other"))
		startDrain(t, pods, order)
		wantAsked(t, pods)
		pass(10 * time.Second)
		wantAsked(t, pods, "other")
	})
}

func TestADrainWithAPodThatMustNotBeEvictedEvictsNothing(t *testing.T) {
	managed := ownedBy("ReplicaSet", "web")
	refuse := v1alpha1.DrainOrder{EmptyDir: v1alpha1.EmptyDirRefuse, Unmanaged: v1alpha1.UnmanagedRefuse, Selector: selector.Of("app!=cache")}
	for name, test := range map[string]struct {
		pod  *corev1.Pod
		want string
	}{
		"without a controller":     {newPod("x"), "pod default/x must not be evicted: it has no controller"},
		"with an emptyDir":         {newPod("x", managed, withEmptyDir), "pod default/x must not be evicted: it has an emptyDir volume"},
		"of a DaemonSet that goes": {newPod("x", ownedBy("DaemonSet", "gone")), "pod default/x must not be evicted: it is of a DaemonSet that is gone"},
		"that has finished":        {newPod("x", withEmptyDir, phase(corev1.PodSucceeded)), ""},
		"that is left out":         {newPod("x", labeled("app", "cache")), ""},
		"of a DaemonSet":           {newPod("x", ownedBy("DaemonSet", "there"), withEmptyDir), ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pods := newFakePods(newPod("a", managed), test.pod)
				pods.daemonSets["there"] = nil
				run := startDrain(t, pods, refuse)
				got := run.state.get()
				message := ""
				if got.err != nil {
					message = got.err.Error()
				}
				if !got.done || message != test.want || errors.Is(got.err, errOverdue) {
					t.Errorf("done %v, error %q, want %q", got.done, message, test.want)
				}
				if evicted := strings.Contains(strings.Join(pods.takeAsked(), " "), "a"); evicted != (test.want == "") {
					t.Errorf("evicted %v", evicted)
				}
			})
		})
	}
}

func TestADrainThatNeverSawThePodsIsNotOverdueButFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"))
		pods.breakWatches(errors.New("forbidden"))
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pass(drainTimeout)
		if err := run.state.get().err; err == nil || errors.Is(err, errOverdue) {
			t.Errorf("error %v", err)
		}
	})
}
