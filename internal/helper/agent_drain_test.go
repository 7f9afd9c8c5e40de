package helper

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestADrainIsReportedToItsEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pods.put(newPod("a"))
		w.pods.put(newPod("b"))
		w.pods.refuse["a"] = budgetRefusal("web")
		defer w.start()()
		w.order(1, v1alpha1.ActionDrain)
		pass(reportPace.every)
		w.wantReport(recorded(1, v1alpha1.OrderStarted), func(r *v1alpha1.HelperReport) {
			r.Drain = &v1alpha1.DrainProgress{Total: 2, Remaining: 1, Activity: v1alpha1.DrainProgressing, Refused: []v1alpha1.RefusedPod{{
				Namespace: "default", Name: "a", By: "PodDisruptionBudget web",
				Message: "The disruption budget web needs 3 healthy pods and has 3 currently",
			}}}
		})
		w.pods.allow("a")
		pass(2 * lastBudgetPause) // the pause is jittered
		waited := w.report().Drain.BudgetWaitMilliseconds
		w.wantReport(recorded(1, v1alpha1.OrderDone), drained(2, 0), func(r *v1alpha1.HelperReport) { r.Drain.BudgetWaitMilliseconds = waited })
		if least := firstBudgetPause.Milliseconds(); waited < least {
			t.Errorf("the report says that the drain waited for budgets for %d ms, less than %d", waited, least)
		}
	})
}

func TestADrainThatIsOutOfTimeSaysSoAndWhatIsLeft(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pods.put(newPod("a"))
		w.pods.refuse["a"] = budgetRefusal("web")
		defer w.start()()
		w.order(1, v1alpha1.ActionDrain)
		pass(drainTimeout)
		report := w.report()
		if report.State != v1alpha1.OrderTimedOut || !strings.HasSuffix(report.Message, "1 pod left: default/a (PodDisruptionBudget web)") {
			t.Errorf("state %s, message %q", report.State, report.Message)
		}
		w.pods.takeAsked()
		pass(time.Hour)
		wantAsked(t, w.pods)
	})
}

func TestADrainStopsWhenItsOrderIsNotInForce(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"withdrawn": func(w *world) { w.withdraw() },
		"replaced": func(w *world) {
			w.order(2, v1alpha1.ActionReboot)
			w.wantReboots(1)
		},
		"NodeReboot is being deleted": func(w *world) { w.reboots.edit(w.t, "x", deleting) },
		"NodeReboot is gone":          func(w *world) { w.reboots.remove("x") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.pods.put(newPod("a"))
				w.pods.refuse["a"] = budgetRefusal("web")
				defer w.start()()
				w.order(1, v1alpha1.ActionDrain)
				pass(time.Second)
				end(w)
				pass(0)
				w.pods.takeAsked()
				writes := w.reboots.writes.Load()
				w.sentinel.set(v1alpha1.SentinelUnknown, false)
				pass(30 * time.Second)
				wantAsked(t, w.pods)
				if w.reboots.writes.Load() != writes {
					t.Errorf("%d reports about a drain that is not in force", w.reboots.writes.Load()-writes)
				}
			})
		})
	}
}

func TestADrainIsResumedByTheNextHelper(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pods.put(newPod("a"))
		w.pods.put(newPod("b"))
		w.pods.keep.Store(true)
		stop := w.start()
		w.order(1, v1alpha1.ActionDrain)
		w.pods.remove("a")
		pass(reportPace.first)
		w.wantReport(recorded(1, v1alpha1.OrderStarted), drained(2, 1))
		stop()
		w.pods.takeAsked()
		defer w.start()()
		wantAsked(t, w.pods) // It is ending.
		w.pods.remove("b")
		pass(time.Second)
		w.wantReport(recorded(1, v1alpha1.OrderDone), drained(2, 0))
	})
}

// Nothing says that the drain has begun: the next helper begins it again.
func TestADrainThatCrashedBeforeItWasReportedOnIsCarriedOutByTheNextHelper(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pods.put(newPod("a"))
		w.pods.put(newPod("b"))
		w.pods.keep.Store(true)
		stop := w.start()
		w.order(1, v1alpha1.ActionDrain)
		wantAsked(t, w.pods, "a", "b")
		w.pods.remove("a")
		stop()
		w.wantReport()
		defer w.start()()
		w.pods.remove("b")
		pass(time.Second)
		w.wantReport(recorded(1, v1alpha1.OrderDone), drained(1, 0))
	})
}

