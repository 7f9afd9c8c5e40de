package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/controllers/forecaster"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// expecting is a manager that makes passes over a world, with forecasts beside them, in the time of a synctest bubble.
type expecting struct {
	*reconciler
	t       *testing.T
	w       *world
	changed chan struct{}
	// passes is how many passes were made.
	passes int
}

func expectingManager(ctx context.Context, t *testing.T, w *world, nodes []string) *expecting {
	t.Helper()
	pods := map[string][]*corev1.Pod{}
	for _, node := range nodes {
		pods[node] = nil
	}
	m := &expecting{reconciler: newReconciler(w, &fakePods{pods: pods}), t: t, w: w, changed: make(chan struct{}, 1)}
	m.clock, m.executor.clock, m.reader.observed = clock.RealClock{}, clock.RealClock{}, newObserved(clock.RealClock{})
	m.executor.recorder = events.NewFakeRecorder(10_000)
	f := forecaster.New(forecaster.Options{Clock: clock.RealClock{}, Log: logr.Discard()})
	m.forecasts = f
	f.Start(ctx, func() {
		select {
		case m.changed <- struct{}{}:
		default:
		}
	})
	return m
}

// runFor lets time go by, with a pass whenever a plan or a forecast asks for one.
func (m *expecting) runFor(d time.Duration) {
	m.t.Helper()
	end := time.Now().Add(d)
	for {
		result, err := m.Reconcile(m.t.Context(), clusterKey)
		if err != nil {
			m.t.Fatal(err)
		}
		m.passes++
		left := time.Until(end)
		wake := left
		if result.RequeueAfter > 0 {
			wake = min(wake, result.RequeueAfter)
		}
		timer := time.NewTimer(wake)
		select {
		case <-m.changed:
		case <-timer.C:
		}
		timer.Stop()
		if !time.Now().Before(end) {
			return
		}
	}
}

// forecastNow is what the status of the policy says.
func (m *expecting) forecastNow() *v1alpha1.ForecastStatus {
	m.t.Helper()
	policy := &v1alpha1.RebootPolicy{}
	if err := m.w.Get(m.t.Context(), types.NamespacedName{Name: "p"}, policy); err != nil {
		m.t.Fatal(err)
	}
	return policy.Status.Forecast
}

// policyWrites is how often the status of the policy was written.
func (w *world) policyWrites() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	writes := 0
	for _, write := range w.writes {
		if write == "patch status RebootPolicy p" {
			writes++
		}
	}
	return writes
}

// withdraw has someone delete the NodeReboot of a node.
func (m *expecting) withdraw(node string) {
	m.t.Helper()
	if err := m.w.Delete(m.t.Context(), m.w.reboot(m.t, "r"+node)); err != nil {
		m.t.Fatal(err)
	}
}

// inTheFuture is a bubble whose time is that of the tests.
func inTheFuture(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(testNow))
		test(t)
	})
}

func nodesNamed(count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("n%02d", i)
	}
	return names
}

// toldForecasts records what a forecaster learns.
type toldForecasts struct {
	written map[string]*v1alpha1.ForecastStatus
	offers  int
}

func (*toldForecasts) Says() map[string]*v1alpha1.ForecastStatus { return nil }

func (f *toldForecasts) Offer(*plan.Snapshot, []plan.Rollout) { f.offers++ }

func (f *toldForecasts) Written(policy *v1alpha1.RebootPolicy, says *v1alpha1.ForecastStatus) {
	f.written[policy.Name] = says
}

func TestOnlyTheForecastsOfPoliciesThatWereWrittenAreNoLongerNews(t *testing.T) {
	t.Parallel()
	policy := func(name string) *v1alpha1.RebootPolicy {
		return &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-of-" + name)}}
	}
	says := &v1alpha1.ForecastStatus{Precision: v1alpha1.ForecastFull}
	told := &toldForecasts{written: map[string]*v1alpha1.ForecastStatus{}}
	r := &reconciler{forecasts: told}
	r.forecast(&snapshot{}, &plan.Plan{Policies: []plan.PolicyChange{
		{Object: policy("written"), Status: v1alpha1.RebootPolicyStatus{Forecast: says}},
		{Object: policy("refused"), Status: v1alpha1.RebootPolicyStatus{Forecast: says}},
	}}, &outcome{policies: []*v1alpha1.RebootPolicy{policy("written")}})
	if got, is := told.written["written"]; !is || got != says || len(told.written) != 1 || told.offers != 1 {
		t.Errorf("written are %v, and %d snapshots were offered", told.written, told.offers)
	}
}

