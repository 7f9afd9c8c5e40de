package helper

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestAHelperWaitsForAWatchThatLagsBehindItsOwnWrites(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.start()()
		writes := w.reboots.writes.Load()
		w.reboots.hold(true)
		w.sentinel.set(v1alpha1.SentinelNotRequired, true)
		pass(0)
		w.sentinel.set(v1alpha1.SentinelUnknown, true)
		pass(30 * time.Second)
		if got := w.reboots.writes.Load() - writes; got != 1 {
			t.Errorf("%d writes, want 1: the second would be about something stale", got)
		}
		w.reboots.hold(false)
		pass(0)
		w.wantReport(sentinelIs(v1alpha1.SentinelUnknown), saying("sentinel unknown: libc6"))
	})
}

// What the watch brings next settles a conflict; trying again before that cannot.
func TestAReportThatComesTooLateIsNotRepeatedBeforeTheWatchBringsWhy(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"the NodeReboot has changed": func(w *world) {
			w.reboots.edit(w.t, "x", func(r *v1alpha1.NodeReboot) { r.Status.Reason = v1alpha1.ReasonZoneBusy })
		},
		"the NodeReboot is gone": func(w *world) { w.reboots.remove("x") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				defer w.start()()
				w.reboots.hold(true)
				change(w)
				writes := w.reboots.writes.Load()
				w.sentinel.set(v1alpha1.SentinelNotRequired, true)
				pass(30 * time.Second)
				if got := w.reboots.writes.Load() - writes; got != 1 {
					t.Errorf("%d writes, want 1", got)
				}
				w.reboots.hold(false)
				pass(0)
				if _, ok := w.reboots.get("x"); ok {
					w.wantReport(sentinelIs(v1alpha1.SentinelNotRequired))
				}
			})
		})
	}
}

func TestANodeRebootThatTheWatchHasNotBroughtYetIsNotMadeAgainAndAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.reboots.remove("x")
		w.sentinel.set(v1alpha1.SentinelNotRequired, false)
		defer w.start()()
		w.reboots.hold(true)
		for range 2 {
			w.sentinel.set(v1alpha1.SentinelRequired, true)
			pass(0)
		}
		pass(50 * time.Second)
		if got := w.reboots.writes.Load(); got != 2 {
			t.Errorf("%d requests, want one for each hint", got)
		}
	})
}

func TestNothingIsMadeBeforeTheNodesNodeRebootsAreKnown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.reboots.breakWatches(errors.New("forbidden"))
		defer w.start()()
		w.sentinel.set(v1alpha1.SentinelRequired, true)
		pass(30 * time.Second)
		if got := w.reboots.writes.Load(); got != 0 {
			t.Errorf("%d writes without knowing what there is", got)
		}
		w.reboots.breakWatches(nil)
		pass(2 * time.Minute)
		w.wantReport()
	})
}

func TestAHelperIsReadyWhenItKnowsItsNodeReboots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := &agent{Options: Options{Sentinel: w.sentinel}, reboots: newMirror[*v1alpha1.NodeReboot](), source: w.reboots}
		w.reboots.breakWatches(errors.New("forbidden"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		a.readSentinel(ctx)
		go a.follow(ctx)
		synctest.Wait()
		if err := a.ready(); err == nil || !strings.Contains(err.Error(), "forbidden") {
			t.Errorf("ready says %v", err)
		}
		w.reboots.breakWatches(nil)
		pass(time.Minute)
		if err := a.ready(); err != nil {
			t.Errorf("ready says %v", err)
		}
	})
}
