package helper

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

func TestWhichPodsHaveToGo(t *testing.T) {
	for name, test := range map[string]struct {
		pod         *corev1.Pod
		selector    string
		annotations map[string]v1alpha1.AnnotationValue
		want        bool
	}{
		"a replica":                               {pod: newPod("a", ownedBy("ReplicaSet", "web")), want: true},
		"a pod that nothing controls":             {pod: newPod("a"), want: true},
		"a finished pod":                          {pod: newPod("a", phase(corev1.PodSucceeded)), want: true},
		"a pod of a DaemonSet stays":              {pod: newPod("a", ownedBy("DaemonSet", "there")), want: false},
		"a finished pod of a DaemonSet":           {pod: newPod("a", ownedBy("DaemonSet", "there"), phase(corev1.PodFailed)), want: true},
		"a pod whose DaemonSet is gone":           {pod: newPod("a", ownedBy("DaemonSet", "gone")), want: true},
		"a static pod's mirror stays":             {pod: newPod("a", isMirror), want: false},
		"a pod that the selector selects":         {pod: newPod("a", labeled("app", "x")), selector: "app=x", want: true},
		"a pod that the selector does not select": {pod: newPod("a", labeled("app", "y")), selector: "app=x", want: false},
		"a pod that the annotations select":       {pod: newPod("a", annotated("a/b", "x")), annotations: annotations("a/b", "x"), want: true},
		"a pod that they do not select":           {pod: newPod("a", annotated("a/b", "y")), annotations: annotations("a/b", "x"), want: false},
		"a pod without annotations":               {pod: newPod("a"), annotations: annotations("a/b", "x"), want: false},
		"a pod with an emptyDir":                  {pod: newPod("a", withEmptyDir), want: true},
		"a DaemonSet of another API group is not one": {pod: newPod("a", ownedBy("DaemonSet", "there"), func(p *corev1.Pod) {
			p.OwnerReferences[0].APIVersion = "example.com/v1"
		}), want: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pods := newFakePods(test.pod)
				pods.daemonSets["there"] = nil
				order := v1alpha1.DrainOrder{Selector: selector.Of(test.selector)}
				order.Selector.MatchAnnotations = test.annotations
				run := startDrain(t, pods, order)
				if got := run.state.get(); !got.done || got.err != nil {
					t.Fatalf("done %v, error %v", got.done, got.err)
				}
				if got := len(pods.takeAsked()) > 0; got != test.want {
					t.Errorf("evicted is %v, want %v", got, test.want)
				}
			})
		})
	}
}

func annotated(key, value string) podOption {
	return func(p *corev1.Pod) { p.Annotations = map[string]string{key: value} }
}

func annotations(key string, value v1alpha1.AnnotationValue) map[string]v1alpha1.AnnotationValue {
	return map[string]v1alpha1.AnnotationValue{key: value}
}

func withEmptyDir(p *corev1.Pod) {
	p.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
}

func TestADaemonSetThatCannotBeReadHoldsTheDrainAndIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a", ownedBy("DaemonSet", "log")), newPod("b", ownedBy("DaemonSet", "log")),
			newPod("c", ownedBy("DaemonSet", "cni")))
		for _, name := range []string{"cni", "log"} {
			pods.daemonSets[name] = errors.New("forbidden")
		}
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		if got := run.state.get().message; got != "get DaemonSet default/cni: forbidden; get DaemonSet default/log: forbidden" {
			t.Errorf("message %q", got)
		}
		if got := pods.lookups.Load(); got != 2 {
			t.Errorf("%d lookups, want one of each", got)
		}
		pods.mu.Lock()
		clear(pods.daemonSets)
		pods.daemonSets["cni"], pods.daemonSets["log"] = nil, nil
		pods.mu.Unlock()
		pass(1200 * time.Millisecond)
		run.want(t, true, v1alpha1.DrainProgress{})
		wantAsked(t, pods)
	})
}

func TestARefusedEvictionIsRepeatedAndNamesTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"), newPod("b"))
		pods.refuse["a"] = budgetRefusal("web")
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		wantAsked(t, pods, "a", "b")
		pass(29 * time.Second)
		wantAsked(t, pods)
		pass(7 * time.Second)
		wantAsked(t, pods, "a")
		run.want(t, false, v1alpha1.DrainProgress{Total: 2, Remaining: 1, Refused: []v1alpha1.RefusedPod{{
			Namespace: "default", Name: "a", By: "PodDisruptionBudget web",
			Message: "The disruption budget web needs 3 healthy pods and has 3 currently",
		}}})
		pass(5 * time.Minute)
		if asked := len(pods.takeAsked()); asked < 4 || asked > 5 {
			t.Errorf("asked %d times in five minutes, want 4 or 5: the pause grows to 60 to 72 seconds and no further", asked)
		}
		pods.allow("a")
		pass(80 * time.Second)
		run.want(t, true, v1alpha1.DrainProgress{Total: 2})
	})
}