func TestAPolicyGetsAForecastWithTheNextWriteOfItsStatus(t *testing.T) {
	nodes := nodesNamed(12)
	for name, test := range map[string]struct {
		forecasts bool
	}{"with forecasts": {true}, "without": {false}} {
		t.Run(name, func(t *testing.T) {
			inTheFuture(t, func(t *testing.T) {
				w := newWorld(t, fleet(v1alpha1.ModeEnforce, nodes...)...)
				m := expectingManager(t.Context(), t, w, nodes)
				if !test.forecasts {
					m.forecasts = nil
				}
				m.runFor(30 * time.Second)
				// The first status, and the counts ten seconds later.
				if writes := w.policyWrites(); writes > 2 {
					t.Errorf("the status of the policy was written %d times:\n%s", writes, strings.Join(w.writes, "\n"))
				}
				f := m.forecastNow()
				if !test.forecasts {
					if f != nil {
						t.Errorf("without forecasts the status has %v", f)
					}
					return
				}
				if f == nil || f.Precision != v1alpha1.ForecastFull || f.NodesWithoutTime != 0 {
					t.Fatalf("the status has the forecast %v", f)
				}
				// Twelve nodes one after the other, of which each takes a few minutes.
				if took := f.FinishTime.Sub(testNow); took < 30*time.Minute || took > 90*time.Minute {
					t.Errorf("it is done after %s", took)
				}
				if age := f.ComputedTime.Sub(testNow); age > 10*time.Second {
					t.Errorf("it was computed after %s", age)
				}
			})
		})
	}
}

func TestAForecastIsWrittenEveryFewMinutesAtMostAndClearedWithTheCounts(t *testing.T) {
	nodes := nodesNamed(30)
	inTheFuture(t, func(t *testing.T) {
		w := newWorld(t, fleet(v1alpha1.ModeEnforce, nodes...)...)
		m := expectingManager(t.Context(), t, w, nodes)
		var computed []time.Time
		for i := range nodes {
			m.runFor(20 * time.Second)
			if f := m.forecastNow(); f != nil && (len(computed) == 0 || !computed[len(computed)-1].Equal(f.ComputedTime.Time)) {
				computed = append(computed, f.ComputedTime.Time)
			}
			m.withdraw(nodes[len(nodes)-1-i])
		}
		for i := range computed[1:] {
			if apart := computed[i+1].Sub(computed[i]); apart < forecast.PublishEvery {
				t.Errorf("forecasts %s apart", apart)
			}
		}
		// Each third of a minute another node needs no reboot anymore, so the end moves by more than a tenth all the time.
		if len(computed) < 3 || len(computed) > 4 {
			t.Errorf("forecasts of %v, want one every three minutes of ten", computed)
		}
		m.runFor(30 * time.Second)
		if f := m.forecastNow(); f != nil {
			t.Errorf("when no node needs a reboot, the status has the forecast %v", f)
		}
		// Of the counts, at most one write in ten seconds.
		if writes := w.policyWrites(); writes > 63 {
			t.Errorf("the status of the policy was written %d times in ten minutes", writes)
		}

		m.runFor(time.Hour)
		before, passes := len(w.writes), m.passes
		m.runFor(24 * time.Hour)
		if len(w.writes) > before || m.passes > passes+1 {
			t.Errorf("idle, %d passes wrote %v", m.passes-passes, w.writes[before:])
		}
	})
}

