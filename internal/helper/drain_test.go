package helper

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const drainTimeout = 10 * time.Minute

type podOption func(*corev1.Pod)

func newPod(name string, options ...podOption) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
	for _, option := range options {
		option(pod)
	}
	return pod
}

func ownedBy(kind, name string) podOption {
	return func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: "apps/v1", Kind: kind, Name: name, UID: types.UID("uid-" + name), Controller: ptr.To(true),
		}}
	}
}

func phase(phase corev1.PodPhase) podOption {
	return func(p *corev1.Pod) { p.Status.Phase = phase }
}

func labeled(key, value string) podOption {
	return func(p *corev1.Pod) { p.Labels = map[string]string{key: value} }
}

func isMirror(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }

func terminating(end time.Time) podOption {
	return func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: end} }
}

// budgetRefusal is the API server's answer when a PodDisruptionBudget does not allow an eviction.
func budgetRefusal(budget string) error {
	err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{
		Type: policyv1.DisruptionBudgetCause, Message: "The disruption budget " + budget + " needs 3 healthy pods and has 3 currently",
	}}
	return err
}

// drainRun is a drain under way in a bubble.
type drainRun struct {
	published []v1alpha1.DrainProgress
	times     []time.Duration
	messages  []string
	began     time.Time
	cancel    context.CancelFunc
	// done, progress and err are set when it ended.
	done     bool
	progress v1alpha1.DrainProgress
	err      error
}

func startDrain(t *testing.T, pods *fakePods, order v1alpha1.DrainOrder, change ...func(*drainOptions)) *drainRun {
	t.Helper()
	run := &drainRun{began: time.Now()}
	options := drainOptions{
		api: pods, clock: clock.RealClock{}, log: testr.New(t), order: order, deadline: run.began.Add(drainTimeout),
		publish: func(progress v1alpha1.DrainProgress, message string) {
			run.published = append(run.published, progress)
			run.messages = append(run.messages, message)
			run.times = append(run.times, time.Since(run.began))
		},
	}
	for _, c := range change {
		c(&options)
	}
	d, err := newDrain(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	run.cancel = cancel
	go func() {
		run.progress, run.err = d.run(ctx)
		run.done = true
	}()
	synctest.Wait()
	return run
}

func (r *drainRun) want(t *testing.T, done bool, progress v1alpha1.DrainProgress) {
	t.Helper()
	got := r.progress
	if !r.done && len(r.published) > 0 {
		got = r.published[len(r.published)-1]
	}
	if r.done != done {
		t.Errorf("done is %v, want %v", r.done, done)
	}
	if diff := cmp.Diff(progress, got); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func wantAsked(t *testing.T, pods *fakePods, want ...string) {
	t.Helper()
	if diff := cmp.Diff(strings.Join(want, " "), strings.Join(pods.takeAsked(), " ")); diff != "" {
		t.Errorf("evictions asked for (-want +got):\n%s", diff)
	}
}

func TestWhichPodsHaveToGo(t *testing.T) {
	for name, test := range map[string]struct {
		pod      *corev1.Pod
		selector string
		want     bool
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
		"a pod with an emptyDir":                  {pod: newPod("a", withEmptyDir), want: true},
		"a DaemonSet of another API group is not one": {pod: newPod("a", ownedBy("DaemonSet", "there"), func(p *corev1.Pod) {
			p.OwnerReferences[0].APIVersion = "example.com/v1"
		}), want: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pods := newFakePods(test.pod)
				pods.daemonSets["there"] = nil
				run := startDrain(t, pods, v1alpha1.DrainOrder{PodSelector: test.selector})
				if !run.done || run.err != nil {
					t.Fatalf("done %v, error %v", run.done, run.err)
				}
				if got := len(pods.takeAsked()) > 0; got != test.want {
					t.Errorf("evicted is %v, want %v", got, test.want)
				}
			})
		})
	}
}

func withEmptyDir(p *corev1.Pod) {
	p.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
}

func TestADrainOfAnEmptyNodeIsDoneAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := startDrain(t, newFakePods(), v1alpha1.DrainOrder{})
		run.want(t, true, v1alpha1.DrainProgress{})
	})
}

func TestADrainWaitsForPodsToBeGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"), newPod("b"))
		pods.keep = true
		run := startDrain(t, pods, v1alpha1.DrainOrder{GracePeriodSeconds: ptr.To[int32](7)})
		pass(time.Minute)
		if diff := cmp.Diff([]*int64{ptr.To[int64](7), ptr.To[int64](7)}, pods.grace); diff != "" {
			t.Errorf("grace periods (-want +got):\n%s", diff)
		}
		pods.takeAsked()
		pods.remove("a")
		pass(0)
		run.want(t, false, v1alpha1.DrainProgress{Total: 2, Remaining: 1})
		pods.remove("b")
		pass(0)
		run.want(t, true, v1alpha1.DrainProgress{Total: 2})
		wantAsked(t, pods)
	})
}

