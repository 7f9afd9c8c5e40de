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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const drainTimeout = 10 * time.Minute

// drainRun is a drain under way in a bubble.
type drainRun struct {
	*drain
	began  time.Time
	cancel context.CancelFunc
	state  shared[drainState]
}

// drainState is what is known about a drain from outside.
type drainState struct {
	// progress and message are what was published last, or the result.
	progress v1alpha1.DrainProgress
	message  string
	// times are when something was published.
	times []time.Duration
	done  bool
	err   error
}

func startDrain(t *testing.T, pods *fakePods, order v1alpha1.DrainOrder, change ...func(*drainOptions)) *drainRun {
	t.Helper()
	run := &drainRun{began: time.Now()}
	options := drainOptions{
		api: pods, clock: clock.RealClock{}, log: testr.New(t), amendment: amendment{order: order, deadline: run.began.Add(drainTimeout)},
		pace: pace{every: time.Second, urgent: time.Second},
		publish: func(progress v1alpha1.DrainProgress, message string) {
			run.state.edit(func(s *drainState) {
				s.progress, s.message, s.times = progress, message, append(s.times, time.Since(run.began))
			})
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
	run.drain, run.cancel = d, cancel
	go func() {
		progress, err := d.run(ctx)
		run.state.edit(func(s *drainState) { s.progress, s.err, s.done = progress, err, true })
	}()
	synctest.Wait()
	return run
}

// want checks where the drain is, except for how long it waited for budgets. It is progressing unless the progress says otherwise.
func (r *drainRun) want(t *testing.T, done bool, progress v1alpha1.DrainProgress) {
	t.Helper()
	if progress.Activity == "" {
		progress.Activity = v1alpha1.DrainProgressing
	}
	got := r.state.get()
	got.progress.BudgetWaitMilliseconds = 0
	if got.done != done {
		t.Errorf("done is %v, want %v", got.done, done)
	}
	if diff := cmp.Diff(progress, got.progress); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func wantAsked(t *testing.T, pods *fakePods, want ...string) {
	t.Helper()
	if diff := cmp.Diff(strings.Join(want, " "), strings.Join(pods.takeAsked(), " ")); diff != "" {
		t.Errorf("evictions asked for (-want +got):\n%s", diff)
	}
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
		pods.keep.Store(true)
		run := startDrain(t, pods, v1alpha1.DrainOrder{GracePeriodSeconds: ptr.To[int32](7)})
		pass(50 * time.Second)
		if diff := cmp.Diff([]*int64{ptr.To[int64](7), ptr.To[int64](7)}, pods.grace.get()); diff != "" {
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
		pods.keep.Store(true)
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		wantAsked(t, pods, "web-0")
		pods.replace(newPod("web-0", func(p *corev1.Pod) { p.UID = "another" }))
		pass(2 * time.Second)
		wantAsked(t, pods, "web-0")
		run.want(t, false, v1alpha1.DrainProgress{Total: 2, Remaining: 1, Returned: []v1alpha1.ReturnedPod{
			{Namespace: "default", Name: "web-0", Owner: "whatever creates Pod web-0", Evictions: 1},
		}})
	})
}

func TestPodsThatArriveDuringADrainHaveToGoToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"))
		pods.keep.Store(true)
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pods.put(newPod("b"))
		pass(time.Second)
		wantAsked(t, pods, "a", "b")
		run.want(t, false, v1alpha1.DrainProgress{Total: 2, Remaining: 2})
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
		last := run.state.get().progress
		if got := len(last.Refused); got != 10 {
			t.Fatalf("%d refused pods, want 10", got)
		}
		if first := last.Refused[0].Name; first != "p00" {
			t.Errorf("the first is %s, want p00", first)
		}
		pass(drainTimeout)
		err := run.state.get().err
		if err == nil || !strings.Contains(err.Error(), "12 pods left: default/p00 (PodDisruptionBudget web), ") ||
			!strings.HasSuffix(err.Error(), ", and 2 more") {
			t.Errorf("error %v", err)
		}
	})
}