func TestAShortDrainIsOneReport(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pods.put(newPod("a"))
		w.pods.keep.Store(true)
		defer w.start()()
		writes, looks := w.reboots.writes.Load(), w.reboots.finds.Load()
		w.order(1, v1alpha1.ActionDrain)
		wantAsked(t, w.pods, "a")
		pass(reportPace.first - time.Second)
		w.wantReport()
		w.pods.remove("a")
		pass(0)
		w.wantReport(recorded(1, v1alpha1.OrderDone), drained(1, 0))
		pass(time.Hour)
		if got := w.reboots.writes.Load() - writes; got != 1 {
			t.Errorf("%d reports", got)
		}
		if got := w.reboots.finds.Load() - looks; got != 1 {
			t.Errorf("looked %d times whether the order is in force", got)
		}
	})
}

// The watch of a helper may be behind the manager.
func TestAnOrderToDrainThatIsNoLongerInForceIsNotCarriedOut(t *testing.T) {
	unavailable := errors.New("the API server is not there")
	for name, test := range map[string]struct {
		meanwhile func(w *world)
		fails     error
		want      []string
	}{
		"it is in force":    {meanwhile: func(*world) {}, want: []string{"a"}},
		"it was withdrawn":  {meanwhile: func(w *world) { w.reboots.edit(w.t, "x", func(r *v1alpha1.NodeReboot) { r.Status.Order = nil }) }},
		"another was given": {meanwhile: func(w *world) { w.reboots.edit(w.t, "x", ordered(2, v1alpha1.ActionDrain, expired)) }},
		"it takes a higher level of the protocol by then": {meanwhile: func(w *world) {
			w.reboots.edit(w.t, "x", func(r *v1alpha1.NodeReboot) { r.Status.Order.Protocol = v1alpha1.ProtocolLevel + 1 })
		}},
		"it is being deleted": {meanwhile: func(w *world) { w.reboots.edit(w.t, "x", deleting) }},
		"it has ended":        {meanwhile: func(w *world) { w.reboots.edit(w.t, "x", completed(v1alpha1.OutcomeCancelled)) }},
		"it cannot be read":   {meanwhile: func(w *world) { w.reboots.edit(w.t, "x", setAside) }},
		"it is gone":          {meanwhile: func(w *world) { w.reboots.remove("x") }},
		"there is another one of the name": {meanwhile: func(w *world) {
			another, _ := w.reboots.get("x")
			another = another.DeepCopy()
			another.UID = "another"
			w.reboots.put(another)
		}},
		"nobody knows": {meanwhile: func(*world) {}, fails: unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.pods.put(newPod("a"))
				defer w.start()()
				w.reboots.hold(false)
				w.reboots.onFind.set(func() error {
					w.reboots.onFind.set(func() error { return test.fails })
					w.reboots.hold(true) // The helper learns of it later.
					test.meanwhile(w)
					return test.fails
				})
				w.order(1, v1alpha1.ActionDrain)
				wantAsked(t, w.pods, test.want...)
			})
		})
	}
}

func TestADrainBeginsOnceItIsKnownThatItsOrderIsInForce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pods.put(newPod("a"))
		defer w.start()()
		w.reboots.onFind.set(func() error { return errors.New("the API server is not there") })
		w.order(1, v1alpha1.ActionDrain)
		pass(time.Minute)
		wantAsked(t, w.pods)
		w.reboots.onFind.set(nil)
		pass(time.Minute)
		wantAsked(t, w.pods, "a")
		w.wantReport(recorded(1, v1alpha1.OrderDone), drained(1, 0))
	})
}

// The order is followed as it was found, although the watch brings older versions of it.
func TestADrainBeginsWithWhatItsOrderSaysByThen(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pods.put(newPod("a"))
		w.pods.put(newPod("b", labeled("app", "b")))
		defer w.start()()
		w.reboots.onFind.set(func() error {
			w.reboots.onFind.set(nil)
			w.reboots.hold(true)
			w.reboots.edit(t, "x", func(r *v1alpha1.NodeReboot) { selecting("app=b")(r.Status.Order) })
			return nil
		})
		w.order(1, v1alpha1.ActionDrain)
		pass(time.Second)
		wantAsked(t, w.pods, "b")
		w.reboots.hold(false)
		pass(time.Second)
		wantAsked(t, w.pods)
		w.wantReport(recorded(1, v1alpha1.OrderDone), drained(1, 0))
	})
}

func TestADrainThatIsStuckIsStillStuckForTheNextHelper(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pods.put(newPod("a"))
		w.pods.refuse["a"] = budgetRefusal("web")
		stop := w.start()
		w.order(1, v1alpha1.ActionDrain)
		pass(2 * time.Minute)
		stop()
		defer w.start()()
		pass(30 * time.Second)
		if got := w.report().Drain.Activity; got != v1alpha1.DrainStuck {
			t.Errorf("activity %s", got)
		}
	})
}