func TestAPodThatIsMadeAgainUnderItsNameIsAnotherOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("web-0"))
		pods.keep = true
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		wantAsked(t, pods, "web-0")
		pods.remove("web-0")
		pods.put(newPod("web-0", func(p *corev1.Pod) { p.UID = "another" }))
		pass(time.Second)
		wantAsked(t, pods, "web-0")
		run.want(t, false, v1alpha1.DrainProgress{Total: 2, Remaining: 1})
	})
}

func TestPodsThatArriveDuringADrainHaveToGoToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"))
		pods.keep = true
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pods.put(newPod("b"))
		pass(time.Second)
		wantAsked(t, pods, "a", "b")
		run.want(t, false, v1alpha1.DrainProgress{Total: 2, Remaining: 2})
	})
}

func TestARefusedEvictionIsRepeatedAndNamesTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"), newPod("b"))
		pods.refuse["a"] = budgetRefusal("web")
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		wantAsked(t, pods, "a", "b")
		pass(900 * time.Millisecond)
		wantAsked(t, pods)
		pass(300 * time.Millisecond)
		wantAsked(t, pods, "a")
		run.want(t, false, v1alpha1.DrainProgress{Total: 2, Remaining: 1, Refused: []v1alpha1.RefusedPod{{
			Namespace: "default", Name: "a", By: "PodDisruptionBudget web",
			Message: "The disruption budget web needs 3 healthy pods and has 3 currently",
		}}})
		pass(2 * time.Minute)
		if asked := len(pods.takeAsked()); asked < 10 || asked > 15 {
			t.Errorf("asked %d times in two minutes, want 10 to 15: the pause grows to 10 to 12 seconds and no further", asked)
		}
		pods.allow("a")
		pass(12 * time.Second)
		run.want(t, true, v1alpha1.DrainProgress{Total: 2})
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
			Namespace: "default", Name: "a", Message: "Internal error occurred: this pod has more than one PodDisruptionBudget",
		}}})
		pods.allow("a")
		pass(12 * time.Second)
		run.want(t, true, v1alpha1.DrainProgress{Total: 1})
	})
}

func TestAtMostTenRefusedPodsAreNamedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods()
		for i := range 12 {
			name := fmt.Sprintf("p%02d", 11-i)
			pods.put(newPod(name))
			pods.refuse[name] = budgetRefusal("web")
		}
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pass(time.Second)
		last := run.published[len(run.published)-1]
		if got := len(last.Refused); got != 10 {
			t.Fatalf("%d refused pods, want 10", got)
		}
		if first := last.Refused[0].Name; first != "p00" {
			t.Errorf("the first is %s, want p00", first)
		}
		pass(drainTimeout)
		if run.err == nil || !strings.Contains(run.err.Error(), "12 pods left: default/p00 (PodDisruptionBudget web), ") ||
			!strings.HasSuffix(run.err.Error(), ", and 2 more") {
			t.Errorf("error %v", run.err)
		}
	})
}

func TestADrainFailsAtItsDeadlineAndNamesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"), newPod("b"), newPod("c"))
		pods.refuse["a"] = budgetRefusal("web")
		pods.refuse["b"] = apierrors.NewInternalError(errors.New("boom"))
		pods.keep = true
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pass(drainTimeout - time.Nanosecond)
		if run.done {
			t.Fatal("ended before the deadline")
		}
		pass(time.Nanosecond)
		want := fmt.Sprintf("not drained at the deadline %s, 3 pods left: default/a (PodDisruptionBudget web), "+
			"default/b (Internal error occurred: boom), default/c (terminating)", run.began.Add(drainTimeout).UTC().Format(time.RFC3339))
		if run.err == nil || run.err.Error() != want {
			t.Errorf("error %v, want %s", run.err, want)
		}
		if run.progress.Remaining != 3 {
			t.Errorf("%d remain, want 3", run.progress.Remaining)
		}
	})
}

func TestACancelledDrainAsksForNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"))
		pods.refuse["a"] = budgetRefusal("web")
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pods.takeAsked()
		run.cancel()
		pass(time.Minute)
		if !run.done || !errors.Is(run.err, context.Canceled) {
			t.Errorf("done %v, error %v", run.done, run.err)
		}
		wantAsked(t, pods)
	})
}