func TestADrainFailsAtItsDeadlineAndNamesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"), newPod("b"), newPod("c"))
		pods.refuse["a"] = budgetRefusal("web")
		pods.refuse["b"] = apierrors.NewInternalError(errors.New("boom"))
		pods.keep.Store(true)
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pass(drainTimeout - time.Nanosecond)
		if run.state.get().done {
			t.Fatal("ended before the deadline")
		}
		pass(time.Nanosecond)
		want := fmt.Sprintf("not drained at the deadline %s, 3 pods left: default/a (PodDisruptionBudget web), "+
			"default/b (Internal error occurred: boom), default/c (its grace period until %s)",
			run.began.Add(drainTimeout).UTC().Format(time.RFC3339), run.began.Add(time.Hour).UTC().Format(time.RFC3339))
		got := run.state.get()
		if got.err == nil || got.err.Error() != want {
			t.Errorf("error %v, want %s", got.err, want)
		}
		if got.progress.Remaining != 3 {
			t.Errorf("%d remain, want 3", got.progress.Remaining)
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
		if got := run.state.get(); !got.done || !errors.Is(got.err, context.Canceled) {
			t.Errorf("done %v, error %v", got.done, got.err)
		}
		wantAsked(t, pods)
	})
}

func TestAPodThatTerminatesForTooLongIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a", terminating(time.Now().Add(time.Minute))))
		run := startDrain(t, pods, v1alpha1.DrainOrder{SkipWaitForDeleteSeconds: ptr.To[int32](30)})
		pass(89 * time.Second)
		run.want(t, false, v1alpha1.DrainProgress{
			Total: 1, Remaining: 1, Activity: v1alpha1.DrainStuck, Terminating: []v1alpha1.TerminatingPod{
				{Namespace: "default", Name: "a", HeldBy: "the kubelet has not confirmed that it ended"},
			},
		})
		pass(time.Second)
		run.want(t, true, v1alpha1.DrainProgress{Total: 1})
	})
}

func TestADrainRecoversFromABrokenWatchAndSaysThatItIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"), newPod("b"))
		pods.keep.Store(true)
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pods.breakWatches(errors.New("forbidden"))
		pods.remove("a")
		pass(50 * time.Second)
		if last := run.state.get().message; !strings.HasPrefix(last, "pods of the node: ") || !strings.HasSuffix(last, ": forbidden") {
			t.Errorf("message %q", last)
		}
		run.want(t, false, v1alpha1.DrainProgress{Total: 2, Remaining: 2})
		pods.breakWatches(nil)
		pass(2 * time.Minute)
		if got := run.state.get().progress; got.Total != 2 || got.Remaining != 1 {
			t.Errorf("progress %+v", got)
		}
		if last := run.state.get().message; last != "" {
			t.Errorf("message %q", last)
		}
		pods.remove("b")
		pass(0)
		run.want(t, true, v1alpha1.DrainProgress{Total: 2})
	})
}

// A report is a write, and is handed to every watch of NodeReboots.
func TestADrainOfAFewSecondsIsReportedOnAtItsEndOnlyAndALongOneNowAndThen(t *testing.T) {
	paced := func(o *drainOptions) { o.pace = reportPace }
	for name, test := range map[string]struct {
		// refused is when an eviction is refused.
		refused bool
		// gone is how many pods go, one each second.
		gone int
		want []time.Duration
	}{
		"pods go for four seconds": {gone: 4},
		"pods go for forty seconds": {
			gone: 40, want: []time.Duration{15 * time.Second, 30 * time.Second},
		},
		"a budget refuses": {gone: 4, refused: true, want: []time.Duration{0, 15 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pods := newFakePods()
				for i := range test.gone {
					pods.put(newPod(fmt.Sprint("p", i)))
				}
				if test.refused {
					pods.put(newPod("guarded"))
					pods.refuse["guarded"] = budgetRefusal("web")
				}
				pods.keep.Store(true)
				run := startDrain(t, pods, v1alpha1.DrainOrder{}, paced)
				for i := range test.gone {
					pass(time.Second)
					pods.remove(fmt.Sprint("p", i))
				}
				pass(20 * time.Second)
				if diff := cmp.Diff(test.want, run.state.get().times); diff != "" {
					t.Errorf("published at (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A manager that ends a drain at its deadline says what is left of it.
func TestADrainIsReportedOnBeforeItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("a"))
		pods.keep.Store(true)
		run := startDrain(t, pods, v1alpha1.DrainOrder{}, func(o *drainOptions) {
			o.pace, o.deadline = reportPace, time.Now().Add(4*time.Second)
		})
		pass(time.Second)
		if run.state.get().times == nil {
			t.Error("nothing was reported")
		}
	})
}

func TestProgressIsPublishedAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods()
		for i := range 10 {
			pods.put(newPod(fmt.Sprint("p", i)))
		}
		pods.keep.Store(true)
		run := startDrain(t, pods, v1alpha1.DrainOrder{}, func(o *drainOptions) { o.gone = 5 })
		for i := range 9 {
			pass(300 * time.Millisecond)
			pods.remove(fmt.Sprint("p", i))
		}
		pass(50 * time.Second)
		want := []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}
		if diff := cmp.Diff(want, run.state.get().times); diff != "" {
			t.Errorf("published at (-want +got):\n%s", diff)
		}
		run.want(t, false, v1alpha1.DrainProgress{Total: 15, Remaining: 1})
	})
}

