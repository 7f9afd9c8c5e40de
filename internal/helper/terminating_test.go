package helper

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func finalizers(names ...string) podOption {
	return func(p *corev1.Pod) { p.Finalizers = names }
}

func containerRuns(p *corev1.Pod) {
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
}

func containerEnded(p *corev1.Pod) {
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}}
}

// startWithOne starts a drain of a node with one pod that is evicted and gets until the end of its grace period.
func startWithOne(t *testing.T, grace time.Duration, change func(*drainOptions), options ...podOption) (*drainRun, *fakePods) {
	t.Helper()
	pods := newFakePods(newPod("a", options...))
	pods.keep.Store(true)
	pods.onEvict.set(func(pod *corev1.Pod) {
		pod = pod.DeepCopy()
		terminating(time.Now().Add(grace))(pod)
		pods.put(pod)
	})
	return startDrain(t, pods, v1alpha1.DrainOrder{}, change), pods
}

func (r *drainRun) wantHeld(t *testing.T, activity v1alpha1.DrainActivity, heldBy ...string) {
	t.Helper()
	want := v1alpha1.DrainProgress{Total: 1, Remaining: 1, Activity: activity}
	for _, h := range heldBy {
		want.Terminating = append(want.Terminating, v1alpha1.TerminatingPod{Namespace: "default", Name: "a", HeldBy: h})
	}
	if diff := cmp.Diff(want, r.state.get().progress); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func TestAPodThatDoesNotEndIsNamedTenSecondsAfterItsGracePeriod(t *testing.T) {
	for name, test := range map[string]struct {
		options []podOption
		want    string
	}{
		"containers run":                 {[]podOption{containerRuns}, "its containers are still running"},
		"containers have ended":          {[]podOption{containerEnded}, "the kubelet has not confirmed that it ended"},
		"nothing is known of containers": {nil, "the kubelet has not confirmed that it ended"},
		"a sidecar runs": {[]podOption{containerEnded, func(p *corev1.Pod) {
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		}}, "its containers are still running"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				run, pods := startWithOne(t, 30*time.Second, func(*drainOptions) {}, test.options...)
				pass(40*time.Second - 1)
				run.wantHeld(t, v1alpha1.DrainProgressing)
				pass(1)
				run.wantHeld(t, v1alpha1.DrainProgressing, test.want)
				pods.remove("a")
				pass(0)
				run.want(t, true, v1alpha1.DrainProgress{Total: 1, Activity: v1alpha1.DrainProgressing})
			})
		})
	}
}

func TestAPodThatAFinalizerKeepsIsNamedWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, _ := startWithOne(t, time.Second, func(*drainOptions) {}, finalizers("example.com/reporter"))
		pass(3 * time.Second)
		run.wantHeld(t, v1alpha1.DrainProgressing)
		pass(2 * time.Second)
		run.wantHeld(t, v1alpha1.DrainProgressing, "finalizer example.com/reporter")
	})
}

func TestWhatHoldsAPodIsSaidInFull(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	over, runs := terminating(now), terminating(now.Add(time.Minute))
	for name, test := range map[string]struct {
		options []podOption
		want    string
	}{
		"its grace period":               {[]podOption{runs}, "its grace period until 2026-03-01T12:01:00Z"},
		"a grace period of a day":        {[]podOption{terminating(now.Add(24 * time.Hour))}, "its grace period until 2026-03-02T12:00:00Z"},
		"its grace period and more":      {[]podOption{runs, finalizers("a/b")}, "its grace period until 2026-03-01T12:01:00Z, and finalizer a/b"},
		"two finalizers":                 {[]podOption{over, finalizers("a/b", "c/d")}, "finalizers a/b, c/d"},
		"a finalizer and the containers": {[]podOption{over, finalizers("a/b"), containerRuns}, "its containers are still running, and finalizer a/b"},
		"an eviction without effect":     {nil, "its eviction was accepted, but nothing deletes it"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := heldBy(newPod("a", test.options...), now); got != test.want {
				t.Errorf("held by %q, want %q", got, test.want)
			}
		})
	}
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprint(strings.Repeat("x", 100), "/", i))
	}
	if got := heldBy(newPod("a", over, finalizers(many...)), now); len(got) != maxHolder || !strings.HasSuffix(got, "...") {
		t.Errorf("%d characters", len(got))
	}
}

