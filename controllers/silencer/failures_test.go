package silencer

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/gates"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/silence"
)

func TestTheNextLeaderGoesOnWithTheSilencesThatItFindsAndEndsWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := newFakeServer()
		servers := map[string]*fakeServer{"http://am": am}
		first := newBench(t, servers)
		first.underWay("a", "b")
		first.pass()
		want(t, "first", am.take(), "0s keep a 10m0s", "0s keep b 10m0s")
		time.Sleep(2 * time.Minute)
		first.stop()
		foreign := silence.Silence{Key: silence.Key{PolicyUID: "another cluster's", Entry: "node-alerts", Node: "x"}}
		am.silences = append(am.silences, &fakeSilence{foreign, time.Now().Add(time.Hour)})

		next := newBench(t, servers)
		next.underWay("a") // the NodeReboot of b was deleted meanwhile
		next.pass()
		want(t, "next", am.take(), "2m0s end b")
		time.Sleep(3 * time.Minute)
		want(t, "renewed", am.take(), "5m0s keep a 10m0s")
		next.stop()
	})
}

func TestTwoManagersThatBothBelieveTheyLeadLeaveNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := newFakeServer()
		am.blind = true // each asks before the other one has written
		servers := map[string]*fakeServer{"http://am": am}
		one, two := newBench(t, servers), newBench(t, servers)
		for _, b := range []*bench{one, two} {
			b.underWay("a")
			b.pass()
		}
		if n := am.active(); n != 2 {
			t.Errorf("%d active, want one of each", n)
		}
		am.blind = false
		for _, b := range []*bench{one, two} {
			b.change(func() { delete(b.reboots, "a") })
			b.pass()
		}
		if n := am.active(); n != 0 {
			t.Errorf("%d are left", n)
		}
		one.stop()
		two.stop()
	})
}

func TestASilenceLapsesWhenTheOperatorDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := newFakeServer()
		b := newBench(t, map[string]*fakeServer{"http://am": am})
		b.underWay("a")
		b.pass()
		time.Sleep(6 * time.Minute)
		b.stop()
		am.take()
		time.Sleep(8 * time.Minute)
		if am.active() != 1 {
			t.Error("it lapsed early")
		}
		time.Sleep(2 * time.Minute)
		if am.active() != 0 || len(am.take()) != 0 {
			t.Error("it did not lapse by itself")
		}
	})
}

func TestAnAlertmanagerThatHangsDelaysNeitherAPassNorAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung, other := newFakeServer(), newFakeServer()
		hung.set(nil, true)
		b := newBench(t, map[string]*fakeServer{"http://am": hung, "http://other": other})
		second := entry("http://other", "{{ .Node }}")
		second.Name = "other"
		b.policy.Spec.Silences = append(b.policy.Spec.Silences, second)
		began := time.Now()
		for range 100 {
			b.underWay("a")
			b.pass()
			b.Failures()
			b.Numbers()
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("passes waited for %s", took)
		}
		want(t, "the other one", other.take(), "0s keep a 10m0s")
		b.stop()
	})
}

func TestWhatFailsIsTriedAgainLessAndLessOftenAndSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := newFakeServer()
		b := newBench(t, map[string]*fakeServer{"http://am": am})
		b.pass()
		synctest.Wait()
		am.set(errors.New("no"), false)
		b.underWay("a")
		b.pass()
		synctest.Wait()
		if f := b.Failures(); f["p"] != nil || b.passes() != 0 {
			t.Errorf("the first failure is said: %v", f)
		}
		for range 60 {
			time.Sleep(time.Second)
			b.pass()
		}
		var at []string
		for _, w := range am.take() {
			at = append(at, strings.Fields(w)[0])
		}
		want(t, "tried", at, "0s", "1s", "3s", "7s", "15s", "31s")
		f := b.Failures()["p"]
		if len(f) != 1 || f[0].Silence != "node-alerts" || !f[0].Since.Equal(am.began) || !strings.Contains(f[0].Message, "could not be asked") {
			t.Errorf("failures %+v", f)
		}
		if n := b.passes(); n != 1 {
			t.Errorf("%d passes were asked for", n)
		}
		time.Sleep(time.Minute)
		am.set(nil, false)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if b.Failures()["p"] != nil || b.passes() != 2 || am.active() != 1 || b.Numbers()["p"].Failed < 6 {
			t.Errorf("after it works again: %v, %d passes, %+v", b.Failures(), b.passes(), b.Numbers())
		}
		b.stop()
	})
}

func TestWhatCannotBeEndedIsGivenUpWhenItHasLapsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := newFakeServer()
		b := newBench(t, map[string]*fakeServer{"http://am": am})
		b.underWay("a")
		b.pass()
		synctest.Wait()
		am.set(errors.New("no"), false)
		b.change(func() { b.policy = nil })
		b.pass()
		lapses := time.Now().Add(10 * time.Minute)
		time.Sleep(9 * time.Minute)
		f := b.Failures()["p"]
		want := model.SilenceFailure{
			Ending: true, Silence: "node-alerts", Node: "a", Nodes: 1, Message: gates.Readable(errors.New("no")), Since: am.began, Until: lapses,
		}
		if diff := cmp.Diff([]model.SilenceFailure{want}, f); diff != "" || b.Idle() {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
		if n := b.Numbers()["p"]; n.Overdue != 1 || n.Silences != 1 {
			t.Errorf("numbers %+v", n)
		}
		time.Sleep(2 * time.Minute)
		if !b.Idle() || b.Failures() != nil || len(b.Numbers()) != 0 {
			t.Errorf("failures %v, numbers %v", b.Failures(), b.Numbers())
		}
		b.stop()
	})
}

func TestMatchersOfWhichNoSilenceCanBeMadeAreSaidAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, map[string]*fakeServer{"http://am": newFakeServer()})
		b.policy.Spec.Silences = []v1alpha1.AlertSilence{entry("http://am", "{{ .Zone }}")}
		b.underWay("a")
		b.pass()
		began := time.Now()
		time.Sleep(time.Minute)
		b.pass()
		f := b.Failures()["p"]
		const problem = "matcher node: {{ .Zone }} is empty, because node a is in no zone."
		if len(f) != 1 || f[0].Message != problem || !f[0].Since.Equal(began) || b.passes() != 1 {
			t.Errorf("failures %+v, %d passes", f, b.passes())
		}
		b.change(func() { delete(b.reboots, "a") })
		b.pass()
		if f := b.Failures()["p"]; f != nil || b.passes() != 2 {
			t.Errorf("failures %+v, %d passes", f, b.passes())
		}
		b.stop()
	})
}

func TestASilenceThatWasMadeWithoutAnAnswerIsEndedWhenTheRebootFails(t *testing.T) {
	for name, secretly := range map[string]bool{"it was made": true, "it was not made": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				am := newFakeServer()
				b := newBench(t, map[string]*fakeServer{"http://am": am})
				b.pass()
				synctest.Wait()
				am.set(errors.New("no answer"), false)
				am.secretly = secretly
				b.underWay("a")
				b.pass()
				synctest.Wait()
				am.set(nil, false)
				b.change(func() { b.policy = nil })
				b.pass()
				// Not after the time of the retry: that is for the silence that was to be made.
				want(t, "all", am.take(), "0s failed to keep a 10m0s", "0s end a")
				if am.active() != 0 || !b.Idle() {
					t.Errorf("%d are active", am.active())
				}
				b.stop()
			})
		})
	}
}
