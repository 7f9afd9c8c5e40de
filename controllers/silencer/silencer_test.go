package silencer

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestASilenceIsRenewedAtHalfItsTimeAndEndedWithTheReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := newFakeServer()
		b := newBench(t, map[string]*fakeServer{"http://am": am})
		b.pass()
		time.Sleep(24 * time.Hour)
		want(t, "idle", am.take())
		if lists := am.listed(); lists != 1 {
			t.Errorf("listed %d times in an idle day", lists)
		}
		am.began = time.Now()
		b.underWay("a")
		b.pass()
		want(t, "begun", am.take(), "0s keep a 10m0s")
		for range 100 {
			b.pass() // a pass that changes nothing has nothing written
			time.Sleep(time.Second)
		}
		time.Sleep(15 * time.Minute)
		// Nothing else had passes made for most of that time: the silence asks for one before it is renewed.
		want(t, "renewed", am.take(), "5m0s keep a 10m0s", "10m0s keep a 10m0s", "15m0s keep a 10m0s")
		if n := b.passes(); n != 3 {
			t.Errorf("%d passes were asked for", n)
		}
		if n := b.Numbers()["p"]; n != (Number{Silences: 1}) || am.active() != 1 {
			t.Errorf("%+v, and %d active", n, am.active())
		}
		b.change(func() { b.reboots["a"].Status.Attempt.EndedTime = ptr.To(metav1.NowMicro()) })
		b.pass()
		want(t, "ended", am.take(), "16m40s end a")
		time.Sleep(time.Hour)
		want(t, "and nothing more", am.take())
		b.stop()
	})
}

func TestAFailureADeletionAndOtherMatchersEndASilenceAtOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(b *bench)
		want   []string
	}{
		"stalled":     {func(b *bench) { b.reboots["a"].Status.Attempt.StalledTime = ptr.To(metav1.NowMicro()) }, []string{"1m0s end a"}},
		"rolled back": {func(b *bench) { b.reboots["a"].Status.Attempt.RolledBackTime = ptr.To(metav1.NowMicro()) }, []string{"1m0s end a"}},
		"failed":      {func(b *bench) { b.reboots["a"].Status.Attempt.EndedTime = ptr.To(metav1.NowMicro()) }, []string{"1m0s end a"}},
		"NodeReboot deleted": {
			func(b *bench) { b.reboots["a"].DeletionTimestamp = ptr.To(metav1.Now()) }, []string{"1m0s end a"},
		},
		"NodeReboot gone": {func(b *bench) { delete(b.reboots, "a") }, []string{"1m0s end a"}},
		"policy gone":     {func(b *bench) { b.policy = nil }, []string{"1m0s end a", "1m0s end b"}},
		"entry gone":      {func(b *bench) { b.policy.Spec.Silences = nil }, []string{"1m0s end a", "1m0s end b"}},
		"other matchers": {
			func(b *bench) {
				b.policy.Spec.Silences = []v1alpha1.AlertSilence{entry("http://am", "{{ .Node }}:9100")}
			},
			[]string{"1m0s end a", "1m0s end b", "1m0s keep a 10m0s", "1m0s keep b 10m0s"},
		},
		"a shorter duration": {
			func(b *bench) {
				shorter := entry("http://am", "{{ .Node }}")
				shorter.DurationSeconds = ptr.To[int32](120)
				b.policy.Spec.Silences = []v1alpha1.AlertSilence{shorter}
			}, []string{"1m0s keep a 2m0s", "1m0s keep b 2m0s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				am := newFakeServer()
				b := newBench(t, map[string]*fakeServer{"http://am": am})
				b.underWay("a", "b")
				b.pass()
				want(t, "begun", am.take(), "0s keep a 10m0s", "0s keep b 10m0s")
				time.Sleep(time.Minute)
				b.change(func() { tc.change(b) })
				b.pass()
				want(t, "changed", am.take(), tc.want...)
				if b.policy == nil && !b.Idle() {
					t.Error("something is left to do")
				}
				b.stop()
			})
		})
	}
}