func TestADrainEndsWithAnAmendmentThatItDoesNotUnderstand(t *testing.T) {
	for name, change := range map[string]func(*amendment){
		"another protocol": func(a *amendment) { a.protocol = v1alpha1.ProtocolLevel + 1 },
		"another selector": func(a *amendment) {
			a.order.Selector = &v1alpha1.PodSelector{}
			a.order.Selector.MatchExpressions = []v1alpha1.LabelRequirement{{Key: "x", Operator: "Resembles"}}
		},
	} {
		d, err := newDrain(drainOptions{clock: clock.RealClock{}, log: testr.New(t)})
		if err != nil {
			t.Fatal(err)
		}
		amended := amendment{deadline: time.Now()}
		change(&amended)
		if err := d.apply(amended); err == nil || !d.deadline.IsZero() {
			t.Errorf("%s: error %v, deadline %s", name, err, d.deadline)
		}
	}
}

func TestADrainLooksAgainWhenSomethingIsDue(t *testing.T) {
	const never = 24 * time.Hour
	ends := func(p *leavingPod) { p.DeletionTimestamp = &metav1.Time{Time: testNow.Add(30 * time.Second)} }
	for name, tc := range map[string]struct {
		pod    *leavingPod
		change func(*drain, *leavingPod)
		want   time.Duration
	}{
		"nothing but the deadline": {nil, nil, never - lastCall},
		"a pod to evict":           {&leavingPod{next: testNow.Add(3 * time.Second)}, nil, 3 * time.Second},
		"a pod that is being evicted": {
			&leavingPod{next: testNow.Add(3 * time.Second), inFlight: true}, nil, never - lastCall,
		},
		"a pod that ends": {
			&leavingPod{accepted: true}, func(_ *drain, p *leavingPod) { ends(p) }, 30*time.Second + overdueAfter,
		},
		"a pod that ends, with a finalizer": {
			&leavingPod{accepted: true}, func(_ *drain, p *leavingPod) { ends(p); p.Finalizers = []string{"example.com/x"} }, 30 * time.Second,
		},
		"a pod that is not waited for once its time is over": {
			&leavingPod{accepted: true}, func(d *drain, p *leavingPod) { ends(p); d.order.SkipWaitForDeleteSeconds = ptr.To[int32](10) },
			40 * time.Second,
		},
		"a drain that is soon stuck": {nil, func(d *drain, _ *leavingPod) { d.moved = testNow.Add(5*time.Second - stuckAfter) }, 5 * time.Second},
		"a drain that is stuck":      {nil, func(d *drain, _ *leavingPod) { d.moved = testNow.Add(-stuckAfter) }, never - lastCall},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := newDrain(drainOptions{clock: clock.RealClock{}, log: testr.New(t)})
			if err != nil {
				t.Fatal(err)
			}
			d.deadline, d.moved = testNow.Add(never), testNow.Add(-2*stuckAfter)
			if tc.pod != nil {
				tc.pod.Pod, tc.pod.owner = newPod("a"), &owner{}
				d.leaving[tc.pod.UID] = tc.pod
			}
			if tc.change != nil {
				tc.change(d, tc.pod)
			}
			if got := d.nextLook(testNow).Sub(testNow); got != tc.want {
				t.Errorf("after %s, want %s", got, tc.want)
			}
		})
	}
}

// An order may be changed to one that waits for pods that come back.
func TestWhatIsKnownOfAPodIsNotForgottenWhileItIsIgnored(t *testing.T) {
	d, err := newDrain(drainOptions{clock: clock.RealClock{}, log: testr.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	leaves, ignored := &leavingPod{Pod: newPod("a")}, &leavingPod{Pod: newPod("b")}
	d.leaving[leaves.UID], d.ignored[ignored.UID] = leaves, ignored
	for _, known := range []*leavingPod{leaves, ignored} {
		if got := d.known(known.Pod, testNow); got != known {
			t.Errorf("of pod %s is known %+v", known.Name, got)
		}
	}
	if p := d.known(newPod("c"), testNow); p == leaves || p == ignored || !p.late || !p.next.Equal(testNow) {
		t.Errorf("of a new pod is known %+v", p)
	}
}