// Nothing changes for a day: the node under way never ends its drain, and the window of the others never comes.
func TestAForecastThatSaysTheSameIsNotWrittenAgain(t *testing.T) {
	nodes := nodesNamed(5)
	inTheFuture(t, func(t *testing.T) {
		objects := fleet(v1alpha1.ModeEnforce, nodes...)
		policy, _ := objects[0].(*v1alpha1.RebootPolicy)
		policy.Spec.Schedule = v1alpha1.ScheduleSpec{
			TimeZone: "UTC", AtClose: v1alpha1.TimeoutAbort,
			Windows: []v1alpha1.ScheduleWindow{{Cron: "0 3 8 3 *", DurationSeconds: 7200}},
		}
		w := newWorld(t, objects...)
		m := expectingManager(t.Context(), t, w, nodes)
		m.runFor(2 * time.Minute)
		f := m.forecastNow()
		if f == nil || f.FinishTime.Before(&metav1.Time{Time: testNow.Add(6 * 24 * time.Hour)}) {
			t.Fatalf("a week before its window, the policy has the forecast %v", f)
		}
		before := w.policyWrites()
		for range 24 {
			m.runFor(time.Hour)
		}
		if after := w.policyWrites(); after > before {
			t.Errorf("the status of the policy was written %d times in a day in which nothing happened", after-before)
		}
	})
}

func TestAnotherLeaderDoesNotWriteTheForecastAgain(t *testing.T) {
	nodes := nodesNamed(12)
	inTheFuture(t, func(t *testing.T) {
		w := newWorld(t, fleet(v1alpha1.ModeEnforce, nodes...)...)
		ctx, stop := context.WithCancel(t.Context())
		first := expectingManager(ctx, t, w, nodes)
		first.runFor(time.Minute)
		stop()
		f, before := first.forecastNow(), w.policyWrites()
		second := expectingManager(t.Context(), t, w, nodes)
		second.runFor(time.Minute)
		if after := second.forecastNow(); f == nil || !after.ComputedTime.Equal(f.ComputedTime) {
			t.Errorf("the second leader has written %v over %v", after, f)
		}
		if after := w.policyWrites(); after > before {
			t.Errorf("the second leader wrote the status of the policy %d times", after-before)
		}
	})
}

func TestAForecastThatIsRefusedHoldsUpNothingAndAsksForNoPasses(t *testing.T) {
	nodes := nodesNamed(3)
	inTheFuture(t, func(t *testing.T) {
		w := newWorld(t, fleet(v1alpha1.ModeEnforce, nodes...)...)
		w.refuse = func(write string) error {
			if write == "patch status RebootPolicy p" {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "rebootpolicies"}, "p", errors.New("a webhook says no"))
			}
			return nil
		}
		m := expectingManager(t.Context(), t, w, nodes)
		m.runFor(5 * time.Minute)
		if order := w.reboot(t, "rn00").Status.Order; order == nil || order.Action != v1alpha1.ActionDrain {
			t.Errorf("the first node has the order %v, want that to drain", order)
		}
		// A refused write is tried again less and less often.
		if writes := w.policyWrites(); writes > 12 {
			t.Errorf("the status of the policy was tried %d times", writes)
		}
		if m.passes > 60 {
			t.Errorf("%d passes in five minutes", m.passes)
		}
	})
}

// The API server drops a field that its kinds do not have, and says nothing.
func TestAForecastThatOlderKindsDropIsWrittenEveryFewMinutesAtMost(t *testing.T) {
	nodes := nodesNamed(3)
	inTheFuture(t, func(t *testing.T) {
		w := newWorld(t, fleet(v1alpha1.ModeEnforce, nodes...)...)
		m := expectingManager(t.Context(), t, w, nodes)
		forget := func() {
			policy := &v1alpha1.RebootPolicy{}
			if err := w.Get(t.Context(), types.NamespacedName{Name: "p"}, policy); err != nil {
				t.Fatal(err)
			}
			if policy.Status.Forecast != nil {
				policy.Status.Forecast = nil
				if err := w.Status().Update(t.Context(), policy); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 60 {
			m.runFor(5 * time.Second)
			forget()
		}
		before := w.policyWrites()
		for range 120 { // ten minutes
			m.runFor(5 * time.Second)
			forget()
		}
		if writes := w.policyWrites() - before; writes > 4 {
			t.Errorf("the status of the policy was written %d times in ten minutes", writes)
		}
	})
}
