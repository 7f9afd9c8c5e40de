package helper

import (
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
		w.wantReport(recorded(1, v1alpha1.OrderDone), drained(2, 0))
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

func TestADrainThatCrashedAfterItWasRecordedIsCarriedOutByTheNextHelper(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pods.put(newPod("a"))
		stop := w.start()
		w.reboots.afterReport.set(func(r *v1alpha1.HelperReport) { crashIf(r.Sequence == 1) })
		w.order(1, v1alpha1.ActionDrain)
		stop()
		wantAsked(t, w.pods)
		w.reboots.afterReport.set(nil)
		defer w.start()()
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
