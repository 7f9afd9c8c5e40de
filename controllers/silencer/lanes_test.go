package silencer

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func stalled(b *bench, node string) func() {
	return func() {
		attempt := b.reboots[node].Status.Attempt
		attempt.StalledTime, attempt.InterruptedTime = ptr.To(metav1.NowMicro()), ptr.To(metav1.NowMicro())
	}
}

func TestTheNextManagerDoesNotSilenceAnAttemptAgainThatStalledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := newFakeServer()
		servers := map[string]*fakeServer{"http://am": am, "http://other": newFakeServer()}
		first := newBench(t, servers)
		first.underWay("a")
		first.pass()
		am.take()
		first.change(stalled(first, "a"))
		first.pass()
		want(t, "stalled", am.take(), "0s end a")
		first.stop()

		next := newBench(t, servers)
		next.reboots = first.reboots
		next.change(func() { // its node comes back late
			attempt := next.reboots["a"].Status.Attempt
			attempt.StalledTime, attempt.BackTime = nil, ptr.To(metav1.NowMicro())
		})
		next.pass()
		time.Sleep(time.Hour)
		want(t, "at the same Alertmanager", am.take())
		next.change(func() { next.policy.Spec.Silences = []v1alpha1.AlertSilence{entry("http://other", "{{ .Node }}")} })
		next.pass()
		time.Sleep(time.Hour)
		want(t, "at another one", servers["http://other"].take())
		next.stop()
	})
}

func TestWhatTheNextManagerCannotListItMakesAndEndsNevertheless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := newFakeServer()
		servers := map[string]*fakeServer{"http://am": am}
		first := newBench(t, servers)
		first.underWay("a", "b")
		first.pass()
		am.take()
		first.stop()

		am.lostList = errors.New("too long")
		next := newBench(t, servers)
		next.underWay("a", "b", "c")
		next.change(stalled(next, "b"))
		next.pass()
		want(t, "though it cannot list", am.take(), "0s end b", "0s keep a 10m0s", "0s keep c 10m0s")
		if n := am.active(); n != 2 {
			t.Errorf("%d are active", n)
		}
		am.take()
		time.Sleep(4 * time.Minute)
		want(t, "and nothing more", am.take())
		if lists := am.listed(); lists > 12 {
			t.Errorf("%d lists in four minutes", lists)
		}
		if f := next.Failures()["p"]; len(f) != 1 || f[0].Ending || !f[0].Finding || !f[0].Until.Equal(am.began.Add(time.Hour)) {
			t.Errorf("failures %+v", f)
		}
		lists := am.listed()
		for range 60 {
			time.Sleep(time.Minute)
			next.pass()
		}
		synctest.Wait()
		if f := next.Failures()["p"]; len(f) != 0 {
			t.Errorf("failures %+v, although whatever there was has lapsed", f)
		}
		if n := am.listed() - lists; n > 12 {
			t.Errorf("%d lists in an hour", n)
		}
		next.stop()
	})
}

func TestOfTwoSilencesThatManagersMadeOfOneTheLaterOneCounts(t *testing.T) {
	for _, order := range [][]time.Duration{{9 * time.Minute, 2 * time.Minute}, {2 * time.Minute, 9 * time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			am := newFakeServer()
			servers := map[string]*fakeServer{"http://am": am}
			first := newBench(t, servers)
			first.underWay("a")
			first.pass()
			am.take()
			first.stop()
			made := am.silences[0].Silence
			am.silences = nil
			for _, lasts := range order {
				am.silences = append(am.silences, &fakeSilence{made, time.Now().Add(lasts)})
			}
			next := newBench(t, servers)
			next.underWay("a")
			next.change(stalled(next, "a"))
			am.refuse("a", errors.New("no"))
			for range 5 {
				next.pass()
				time.Sleep(5 * time.Second)
			}
			f := next.Failures()["p"]
			if len(f) != 1 || !f[0].Ending || !f[0].Until.Equal(am.began.Add(9*time.Minute)) {
				t.Errorf("%v: failures %+v", order, f)
			}
			next.stop()
		})
	}
}

