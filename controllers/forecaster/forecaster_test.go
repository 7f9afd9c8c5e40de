package forecaster

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench is a Forecaster whose time goes by when a test says so.
type bench struct {
	*Forecaster
	t     *testing.T
	clock *clocktesting.FakePassiveClock
	// ends is when the forecast says that all are done; zero is unknown.
	ends time.Time
	// takes is how long a forecast takes.
	takes time.Duration
	// made are the inputs of the forecasts.
	made []forecast.Input
	// passes is how many passes were asked for.
	passes int
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, clock: clocktesting.NewFakePassiveClock(testNow), ends: testNow.Add(time.Hour)}
	b.Forecaster = New(Options{Clock: b.clock, Log: logr.Discard()})
	b.compute = func(in forecast.Input) *forecast.Forecast {
		b.made = append(b.made, in)
		b.clock.SetTime(b.clock.Now().Add(b.takes))
		out := &forecast.Forecast{Computed: in.Now}
		for _, policy := range in.Snapshot.Policies {
			p := forecast.Policy{Name: policy.Name}
			if ends := b.ends; !ends.IsZero() {
				p.Finish.P50 = &ends
			}
			out.Policies = append(out.Policies, p)
		}
		return out
	}
	return b
}

// offer leaves a pass's snapshot with policies, all of which have nodes that need a reboot.
func (b *bench) offer(underWay bool, policies ...*v1alpha1.RebootPolicy) {
	var rollouts []plan.Rollout
	for _, policy := range policies {
		rollouts = append(rollouts, plan.Rollout{Policy: policy, UnderWay: underWay})
	}
	b.Offer(&plan.Snapshot{Policies: policies}, rollouts)
}

// pass lets time go by with all that is due in it.
func (b *bench) pass(d time.Duration) {
	b.t.Helper()
	for end := b.clock.Now().Add(d); ; {
		news, pause := b.step()
		if news {
			b.passes++
		}
		switch left := end.Sub(b.clock.Now()); {
		case news || pause == 0:
			continue
		case pause < 0 || pause >= left:
			b.clock.SetTime(end)
			return
		default:
			b.clock.SetTime(b.clock.Now().Add(pause))
		}
	}
}

func (b *bench) expect(forecasts, passes int) {
	b.t.Helper()
	if len(b.made) != forecasts || b.passes != passes {
		b.t.Errorf("%d forecasts, and %d passes asked for; want %d and %d", len(b.made), b.passes, forecasts, passes)
	}
}

func policyNamed(name string, status *v1alpha1.ForecastStatus) *v1alpha1.RebootPolicy {
	return &v1alpha1.RebootPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name)}, Status: v1alpha1.RebootPolicyStatus{Forecast: status},
	}
}

func statusOf(computed, finish time.Time) *v1alpha1.ForecastStatus {
	return &v1alpha1.ForecastStatus{
		ComputedTime: &metav1.Time{Time: computed}, FinishTime: &metav1.Time{Time: finish}, Precision: v1alpha1.ForecastFull,
	}
}

func TestNothingIsForecastWhileNoNodeNeedsAReboot(t *testing.T) {
	b := newBench(t)
	b.pass(24 * time.Hour)
	b.offer(false)
	b.pass(24 * time.Hour)
	b.expect(0, 0)
	if _, pause := b.step(); pause >= 0 {
		t.Errorf("it looks again after %s, want never", pause)
	}
}

func TestTheFirstForecastIsMadeWhenNodesHaveGathered(t *testing.T) {
	b := newBench(t)
	policy := policyNamed("p", nil)
	b.offer(false, policy)
	b.pass(gathering - time.Millisecond)
	b.expect(0, 0)
	b.pass(time.Minute)
	b.expect(1, 1)
	want := map[string]*v1alpha1.ForecastStatus{"p": statusOf(testNow.Add(gathering), b.ends)}
	if diff := cmp.Diff(want, b.Says()); diff != "" {
		t.Errorf("the status should say (-want +got):\n%s", diff)
	}
	b.Written(policy, b.Says()["p"])
	if says := b.Says(); says != nil {
		t.Errorf("once it is written, the status should say %v", says)
	}
}