func TestAtMostSixteenEvictionsAreAskedForAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := &slowPods{fakePods: newFakePods(), release: make(chan struct{})}
		for i := range 20 {
			pods.put(newPod(fmt.Sprint("p", i)))
		}
		run := startDrain(t, pods.fakePods, v1alpha1.DrainOrder{}, func(o *drainOptions) { o.api = pods })
		if pods.atOnce != 16 {
			t.Errorf("%d at once, want 16", pods.atOnce)
		}
		close(pods.release)
		pass(0)
		run.want(t, true, v1alpha1.DrainProgress{Total: 20})
	})
}

// slowPods answers no eviction before release.
type slowPods struct {
	*fakePods
	release chan struct{}
	atOnce  int
}

func (s *slowPods) Evict(ctx context.Context, pod *corev1.Pod, grace *int64) error {
	s.mu.Lock()
	s.atOnce++
	s.mu.Unlock()
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

func TestAPodThatTerminatesForTooLongIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a", terminating(time.Now().Add(time.Minute))))
		run := startDrain(t, pods, v1alpha1.DrainOrder{SkipWaitForDeleteSeconds: ptr.To[int32](30)})
		pass(89 * time.Second)
		run.want(t, false, v1alpha1.DrainProgress{Total: 1, Remaining: 1})
		pass(time.Second)
		run.want(t, true, v1alpha1.DrainProgress{Total: 1})
	})
}

func TestADaemonSetThatCannotBeReadHoldsTheDrainAndIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a", ownedBy("DaemonSet", "cni")), newPod("b", ownedBy("DaemonSet", "cni")))
		pods.daemonSets["cni"] = errors.New("forbidden")
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		if diff := cmp.Diff([]string{"get DaemonSet default/cni: forbidden"}, run.messages); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
		if pods.lookups != 1 {
			t.Errorf("%d lookups, want 1", pods.lookups)
		}
		pods.mu.Lock()
		pods.daemonSets["cni"] = nil
		pods.mu.Unlock()
		pass(1200 * time.Millisecond)
		run.want(t, true, v1alpha1.DrainProgress{})
		wantAsked(t, pods)
	})
}

func TestADrainRecoversFromABrokenWatchAndSaysThatItIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"), newPod("b"))
		pods.keep = true
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pods.breakWatches(errors.New("forbidden"))
		pods.remove("a")
		pass(time.Minute)
		if last := run.messages[len(run.messages)-1]; last != "pods of the node: list: forbidden" {
			t.Errorf("message %q", last)
		}
		run.want(t, false, v1alpha1.DrainProgress{Total: 2, Remaining: 2})
		pods.breakWatches(nil)
		pass(2 * time.Minute)
		run.want(t, false, v1alpha1.DrainProgress{Total: 2, Remaining: 1})
		if last := run.messages[len(run.messages)-1]; last != "" {
			t.Errorf("message %q", last)
		}
		pods.remove("b")
		pass(0)
		run.want(t, true, v1alpha1.DrainProgress{Total: 2})
	})
}

func TestProgressIsPublishedAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods()
		for i := range 10 {
			pods.put(newPod(fmt.Sprint("p", i)))
		}
		pods.keep = true
		run := startDrain(t, pods, v1alpha1.DrainOrder{}, func(o *drainOptions) { o.gone = 5 })
		for i := range 9 {
			pass(300 * time.Millisecond)
			pods.remove(fmt.Sprint("p", i))
		}
		pass(time.Minute)
		want := []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}
		if diff := cmp.Diff(want, run.times); diff != "" {
			t.Errorf("published at (-want +got):\n%s", diff)
		}
		run.want(t, false, v1alpha1.DrainProgress{Total: 15, Remaining: 1})
	})
}

func TestRefusalMessagesOfTheAPIServer(t *testing.T) {
	for message, want := range map[string]string{
		"The disruption budget web needs 3 healthy pods and has 3 currently":    "PodDisruptionBudget web",
		"The disruption budget web-a.b is still being processed by the server.": "PodDisruptionBudget web-a.b",
		"The disruption budget web does not allow evicting pods currently":      "PodDisruptionBudget web",
		"Something that a later version says":                                   "PodDisruptionBudget",
	} {
		err := apierrors.NewTooManyRequests("Cannot evict pod", 0)
		err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: policyv1.DisruptionBudgetCause, Message: message}}
		if got := refusal(newPod("a"), err).By; got != want {
			t.Errorf("%q: by %q, want %q", message, got, want)
		}
	}
	long := refusal(newPod("a"), errors.New(strings.Repeat("x", 1000)))
	if len(long.Message) != 512 || long.By != "" {
		t.Errorf("%d characters by %q", len(long.Message), long.By)
	}
}
