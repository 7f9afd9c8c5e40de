package helper

import (
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// flicker has the sentinel come and go once a second, for so long.
func (w *world) flicker(seconds int) {
	w.t.Helper()
	for i := range seconds {
		state := v1alpha1.SentinelRequired
		if i%2 == 0 {
			state = v1alpha1.SentinelNotRequired
		}
		w.sentinel.set(state, true)
		pass(time.Second)
	}
}

func TestAHostThatCannotMakeUpItsMindIsReportedOnNowAndThen(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.start()()
		writes := w.reboots.writes.Load()
		const minutes = 10
		w.flicker(60 * minutes)
		most := int32(reportBurst + minutes*time.Minute/reportPause)
		if got := w.reboots.writes.Load() - writes; got > most || got < most/2 {
			t.Errorf("%d reports in %d minutes, want about %d", got, minutes, most)
		}
		w.sentinel.set(v1alpha1.SentinelNotRequired, true)
		pass(reportPause)
		w.wantReport(sentinelIs(v1alpha1.SentinelNotRequired)) // what it comes to is not forgotten
		writes = w.reboots.writes.Load()
		pass(time.Hour)
		w.flicker(1 + reportBurst) // after a quiet time changes are reported at once; the first is none
		if got := w.reboots.writes.Load() - writes; got != reportBurst {
			t.Errorf("%d reports of %d changes", got, reportBurst)
		}
	})
}

func TestWhatIsAboutAnOrderDoesNotWaitForOtherReports(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pods.put(newPod("a"))
		defer w.start()()
		w.flicker(3 * reportBurst)
		w.order(1, v1alpha1.ActionDrain)
		wantAsked(t, w.pods, "a")
		if report := w.report(); report.State != v1alpha1.OrderDone || report.Sequence != 1 {
			t.Errorf("the end of the drain is not reported: state %s of order %d", report.State, report.Sequence)
		}
		w.order(2, v1alpha1.ActionReboot)
		w.wantReboots(1)
		if report := w.report(); report.State != v1alpha1.OrderStarted || report.Sequence != 2 {
			t.Errorf("the order to reboot is not recorded: state %s of order %d", report.State, report.Sequence)
		}
	})
}

func TestReportsOnOrdersAreUrgent(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*v1alpha1.HelperReport)
		want   bool
	}{
		"nothing":                {change: func(*v1alpha1.HelperReport) {}},
		"the sentinel":           {change: func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelUnknown }},
		"another boot":           {change: func(r *v1alpha1.HelperReport) { r.BootID = bootB }, want: true},
		"another run":            {change: func(r *v1alpha1.HelperReport) { r.Instance.Term++ }, want: true},
		"another order":          {change: func(r *v1alpha1.HelperReport) { r.Sequence++ }, want: true},
		"the end of an order":    {change: func(r *v1alpha1.HelperReport) { r.State = v1alpha1.OrderDone }, want: true},
		"progress":               {change: func(r *v1alpha1.HelperReport) { r.Drain = &v1alpha1.DrainProgress{Total: 2, Remaining: 1} }, want: true},
		"the progress of before": {change: func(r *v1alpha1.HelperReport) { r.Drain = &v1alpha1.DrainProgress{Total: 2, Remaining: 2} }},
	} {
		t.Run(name, func(t *testing.T) {
			drain := &v1alpha1.DrainProgress{Total: 2, Remaining: 2}
			before := &v1alpha1.HelperReport{BootID: bootA, Sequence: 1, State: v1alpha1.OrderStarted, Drain: drain}
			after := before.DeepCopy()
			tc.change(after)
			s := step{reboot: &v1alpha1.NodeReboot{Status: v1alpha1.NodeRebootStatus{Report: before}}, report: after}
			if got := s.urgent(); got != tc.want {
				t.Errorf("urgent: %t", got)
			}
		})
	}
}

func TestTheFirstReportOfABootAndOfARunDoesNotWait(t *testing.T) {
	inWorld(t, func(w *world) {
		stop := w.start()
		w.flicker(3 * reportBurst)
		stop()
		w.host.setBootID(bootB)
		defer w.start()()
		if report := w.report(); report.BootID != bootB {
			t.Errorf("reported is boot %s", report.BootID)
		}
		w.flicker(3 * reportBurst)
		w.reboots.put(newReboot("y", manual))
		pass(0)
		if other, _ := w.reboots.get("y"); other.Status.Report == nil {
			t.Error("nothing is reported about a NodeReboot that is new")
		}
	})
}

// A report that is held up when another helper takes over is never made. A helper that waited for that report would not wait at all.
func TestASupersededHelperWaitsForNoReport(t *testing.T) {
	inWorld(t, func(w *world) {
		stop := w.start()
		states := []v1alpha1.SentinelState{v1alpha1.SentinelNotRequired, v1alpha1.SentinelRequired}
		for i := 0; w.agent.unsaid.IsZero(); i++ {
			if i == 10*reportBurst {
				t.Fatal("no report is held up")
			}
			w.sentinel.set(states[i%2], true)
			pass(time.Second)
		}
		w.reboots.edit(t, "x", func(r *v1alpha1.NodeReboot) { by("z", w.agent.self.Term+1)(r.Status.Report) })
		pass(10 * time.Second)
		stop() // before what the helper waits for is looked at
		if w.agent.superseded.Load() == nil || !w.agent.unsaid.IsZero() {
			t.Errorf("superseded: %v; it waits for %s", w.agent.superseded.Load(), w.agent.unsaid)
		}
	})
}