// The pass that writes it leaves the policy as it was before.
func TestWhatWasWrittenIsNotNewsInTheNextMinutes(t *testing.T) {
	b := newBench(t)
	b.offer(true, policyNamed("p", nil))
	b.pass(10 * time.Second)
	b.expect(1, 1)
	b.Written(policyNamed("p", nil), b.Says()["p"])
	for range 60 {
		b.ends = b.ends.Add(time.Hour)
		b.offer(true, policyNamed("p", nil))
		b.pass(2 * time.Second)
	}
	b.expect(1, 1)
}

func TestAForecastIsNewsEveryFewMinutesAtMost(t *testing.T) {
	b := newBench(t)
	var status *v1alpha1.ForecastStatus
	writes := 0
	for i := range 120 { // a pass each half minute, and the end moves all the time
		policy := policyNamed("p", status)
		b.offer(true, policy)
		b.pass(30 * time.Second)
		b.ends = b.clock.Now().Add(time.Hour * time.Duration(1+i/6%2))
		if says := b.Says(); says != nil {
			if status != nil && says["p"].ComputedTime.Sub(status.ComputedTime.Time) < forecast.PublishEvery {
				t.Errorf("computed at %s, and again at %s", status.ComputedTime, says["p"].ComputedTime)
			}
			status = says["p"]
			writes++
			b.Written(policy, status)
		}
	}
	if writes < 15 || writes > 20 || len(b.made) != 20 {
		t.Errorf("in an hour %d forecasts were made and %d written, want 20, and mostly all of them", len(b.made), writes)
	}
}

func TestAnEndThatStaysIsNoNews(t *testing.T) {
	b := newBench(t)
	for range 20 {
		b.offer(true, policyNamed("p", statusOf(testNow.Add(-time.Hour), b.ends)))
		b.pass(time.Minute)
	}
	b.expect(7, 0)
}

// Another manager leads: what its predecessor wrote counts for it, too.
func TestAManagerThatBeginsToLeadDoesNotRepeatTheForecast(t *testing.T) {
	b := newBench(t)
	b.ends = b.ends.Add(5 * time.Hour)
	b.offer(true, policyNamed("p", statusOf(testNow.Add(-time.Minute), testNow.Add(time.Hour))))
	b.pass(2*time.Minute - time.Second)
	b.expect(0, 0)
	b.pass(2 * time.Second)
	b.expect(1, 1)
}

func TestWhileNodesOnlyWaitAForecastIsMadeOncePerChange(t *testing.T) {
	b := newBench(t)
	b.offer(false, policyNamed("p", statusOf(testNow, b.ends)))
	b.pass(24 * time.Hour)
	b.expect(1, 0)
	b.offer(false, policyNamed("p", statusOf(testNow, b.ends)))
	b.pass(24 * time.Hour)
	b.expect(2, 0)
}

func TestWhileNodesAreUnderWayAForecastIsMadeEveryFewMinutes(t *testing.T) {
	b := newBench(t)
	b.offer(true, policyNamed("p", statusOf(testNow, b.ends)))
	b.pass(time.Minute * 10)
	b.expect(3, 0)
}

func TestWhatNoEndIsKnownOfIsClearedOnce(t *testing.T) {
	b := newBench(t)
	b.ends = time.Time{}
	policy := policyNamed("p", statusOf(testNow.Add(-time.Hour), testNow.Add(time.Hour)))
	b.offer(true, policy)
	b.pass(time.Minute)
	if says, is := b.Says()["p"]; !is || says != nil {
		t.Errorf("the status should say %v, %t; want that it says nothing", says, is)
	}
	b.Written(policy, nil)
	b.offer(true, policyNamed("p", nil))
	b.pass(time.Hour)
	if b.passes != 1 || b.Says() != nil {
		t.Errorf("%d passes were asked for, and the status should say %v; want 1 and nothing", b.passes, b.Says())
	}
}

func TestOneForecastServesAllPoliciesThatAreDue(t *testing.T) {
	b := newBench(t)
	b.offer(false, policyNamed("p", nil), policyNamed("q", nil), policyNamed("fresh", statusOf(testNow, testNow)))
	b.pass(10 * time.Second)
	b.expect(1, 1)
	if says := b.Says(); len(says) != 2 || says["p"] == nil || says["q"] == nil {
		t.Errorf("the statuses should say %v, want those of p and q", says)
	}
}

func TestAPolicyOfTheSameNameHasNothingOfTheLastOne(t *testing.T) {
	b := newBench(t)
	b.offer(false, policyNamed("p", nil))
	b.pass(10 * time.Second)
	other := policyNamed("p", nil)
	other.UID = "another"
	b.offer(false, other)
	if says := b.Says(); says != nil {
		t.Errorf("the status of the other policy should say %v", says)
	}
}