// A drain that gets nowhere names every pod that it waits for.
func TestADrainIsStuckWhenNoPodHasGoneForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		run, pods := startWithOne(t, time.Hour, func(*drainOptions) {})
		pods.put(newPod("b"))
		pass(30 * time.Second)
		pods.remove("b")
		pass(time.Minute - 1)
		if got := run.state.get().progress; got.Activity != v1alpha1.DrainProgressing || len(got.Terminating) != 0 {
			t.Errorf("progress %+v before a minute is over", got)
		}
		pass(1)
		want := v1alpha1.DrainProgress{Total: 2, Remaining: 1, Activity: v1alpha1.DrainStuck, Terminating: []v1alpha1.TerminatingPod{{
			Namespace: "default", Name: "a", HeldBy: "its grace period until " + began.Add(time.Hour).UTC().Format(time.RFC3339),
		}}}
		run.want(t, false, want)
		pods.put(newPod("c"))
		pass(2 * time.Second)
		want.Total, want.Remaining = 3, 2
		want.Terminating = append(want.Terminating, v1alpha1.TerminatingPod{
			Namespace: "default", Name: "c", HeldBy: "its grace period until " + began.Add(90*time.Second+time.Hour).UTC().Format(time.RFC3339),
		})
		run.want(t, false, want)
		pods.remove("c")
		pass(2 * time.Second)
		run.want(t, false, v1alpha1.DrainProgress{Total: 3, Remaining: 1, Activity: v1alpha1.DrainProgressing})
	})
}

func TestADrainThatCannotSeePodsForAMinuteIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"))
		pods.breakWatches(errors.New("forbidden"))
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		run.wantActivity(t, v1alpha1.DrainProgressing)
		pass(time.Minute)
		run.wantActivity(t, v1alpha1.DrainStuck)
	})
}

func TestADrainThatIsContinuedIsStillStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, pods := startWithOne(t, time.Hour, func(o *drainOptions) { o.stuck = true })
		if got := run.state.get().progress.Activity; got != v1alpha1.DrainStuck {
			t.Errorf("activity %s", got)
		}
		pods.put(newPod("b"))
		pass(2 * time.Second)
		pods.remove("b")
		pass(2 * time.Second)
		run.wantActivity(t, v1alpha1.DrainProgressing)
	})
}

func (r *drainRun) wantActivity(t *testing.T, want v1alpha1.DrainActivity) {
	t.Helper()
	if got := r.state.get().progress.Activity; got != want {
		t.Errorf("activity %s, want %s", got, want)
	}
}

// The end of the drain at the deadline may never see what is published then.
func TestEverythingThatIsLeftIsPublishedBeforeTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		run, _ := startWithOne(t, time.Hour, func(o *drainOptions) { o.deadline = began.Add(25 * time.Second) })
		pass(19 * time.Second)
		run.wantHeld(t, v1alpha1.DrainProgressing)
		pass(time.Second)
		run.wantHeld(t, v1alpha1.DrainProgressing, "its grace period until "+began.Add(time.Hour).UTC().Format(time.RFC3339))
		pass(5 * time.Second)
		const want = "1 pod left: default/a (its grace period until "
		if err := run.state.get().err; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	})
}

func TestAnEvictionThatNothingComesOfIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"))
		pods.keep.Store(true)
		pods.onEvict.set(func(pod *corev1.Pod) { pods.put(newPod(pod.Name)) })
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pass(10 * time.Second)
		run.wantHeld(t, v1alpha1.DrainProgressing, "its eviction was accepted, but nothing deletes it")
	})
}

func TestAtMostTenPodsThatDoNotEndAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods()
		for i := range 12 {
			pods.put(newPod(fmt.Sprintf("p%02d", 11-i), terminating(time.Now())))
		}
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pass(10 * time.Second)
		got := run.state.get().progress.Terminating
		if len(got) != 10 || got[0].Name != "p00" {
			t.Errorf("%v", got)
		}
	})
}

// Pods of Jobs have a finalizer that goes when they end; Kueue's and others' do the same.
func TestAnOrdinaryDrainPublishesOnlyHowManyAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods()
		for i := range 30 {
			pods.put(newPod(fmt.Sprint("p", i), ownedBy("Job", "j"), finalizers("batch.kubernetes.io/job-tracking"), containerRuns))
		}
		pods.keep.Store(true)
		pods.onEvict.set(func(pod *corev1.Pod) {
			var i int
			_, _ = fmt.Sscanf(pod.Name, "p%d", &i)
			ends := time.Duration(i) * 1300 * time.Millisecond // the last after its grace period
			deleted := pod.DeepCopy()
			deleted.DeletionTimestamp = &metav1.Time{Time: time.Now().Add(30 * time.Second)}
			deleted.DeletionGracePeriodSeconds = ptr.To[int64](30)
			pods.put(deleted)
			time.AfterFunc(ends, func() { // The kubelet confirms, and then the finalizer goes.
				ended := deleted.DeepCopy()
				containerEnded(ended)
				ended.DeletionTimestamp, ended.DeletionGracePeriodSeconds = &metav1.Time{Time: time.Now().Add(-ends)}, ptr.To[int64](0)
				pods.put(ended)
			})
			time.AfterFunc(ends+1200*time.Millisecond, func() { pods.remove(pod.Name) })
		})
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pass(time.Minute)
		got := run.state.get()
		if !got.done || got.err != nil {
			t.Fatalf("done %v, error %v", got.done, got.err)
		}
		// The first one, and one for each pod that went but the last, which is in the result.
		if len(got.times) != 30 {
			t.Errorf("published %d times, at %s", len(got.times), got.times)
		}
	})
}