func TestARefusedEvictionIsRepeatedWhenTheOrderSaysThatTheBudgetMayAllowIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"), newPod("b"))
		pods.refuse["a"], pods.refuse["b"] = budgetRefusal("web"), budgetRefusal("web")
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		wantAsked(t, pods, "a", "b")
		names := func(names ...string) {
			next := amendment{deadline: run.began.Add(drainTimeout)}
			for _, name := range names {
				next.order.Retry = append(next.order.Retry, v1alpha1.PodReference{Namespace: "default", Name: name})
			}
			run.amend(next)
			synctest.Wait()
		}
		pass(time.Second)
		names("b", "gone")
		wantAsked(t, pods, "b") // it is refused again: another drain was faster
		names("b")
		wantAsked(t, pods)
		pass(time.Second)
		names()
		wantAsked(t, pods)
		pods.allow("a")
		pods.allow("b")
		names("b")
		wantAsked(t, pods, "b")
		names("a")
		wantAsked(t, pods, "a")
		run.want(t, true, v1alpha1.DrainProgress{Total: 2})
		if took := time.Since(run.began); took > 3*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestAnEvictionThatWouldBeRefusedIsNotAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"), newPod("b"), newPod("c"))
		held := func(names ...string) (order v1alpha1.DrainOrder) {
			for _, name := range names {
				order.Hold = append(order.Hold, v1alpha1.HeldPod{Namespace: "default", Name: name, Budget: "web"})
			}
			return order
		}
		run := startDrain(t, pods, held("b", "c"))
		wantAsked(t, pods, "a")
		pass(10 * time.Second)
		wantAsked(t, pods)
		run.amend(amendment{deadline: run.began.Add(drainTimeout), order: held("c")})
		synctest.Wait()
		wantAsked(t, pods, "b")
		pass(15 * time.Second)
		wantAsked(t, pods)
		pass(12 * time.Second) // nothing is heard of the manager
		wantAsked(t, pods, "c")
		run.want(t, true, v1alpha1.DrainProgress{Total: 3})
	})
}

func TestAnyOtherRefusalIsShownAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"))
		pods.refuse["a"] = apierrors.NewInternalError(errors.New("this pod has more than one PodDisruptionBudget"))
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		run.want(t, false, v1alpha1.DrainProgress{Total: 1, Remaining: 1})
		pass(2 * time.Second)
		run.want(t, false, v1alpha1.DrainProgress{Total: 1, Remaining: 1, Refused: []v1alpha1.RefusedPod{{
			Namespace: "default", Name: "a", By: "more than one PodDisruptionBudget",
			Message: "Internal error occurred: this pod has more than one PodDisruptionBudget",
		}}})
		pods.allow("a")
		pass(12 * time.Second)
		run.want(t, true, v1alpha1.DrainProgress{Total: 1})
	})
}

func TestAtMostSixteenEvictionsAreAskedForAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := &slowPods{fakePods: newFakePods(), release: make(chan struct{})}
		for i := range 20 {
			pods.put(newPod(fmt.Sprint("p", i)))
		}
		run := startDrain(t, pods.fakePods, v1alpha1.DrainOrder{}, func(o *drainOptions) { o.api = pods })
		if got := pods.atOnce.Load(); got != 16 {
			t.Errorf("%d at once, want 16", got)
		}
		pods.put(newPod("another"))
		pass(time.Second)
		if got := pods.atOnce.Load(); got != 16 {
			t.Errorf("%d at once after another pod came, want 16", got)
		}
		close(pods.release)
		pass(0)
		run.want(t, true, v1alpha1.DrainProgress{Total: 21})
	})
}

// slowPods answers no eviction before release.
type slowPods struct {
	*fakePods
	release chan struct{}
	atOnce  atomic.Int32
}

func (s *slowPods) Evict(ctx context.Context, pod *corev1.Pod, grace *int64) error {
	s.atOnce.Add(1)
	<-s.release
	return s.fakePods.Evict(ctx, pod, grace)
}

func TestATerminatingPodIsEvictedOnlyToShortenItsGracePeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a", terminating(time.Now().Add(time.Hour))))
		startDrain(t, pods, v1alpha1.DrainOrder{})
		wantAsked(t, pods)
		startDrain(t, pods, v1alpha1.DrainOrder{GracePeriodSeconds: ptr.To[int32](1)})
		wantAsked(t, pods, "a")
	})
}

func TestAPodThatSomeoneElseDeletesIsNoLongerRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"))
		pods.refuse["a"] = budgetRefusal("web")
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pods.edit(t, "a", terminating(time.Now().Add(time.Minute)))
		pods.takeAsked()
		pass(30 * time.Second)
		wantAsked(t, pods)
		run.want(t, false, v1alpha1.DrainProgress{Total: 1, Remaining: 1})
	})
}

func TestAPodThatIsGoneBeforeItsEvictionIsNotRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"))
		pods.refuse["a"] = apierrors.NewNotFound(corev1.Resource("pods"), "a")
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pass(9 * time.Second)
		wantAsked(t, pods, "a")
		run.want(t, false, v1alpha1.DrainProgress{Total: 1, Remaining: 1})
	})
}

// The user who deleted it decided that; the drain only waits.
func TestAPodThatMustNotBeEvictedAndEndsAnywayIsWaitedFor(t *testing.T) {
	for name, test := range map[string]struct {
		order v1alpha1.DrainOrder
		pod   *corev1.Pod
	}{
		"without a controller": {v1alpha1.DrainOrder{Unmanaged: v1alpha1.UnmanagedRefuse}, newPod("a")},
		"with an emptyDir":     {v1alpha1.DrainOrder{EmptyDir: v1alpha1.EmptyDirRefuse}, newPod("a", withEmptyDir)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pods := newFakePods(test.pod)
				pods.edit(t, "a", terminating(time.Now().Add(time.Minute)))
				run := startDrain(t, pods, test.order)
				pass(30 * time.Second)
				run.want(t, false, v1alpha1.DrainProgress{Total: 1, Remaining: 1})
				wantAsked(t, pods)
				pods.remove("a")
				pass(0)
				run.want(t, true, v1alpha1.DrainProgress{Total: 1})
				if err := run.state.get().err; err != nil {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}
