package helper

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

// amend changes the order in force as the manager does, with the same sequence.
func (w *world) amend(change func(*v1alpha1.RebootOrder)) {
	w.t.Helper()
	w.reboots.edit(w.t, "x", func(r *v1alpha1.NodeReboot) { change(r.Status.Order) })
	pass(0)
}

// drainForever begins a drain of pods a and b, of which a is refused.
func (w *world) drainForever() {
	w.t.Helper()
	w.pods.put(newPod("a"))
	w.pods.put(newPod("b", labeled("app", "b")))
	w.pods.refuse["a"] = budgetRefusal("web")
	w.pods.keep.Store(true)
	w.order(1, v1alpha1.ActionDrain)
}

func TestADrainUnderWayFollowsADeadlineThatIsChanged(t *testing.T) {
	for name, test := range map[string]struct {
		// deadline is the new one, counted from the start; wantOpen is when the drain continues, wantOver when it has timed out.
		deadline, wantOpen, wantOver time.Duration
	}{
		"to a later time":   {time.Hour, time.Hour - time.Second, time.Hour},
		"to a sooner time":  {2 * time.Minute, 2*time.Minute - time.Second, 2 * time.Minute},
		"to one that is up": {-time.Minute, time.Minute, time.Minute + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				defer w.start()()
				began := time.Now()
				w.drainForever()
				pass(time.Minute - time.Since(began))
				if state := w.report().State; state != v1alpha1.OrderStarted {
					t.Fatalf("state %s", state)
				}
				if test.wantOpen > time.Minute {
					w.amend(func(o *v1alpha1.RebootOrder) { o.Deadline = metav1.NewMicroTime(began.Add(test.deadline)) })
					pass(test.wantOpen - time.Since(began))
					if state := w.report().State; state != v1alpha1.OrderStarted {
						t.Errorf("state %s after %s", state, time.Since(began))
					}
				} else {
					w.amend(func(o *v1alpha1.RebootOrder) { o.Deadline = metav1.NewMicroTime(began.Add(test.deadline)) })
				}
				pass(test.wantOver - time.Since(began))
				if state := w.report().State; state != v1alpha1.OrderTimedOut {
					t.Errorf("state %s after %s", state, time.Since(began))
				}
			})
		})
	}
}

func TestADrainUnderWayFollowsOptionsThatAreChanged(t *testing.T) {
	for name, test := range map[string]struct {
		options v1alpha1.DrainOrder
		want    func(w *world)
	}{
		"fewer pods": {v1alpha1.DrainOrder{Selector: selector.Of("app=b")}, func(w *world) {
			w.pods.remove("b")
			pass(time.Second)
			w.wantReport(recorded(1, v1alpha1.OrderDone), drained(2, 0))
		}},
		"a shorter grace period": {v1alpha1.DrainOrder{GracePeriodSeconds: ptr.To[int32](5)}, func(w *world) {
			if asked := strings.Join(w.pods.takeAsked(), " "); !strings.Contains(asked, "b") {
				t.Errorf("evictions of %q were asked for", asked)
			}
			if grace := w.pods.grace.get(); *grace[len(grace)-1] != 5 {
				t.Errorf("the grace period is %d", *grace[len(grace)-1])
			}
			w.pods.takeAsked()
			pass(time.Minute)
			if asked := strings.Join(w.pods.takeAsked(), " "); strings.Contains(asked, "b") {
				t.Errorf("the eviction of b was asked for again: %q", asked)
			}
		}},
		"pods that must not be evicted": {v1alpha1.DrainOrder{Unmanaged: v1alpha1.UnmanagedRefuse}, func(w *world) {
			w.wantReport(recorded(1, v1alpha1.OrderFailed), saying("pod default/a must not be evicted: it has no controller"),
				func(r *v1alpha1.HelperReport) { r.Drain = w.report().Drain })
		}},
		"a selector that is none": {v1alpha1.DrainOrder{Selector: selector.Of("=x")}, func(w *world) {
			if report := w.report(); report.State != v1alpha1.OrderFailed || !strings.HasPrefix(report.Message, "invalid pod selector") {
				t.Errorf("state %s, message %q", report.State, report.Message)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				defer w.start()()
				w.drainForever()
				pass(5 * time.Second)
				w.pods.takeAsked()
				w.amend(func(o *v1alpha1.RebootOrder) { o.Drain = &test.options })
				test.want(w)
			})
		})
	}
}