func TestFailuresAreCountedOnForAsLongAsThePolicyHasSilences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone, other := newFakeServer(), newFakeServer()
		b := newBench(t, map[string]*fakeServer{"http://am": gone, "http://other": other})
		second := entry("http://other", "{{ .Node }}")
		second.Name = "other"
		gone.set(errors.New("no"), false)
		b.change(func() { b.policy.Spec.Silences = append(b.policy.Spec.Silences, second) })
		b.pass()
		time.Sleep(time.Minute)
		before := b.Numbers()["p"].Failed
		if before == 0 {
			t.Fatal("nothing has failed")
		}
		b.change(func() { b.policy.Spec.Silences = b.policy.Spec.Silences[1:] })
		b.pass()
		time.Sleep(2 * time.Hour)
		if after := b.Numbers()["p"].Failed; after < before {
			t.Errorf("%d have failed, after %d", after, before)
		}
		if n := len(b.lanes); n != 1 {
			t.Errorf("there are %d lanes", n)
		}
		b.change(func() { b.policy.Spec.Silences = nil })
		b.pass()
		synctest.Wait()
		if len(b.Numbers()) != 0 || len(b.failed) != 0 {
			t.Errorf("left: %v, %v", b.Numbers(), b.failed)
		}
		b.stop()
	})
}

func TestASilenceThatIsRefusedForGoodDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := newFakeServer()
		b := newBench(t, map[string]*fakeServer{"http://am": am})
		am.refuse("a", errors.New("400"))
		b.underWay("a", "b")
		b.pass()
		time.Sleep(50 * time.Second) // it waits for its next try
		b.pass()
		am.take()
		b.change(stalled(b, "b"))
		b.pass()
		want(t, "the other one", am.take(), "50s end b")
		f := b.Failures()["p"]
		if len(f) != 1 || f[0].Ending || f[0].Node != "a" || !f[0].Since.Equal(am.began) {
			t.Errorf("failures %+v", f)
		}
		// That one silence works says nothing about another one that does not.
		before := b.passes()
		for range 50 {
			b.underWay("b", "c", "d")
			b.pass()
			time.Sleep(time.Second)
			b.change(func() { delete(b.reboots, "b"); delete(b.reboots, "c"); delete(b.reboots, "d") })
			b.pass()
		}
		if again := b.Failures()["p"]; len(again) != 1 || again[0] != f[0] || b.passes() != before {
			t.Errorf("failures %+v, and %d passes asked for", again, b.passes()-before)
		}
		b.stop()
	})
}

func TestFailuresThatTakeTurnsAreSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := newFakeServer()
		b := newBench(t, map[string]*fakeServer{"http://am": am})
		b.underWay("a")
		am.set(errors.New("one"), false)
		b.pass()
		for i := range 600 {
			time.Sleep(time.Second)
			am.set(errors.New("one"), false)
			if i%60 < 30 {
				am.set(errNoAnswer, false)
			}
		}
		if n := b.passes(); n > 6 { // some are for the lease
			t.Errorf("%d passes were asked for", n)
		}
		b.stop()
	})
}

func TestAListThatBreaksOffLeavesNoEntryStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := newFakeServer()
		servers := map[string]*fakeServer{"http://am": am}
		first := newBench(t, servers)
		first.underWay("a")
		first.pass()
		am.take()
		first.stop()
		am.lostList = errors.New("it broke off")

		next := newBench(t, servers)
		next.pass()
		synctest.Wait()
		next.change(func() { next.policy.Spec.Silences = nil })
		next.pass()
		time.Sleep(time.Minute)
		if !next.Idle() || next.Failures() != nil {
			t.Errorf("an entry that is gone is left: %+v", next.Failures())
		}
		next.underWay("a")
		next.change(func() { next.policy.Spec.Silences = []v1alpha1.AlertSilence{entry("http://am", "{{ .Node }}")} })
		next.pass()
		want(t, "written again", am.take(), "1m0s keep a 10m0s")
		next.stop()
	})
}

func TestAnEntryThatComesAndGoesWhileListingFailsIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := newFakeServer()
		am.set(nil, true)
		b := newBench(t, map[string]*fakeServer{"http://am": am})
		silences := b.policy.Spec.Silences
		for range 40 {
			b.change(func() { b.policy.Spec.Silences = nil })
			b.pass()
			time.Sleep(700 * time.Millisecond)
			b.underWay("a")
			b.change(func() { b.policy.Spec.Silences = silences })
			b.pass()
			time.Sleep(900 * time.Millisecond)
		}
		am.set(nil, false)
		time.Sleep(time.Minute)
		if n := am.active(); n != 1 {
			t.Errorf("%d are active once the Alertmanager answers", n)
		}
		b.stop()
	})
}