func TestTheEndOfARolloutForgetsItsForecast(t *testing.T) {
	b := newBench(t)
	b.offer(true, policyNamed("p", nil))
	b.pass(10 * time.Second)
	b.offer(true)
	b.offer(true, policyNamed("p", nil))
	if says := b.Says(); says != nil {
		t.Errorf("the status of the next rollout should say %v", says)
	}
}

func TestForecastsTakeATenthOfOneProcessorAtMost(t *testing.T) {
	for _, takes := range []time.Duration{30 * time.Second, 40 * time.Second, 200 * time.Second} {
		b := newBench(t)
		b.takes = takes
		b.offer(true, policyNamed("p", nil))
		for end := testNow.Add(time.Hour); b.clock.Now().Before(end); {
			b.offer(true, policyNamed("p", nil))
			b.pass(time.Second)
		}
		if spent := b.takes * time.Duration(len(b.made)); spent > time.Hour/10+b.takes {
			t.Errorf("in an hour, forecasts of %s took %s", takes, spent)
		}
		for _, in := range b.made {
			if in.Samples != samples || in.Budget.Work != forecast.DefaultBudget(0).Work/part {
				t.Errorf("a forecast has %d samples and may do work of %d", in.Samples, in.Budget.Work)
			}
		}
	}
}

// One pass shows both, and the status of one of them is too young.
func TestAPolicyThatOnlyWaitsGetsItsForecastWhenAnotherOneGotItsBefore(t *testing.T) {
	b := newBench(t)
	young := policyNamed("young", statusOf(testNow.Add(-time.Minute), testNow.Add(10*time.Hour)))
	b.offer(false, policyNamed("old", nil), young)
	b.pass(10 * time.Second)
	b.expect(1, 1)
	b.pass(forecast.PublishEvery)
	b.expect(2, 2)
	if says := b.Says()["young"]; says == nil || !says.FinishTime.Time.Equal(b.ends) {
		t.Errorf("its status should say %v", says)
	}
	b.pass(24 * time.Hour)
	b.expect(2, 2)
}

func TestAClockThatWasSetBackStopsNoForecast(t *testing.T) {
	b := newBench(t)
	b.takes = time.Second
	b.offer(true, policyNamed("p", nil))
	b.pass(time.Minute)
	b.expect(1, 1)
	b.clock.SetTime(testNow.Add(-30 * 24 * time.Hour))
	b.offer(true, policyNamed("p", nil))
	b.pass(time.Minute)
	b.expect(2, 2)
}

func TestAPlannerThatPanicsHasNoForecastAndHarmsNothing(t *testing.T) {
	b := newBench(t)
	b.compute = func(in forecast.Input) *forecast.Forecast {
		b.made = append(b.made, in)
		panic("no such node")
	}
	b.offer(true, policyNamed("p", nil))
	b.pass(10 * time.Minute)
	b.expect(4, 0)
	if says := b.Says(); says != nil {
		t.Errorf("the status should say %v", says)
	}
	b.offer(false, policyNamed("p", nil))
	b.pass(10 * time.Minute)
	if len(b.made) < 7 {
		t.Errorf("%d forecasts were tried, and none of them while nodes only wait", len(b.made))
	}
}

func TestAPassNeverWaitsForAForecast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(Options{Clock: clock.RealClock{}, Log: logr.Discard()})
		begun, goOn := make(chan struct{}), make(chan struct{})
		f.compute = func(in forecast.Input) *forecast.Forecast {
			close(begun)
			<-goOn
			ends := in.Now.Add(time.Hour)
			return &forecast.Forecast{Computed: in.Now, Policies: []forecast.Policy{{Name: "p", Finish: forecast.Times{P50: &ends}}}}
		}
		changed := make(chan struct{}, 1)
		f.Start(t.Context(), func() { changed <- struct{}{} })
		policy := policyNamed("p", nil)
		offer := func() { f.Offer(&plan.Snapshot{}, []plan.Rollout{{Policy: policy}}) }
		offer()
		<-begun
		offer()
		if says := f.Says(); says != nil {
			t.Errorf("during the forecast the status should say %v", says)
		}
		f.Written(policy, nil)
		close(goOn)
		<-changed
		if f.Says()["p"] == nil {
			t.Error("after the forecast the status should say nothing")
		}
	})
}