func TestReturningPodsThatAreNoLongerIgnoredHoldUpTheDrain(t *testing.T) {
	inWorld(t, func(w *world) {
		s := newStubborn(1, kruise)
		s.put("held", kruise)
		s.pods.refuse["held-0"] = budgetRefusal("web")
		w.pods = s.pods
		defer w.start()()
		w.order(1, v1alpha1.ActionDrain)
		pass(20 * time.Second)
		if drain := w.report().Drain; drain.Remaining != 1 || len(drain.Returned) != 1 {
			t.Errorf("progress %+v", drain)
		}
		w.amend(func(o *v1alpha1.RebootOrder) {
			o.Drain = &v1alpha1.DrainOrder{ReturningPods: v1alpha1.ReturningPodsRefuse}
		})
		pass(reportPace.every)
		if drain := w.report().Drain; drain.Remaining != 2 {
			t.Errorf("progress %+v", drain)
		}
		w.amend(func(o *v1alpha1.RebootOrder) { o.Drain = nil })
		s.pods.allow("held-0")
		pass(2 * lastBudgetPause) // the pause is jittered
		if report := w.report(); report.State != v1alpha1.OrderDone {
			t.Errorf("state %s, progress %+v", report.State, report.Drain)
		}
	})
}

func TestADrainFollowsOnlyItsOwnOrderAndNoCopyOfBefore(t *testing.T) {
	drain := func(change ...func(*v1alpha1.RebootOrder)) *v1alpha1.NodeReboot {
		return newReboot("x", ordered(3, v1alpha1.ActionDrain, change...), reported(recorded(3, v1alpha1.OrderStarted)))
	}
	follows := job{sequence: 3, state: v1alpha1.OrderStarted, order: drain().Status.Order}
	for name, test := range map[string]struct {
		reboot *v1alpha1.NodeReboot
		job    job
		behind bool
		want   bool
	}{
		"another deadline":           {reboot: drain(expired), job: follows, want: true},
		"other options":              {reboot: drain(selecting("app=x")), job: follows, want: true},
		"nothing new":                {reboot: drain(), job: follows},
		"a copy that is out of date": {reboot: drain(expired), job: follows, behind: true},
		"another order":              {reboot: newReboot("x", ordered(4, v1alpha1.ActionDrain, expired), reported()), job: follows},
		"no order":                   {reboot: newReboot("x", reported()), job: follows},
		"a drain that has ended":     {reboot: drain(expired), job: job{sequence: 3, state: v1alpha1.OrderDone}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFacts(test.reboot)
			f.jobs, f.behind = map[types.UID]job{"uid-x": test.job}, map[types.UID]bool{"uid-x": test.behind}
			if got := len(decide(f).amend) == 1; got != test.want {
				t.Errorf("follows is %v, want %v", got, test.want)
			}
		})
	}
}

func TestAnOrderThatIsExtendedBeforeItWasBegunIsCarriedOut(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pods.put(newPod("a"))
		defer w.start()()
		w.order(1, v1alpha1.ActionDrain, func(o *v1alpha1.RebootOrder) { o.Deadline = metav1.NewMicroTime(time.Now()) })
		wantAsked(t, w.pods)
		w.amend(func(o *v1alpha1.RebootOrder) { o.Deadline = metav1.NewMicroTime(time.Now().Add(time.Minute)) })
		w.wantReport(recorded(1, v1alpha1.OrderDone), drained(1, 0))
	})
}

func TestAChangedOrderCausesNoWrite(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.start()()
		w.drainForever()
		pass(30 * time.Second)
		writes := w.reboots.writes.Load()
		w.amend(func(o *v1alpha1.RebootOrder) { o.Deadline = metav1.NewMicroTime(time.Now().Add(time.Hour)) })
		pass(time.Second)
		if got := w.reboots.writes.Load() - writes; got != 0 {
			t.Errorf("%d writes", got)
		}
	})
}