func TestAnotherAlertmanagerTakesOverAndTheFirstOneIsFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newFakeServer(), newFakeServer()
		b := newBench(t, map[string]*fakeServer{"http://am": first, "http://other": second})
		b.underWay("a")
		b.pass()
		want(t, "first", first.take(), "0s keep a 10m0s")
		b.change(func() { b.policy.Spec.Silences = []v1alpha1.AlertSilence{entry("http://other", "{{ .Node }}")} })
		b.pass()
		want(t, "second", second.take(), "0s keep a 10m0s")
		want(t, "freed", first.take(), "0s end a")
		if len(b.lanes) != 1 {
			t.Errorf("%d lanes are left", len(b.lanes))
		}
		b.stop()
	})
}

func TestAnotherWayToTheSameAlertmanagerMovesASilenceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := newFakeServer()
		b := newBench(t, map[string]*fakeServer{"http://am": am, "http://am/": am})
		b.underWay("a")
		b.pass()
		am.take()
		b.change(func() { b.policy.Spec.Silences = []v1alpha1.AlertSilence{entry("http://am/", "{{ .Node }}")} })
		b.pass()
		writes := am.take()
		slices.Sort(writes) // the new lane ends what it finds of the old one, too, if it is faster
		want(t, "moved", slices.Compact(writes), "0s end a", "0s keep a 10m0s")
		if am.active() != 1 || b.Numbers()["p"].Silences != 1 {
			t.Errorf("%d active, %+v counted", am.active(), b.Numbers())
		}
		b.stop()
	})
}

func TestASilenceLingersAfterTheProofIfThePolicySaysSo(t *testing.T) {
	for name, tc := range map[string]struct {
		linger int32
		want   string
	}{
		"for less time than it lasts": {90, "1m0s keep a 1m30s"},
		"for more time than it lasts": {1800, "1m0s keep a 30m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				am := newFakeServer()
				b := newBench(t, map[string]*fakeServer{"http://am": am})
				b.policy.Spec.Silences[0].LingerSeconds = &tc.linger
				b.underWay("a")
				b.pass()
				time.Sleep(time.Minute)
				b.change(func() {
					status, ended := &b.reboots["a"].Status, metav1.NowMicro()
					status.Attempt.EndedTime, status.CompletionTime, status.Outcome = &ended, &ended, v1alpha1.OutcomeSucceeded
				})
				b.pass()
				linger := time.Duration(tc.linger) * time.Second
				time.Sleep(linger - 10*time.Second)
				b.pass()
				if am.active() != 1 {
					t.Error("it did not linger")
				}
				time.Sleep(11 * time.Second)
				b.pass()
				time.Sleep(time.Hour)
				want(t, "all", am.take(), "0s keep a 10m0s", tc.want)
				if n := b.Numbers()["p"].Silences; am.active() != 0 || n != 0 {
					t.Errorf("%d active, %d counted", am.active(), n)
				}
				b.stop()
			})
		})
	}
}

func TestASilenceLapsesWhenNoPassAsksForItAnyLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := newFakeServer()
		b := newBench(t, map[string]*fakeServer{"http://am": am})
		b.underWay("a")
		b.pass()
		b.goDeaf()
		time.Sleep(10*time.Minute - time.Second)
		if am.active() != 1 || b.passes() != 1 {
			t.Errorf("%d active, %d passes were asked for", am.active(), b.passes())
		}
		time.Sleep(2 * time.Second)
		if n := am.active(); n != 0 {
			t.Errorf("%d are active ten minutes after the last pass", n)
		}
		time.Sleep(time.Hour)
		want(t, "all", am.take(), "0s keep a 10m0s")
		if n := b.passes(); n != 1 {
			t.Errorf("%d passes were asked for", n)
		}
		b.pass() // the first one that works
		want(t, "again", am.take(), "1h10m1s keep a 10m0s")
		b.stop()
	})
}
